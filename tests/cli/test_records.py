"""What is left of a drill: history, show, report and verify tell it; whatever was touched since is found and named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.house import Said, say

pytestmark = pytest.mark.lab


@pytest.fixture
def copy(drilled: Path, tmp_path: Path) -> Path:
    """A copy of the drill's folder, to be tampered with."""
    return Path(shutil.copytree(drilled, tmp_path / "reports" / drilled.name, ignore=shutil.ignore_patterns("range")))


def read(folder: Path, *words: str) -> Said:
    """A reading command about that incident."""
    return say(words[0], folder.name, *words[1:], "--reports", folder.parent)


def sealed(folder: Path) -> list[Path]:
    """Every file whose hash the journal holds."""
    names = ("evidence", "triage")
    kept = [path for name in names for path in sorted((folder / name).rglob("*")) if path.is_file()]
    return [*kept, folder / "manifest.json", folder / "report.md", folder / "report.html"]


def damaged(path: Path, at: int) -> bytes:
    """The file's bytes with one bit flipped there."""
    data = path.read_bytes()
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_history_knows_the_drill(drilled: Path) -> None:
    """One row, for a person and for a program; another host has none."""
    said = say("history", "--reports", drilled.parent)
    assert said.code == 0
    assert [w for w in (drilled.name, "victim", "drill", "confirmed", "DONE") if w not in said.text] == []
    (row,) = say("history", "--json", "--reports", drilled.parent).json
    assert (row["id"], row["outcome"], row["step"]) == (drilled.name, "DONE", "report")
    assert say("history", "--json", "--host", "other", "--reports", drilled.parent).json == []


def test_history_of_nothing_says_how_to_begin(tmp_path: Path) -> None:
    """An empty folder is no error."""
    said = say("history", "--reports", tmp_path)
    assert (said.code, said.text.strip()) == (0, "no incident yet: `hemostat drill` makes one")


def test_history_shows_the_others_beside_a_damaged_one(copy: Path) -> None:
    """One unreadable journal hides no other incident, and is told."""
    broken = copy.parent / "20010101-000000-dead"
    broken.mkdir()
    (broken / "journal.jsonl").write_bytes(b"\x1b[2Jnonsense\n")
    said = say("history", "--reports", copy.parent)
    assert said.code == 0
    assert copy.name in said.text
    assert broken.name in said.text
    assert "\x1b" not in said.out


def test_show_tells_the_whole_incident(drilled: Path) -> None:
    """Steps, findings with their technique, acts, checks and the evidence's seal."""
    said = read(drilled, "show")
    words = ("confirm", "report", "T1", "firewall.block", "process.kill", "changed", "manifest SHA-256", "head")
    assert (said.code, [w for w in words if w not in said.text]) == (0, [])
    facts = read(drilled, "show", "--json").json
    assert facts["incident"]["id"] == drilled.name
    assert set(facts["ends"]) == {"confirm", "block", "triage", "collect", "cleanup", "verify", "report"}
    assert facts["evidence"]
    assert facts["findings"]


def test_no_secret_is_in_the_record(drilled: Path) -> None:
    """Neither the password nor the enable secret stands in the journal, the evidence, a reading or a report."""
    plan = json.loads((drilled / "range" / "range.json").read_text())
    secrets = [plan["password"].encode(), plan["secret"].encode()]
    files = [path for path in drilled.rglob("*") if path.is_file() and "range" not in path.relative_to(drilled).parts]
    assert len(files) > 10
    assert [str(path) for path in files if any(secret in path.read_bytes() for secret in secrets)] == []


def test_an_incident_is_named_by_a_part_or_by_last(drilled: Path) -> None:
    """`last`, the whole id and an unambiguous part of it mean the same."""
    names = ("last", drilled.name, drilled.name[-10:])
    heads = {say("show", name, "--json", "--reports", drilled.parent).json["head"] for name in names}
    assert len(heads) == 1


def test_report_is_written_anew_and_still_verifies(copy: Path) -> None:
    """Both files, their paths for a program, the Markdown on request."""
    assert read(copy, "report").text.split() == [str(copy / "report.md"), str(copy / "report.html")]
    assert set(read(copy, "report", "--json").json) == {"report.md", "report.html"}
    assert read(copy, "report", "--markdown").out.startswith("# ")
    assert read(copy, "verify").code == 0


def test_verify_passes_on_what_is_as_written(drilled: Path) -> None:
    """Every statement passes; the head that was written down is found in the chain."""
    head = read(drilled, "show", "--json").json["head"]
    said = read(drilled, "verify", "--head", head)
    assert said.code == 0, said.text
    checks = read(drilled, "verify", "--json").json
    assert {check["result"] for check in checks} == {"pass"}
    assert {str(path.relative_to(drilled)) for path in sealed(drilled)} <= {check["name"] for check in checks}


def test_a_flipped_bit_in_any_sealed_file_is_found_and_named(copy: Path) -> None:
    """Evidence, readings, manifest and reports, one after the other."""
    for path in sealed(copy):
        before = path.read_bytes()
        path.write_bytes(damaged(path, len(before) // 2))
        said = read(copy, "verify")
        path.write_bytes(before)
        assert said.code == 6, f"{path.name}: {said.text}"
        assert str(path.relative_to(copy)) in said.text
    assert read(copy, "verify").code == 0


def test_a_flipped_bit_in_any_journal_line_is_found_and_named(copy: Path) -> None:
    """Each line in turn, somewhere in its middle."""
    journal = copy / "journal.jsonl"
    whole, start = journal.read_bytes(), 0
    for number, line in enumerate(whole.splitlines(keepends=True), start=1):
        journal.write_bytes(damaged(journal, start + len(line) // 2))
        said = read(copy, "verify")
        journal.write_bytes(whole)
        assert said.code == 6, f"line {number}: {said.text}"
        assert f"line {number}" in said.text or f"line {number + 1}" in said.text, said.text
        start += len(line)


def test_a_file_that_is_gone_or_nobodys_is_named(copy: Path) -> None:
    """Evidence cannot be taken away or slipped in."""
    gone = sealed(copy)[0]
    gone.unlink()
    (copy / "evidence" / "planted.txt").write_text("x")
    said = read(copy, "verify")
    assert said.code == 6
    assert [
        w for w in (str(gone.relative_to(copy)), "No such file", "planted.txt", "nobody") if w not in said.text
    ] == []


def test_lines_cut_off_the_end_need_the_head_that_was_written_down(copy: Path) -> None:
    """A chain cannot know what came after it: that is why a run prints its head."""
    head = read(copy, "show", "--json").json["head"]
    journal = copy / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    cut = next(i for i, line in enumerate(lines) if json.loads(line)["kind"] == "evidence.sealed")
    journal.write_bytes(b"".join(lines[:cut]))
    said = read(copy, "verify", "--head", head)
    assert said.code == 6
    assert "journal's head" in said.text


def test_a_torn_last_line_is_noticed(copy: Path) -> None:
    """A power cut in the middle of a write is told, and is no tampering."""
    with (copy / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"n": 999, "ki')
    said = read(copy, "verify")
    assert said.code == 0
    assert "unfinished line" in said.text
    assert "unknown" in said.text
