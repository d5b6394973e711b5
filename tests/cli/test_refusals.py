"""Whatever is wrong ends in its outcome and exit code, in words that say what to do next, and changes nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tasks.case import load_state
from tasks.model import Outcome, Step
from tasks.yaml_lines import read
from tests.cli.house import House, Said

pytestmark = pytest.mark.lab

CASES: dict[str, Any] = read((Path(__file__).parent / "refusals.yaml").read_bytes()).value
OUTCOMES = {1: "FAILED", 3: "REFUSED", 4: "UNREACHABLE"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_told_and_changes_nothing(house: House, case: dict[str, Any]) -> None:
    """The table: the code, the words, the next step; the device and the files are as before but for the journal."""
    line = _arrange(house, case)
    files, device = house.files(), house.configuration()
    said = house.say(case["say"], stdin=case.get("stdin", "").encode())
    assert said.code == case["code"], said.text
    for word in case["words"]:
        assert word.format(line=line) in said.text, f"{word!r} is not said: {said.text}"
    assert case.get("never", "\0") not in said.text
    assert house.configuration() == device
    assert set(house.files().items()) - set(files.items()) == _journal(house, case.get("step"), said)


def _arrange(house: House, case: dict[str, Any]) -> int:
    for file, changes in case.get("site", {}).items():
        house.merge(file, changes)
    if "gone" in case:
        (house.folder / case["gone"]).unlink()
    house.lab.faults(**case.get("faults", {}))
    return max((house.append(file, text) for file, text in case.get("append", {}).items()), default=0)


def _journal(house: House, step: str | None, said: Said) -> set[tuple[str, str]]:
    """The one file that may be new: the journal of an incident that stopped at that step."""
    if step is None:
        assert not house.incidents, "an incident was opened"
        return set()
    (folder,) = house.incidents
    state = load_state(folder)
    assert (state.last, state.outcome and state.outcome.label) == (step, OUTCOMES[said.code])
    assert not any(act.receipt and act.receipt.changed for act in state.acts)
    name = str((folder / "journal.jsonl").relative_to(house.folder))
    return {(name, house.files()[name])}


def test_an_override_lifts_never_block_and_is_journalled(house: House) -> None:
    """The one guard that has an override gives way to its own word, and the journal and the report say so."""
    entry = {"network": "203.0.113.9/32", "reason": "the payment provider", "expires": date(2099, 12, 31)}
    house.merge("inventory/policy.yaml", {"never_block": [entry]})
    assert house.respond().code == 3
    said = house.respond("--override never-block")
    (state,) = (state for state in map(load_state, house.incidents) if state.incident.overrides)
    assert state.ends[Step.BLOCK].outcome is Outcome.DONE, said.text
    assert [r.data["override"] for r in state.records if r.kind == "guard"] == ["never-block"] * 2
    assert "203.0.113.9" in house.configuration()[0]
