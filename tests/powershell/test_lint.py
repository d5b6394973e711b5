"""The lint finds each of its bad cases where it stands, and nothing in the good ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.powershell.lint import faults

CASES = YAML(typ="safe").load((Path(__file__).parent / "cases.yaml").read_text("utf-8"))
HEADER = "# hemostat case 1: looks: a case of the lint\n"


@pytest.mark.parametrize("case", CASES["bad"], ids=lambda c: c["why"])
def test_a_bad_script_is_told_with_its_line(case: dict[str, str | int]) -> None:
    """Each bad case is named where it stands."""
    found = faults((HEADER + str(case["text"])).encode())
    assert any(f.line == case["line"] and str(case["says"]) in f.text for f in found), [str(f) for f in found]


@pytest.mark.parametrize("case", CASES["good"], ids=lambda c: c["why"])
def test_a_good_script_passes(case: dict[str, str]) -> None:
    """What 5.1 takes and our rules allow is no fault."""
    assert [str(f) for f in faults((HEADER + case["text"]).encode())] == []


@pytest.mark.parametrize("first", ["", "# a script", "# hemostat triage 1: looks"])
def test_a_script_says_what_it_is(first: str) -> None:
    """The first line tells the name, the version and whether it changes anything."""
    assert "first line" in str(faults(f"{first}\nGet-Process\n".encode())[0])


def test_a_script_that_changes_may_change_but_not_fetch() -> None:
    """A remedy may remove a file, but no script downloads."""
    header = b"# hemostat remedy 1: changes: a case of the lint\n"
    assert faults(header + b"Remove-Item -LiteralPath $file -Force") == []
    assert "fetches" in str(faults(header + b"Invoke-RestMethod $where")[0])
