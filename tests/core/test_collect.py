"""Collecting copies within its limits, says what it left out, and goes on where a crash cut it off."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tasks import collect
from tasks.audit import audit
from tasks.case import Case
from tasks.model import Evidence, Finding, Outcome, Refused, Result, Step, StepEnd
from tasks.settings import CollectRule
from tasks.wanted import flat
from tests.core.desk import PLAYBOOK, sit_down

MIB = 1024 * 1024
RULE = CollectRule(max_item_mb=1, max_total_mb=2, keep_free_mb=1, logs=())


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """A case whose victim is a folder, with small limits."""
    (tmp_path / "victim").mkdir()
    case = sit_down(tmp_path / "incident", tmp_path / "victim", replace(PLAYBOOK, collect=RULE))
    yield case
    case.close()


def bad_file(case: Case, name: str, data: bytes) -> Path:
    """A file that a finding names."""
    path = Path(case.host.root) / name
    path.write_bytes(data)
    finding = Finding("file.talker", "bad", str(path), "because", 95, "high", "T1105", {"path": str(path)})
    case.record("finding", phase="first", finding=finding)
    return path


def run(case: Case) -> StepEnd:
    """The step as the engine runs it."""
    case.record("step.started", step=Step.COLLECT, attempt=case.state.attempts.get(Step.COLLECT, 0) + 1)
    end = collect.run(case)
    case.record("step.ended", step=Step.COLLECT, outcome=end.outcome, summary=end.summary, next=end.next, seconds=0.0)
    return end


def by_source(case: Case) -> dict[str, Evidence]:
    return {e.source: e for e in case.state.evidence}


def bad(case: Case) -> list[str]:
    return [f"{c.name}: {c.observed}" for c in audit(case.folder) if c.result is not Result.PASS]


def test_what_findings_name_is_copied_and_sealed(case: Case) -> None:
    """Hash at the source and after the copy, a custody record, a read-only file, a manifest that lists it."""
    path = bad_file(case, "evil", b"evil" * 100)
    end = run(case)
    item = by_source(case)[str(path)]
    copy = case.folder / item.path
    assert (end.outcome, copy.read_bytes(), stat.S_IMODE(copy.stat().st_mode)) == (Outcome.DONE, b"evil" * 100, 0o400)
    assert item.sha256 == item.sha256_at_source == sha256(b"evil" * 100).hexdigest()
    assert (item.by, item.host, item.size, item.note) == ("anna", "web", 400, "")
    assert case.state.seal is not None
    assert not bad(case)


def test_nothing_to_copy_is_said(case: Case) -> None:
    """An empty manifest is sealed, and nobody can take it for evidence."""
    assert run(case).outcome is Outcome.NOTHING_TO_DO
    assert not bad(case)


def test_an_item_is_cut_at_its_limit_and_says_so(case: Case) -> None:
    """The first MiB is there, with the hash of just that."""
    path = bad_file(case, "huge", os.urandom(MIB + 5))
    run(case)
    item = by_source(case)[str(path)]
    assert (item.size, item.note) == (MIB, "cut off at the size limit")
    assert item.sha256 == sha256(path.read_bytes()[:MIB]).hexdigest()
    assert not bad(case)


def test_the_total_limit_cuts_what_comes_last(case: Case) -> None:
    """Three items of 1 MiB into 2 MiB: the third is cut to nothing and says so."""
    for name in ("a", "b", "c"):
        bad_file(case, name, os.urandom(MIB))
    run(case)
    assert [(e.size, e.note) for e in case.state.evidence] == [
        (MIB, ""),
        (MIB, ""),
        (0, "cut off at the size limit"),
    ]


def test_what_cannot_be_copied_is_told_and_sealed(case: Case) -> None:
    """It is gone by now: a note, a line in the manifest and in the step's end; the rest is copied."""
    gone, there = bad_file(case, "gone", b"x"), bad_file(case, "there", b"y")
    gone.unlink()
    end = run(case)
    assert "1 could not be copied" in end.summary
    assert list(by_source(case)) == [str(there)]
    assert case.state.seal is not None
    (told,) = case.state.seal["not_copied"]
    assert told.startswith(f"file named by a finding {gone}: ")
    assert not bad(case)


def test_too_little_room_changes_nothing(tmp_path: Path) -> None:
    """The free space is looked at before the first byte is written."""
    (tmp_path / "victim").mkdir()
    greedy = replace(PLAYBOOK, collect=replace(RULE, keep_free_mb=1_000_000_000))
    case = sit_down(tmp_path / "incident", tmp_path / "victim", greedy)
    bad_file(case, "evil", b"evil")
    with pytest.raises(Refused, match="free-space"):
        run(case)
    case.close()
    assert sorted(p.name for p in case.folder.rglob("*")) == ["journal.jsonl"]


def test_a_second_go_copies_only_what_is_missing(case: Case) -> None:
    """Finished items stand, even if their source has changed since: they were true when they were taken."""
    first = bad_file(case, "first", b"before")
    run(case)
    first.write_bytes(b"after")
    second = bad_file(case, "second", b"new")
    case.record("step.redo", step=Step.COLLECT, by="anna", reason="")
    run(case)
    items = by_source(case)
    assert (case.folder / items[str(first)].path).read_bytes() == b"before"
    assert (case.folder / items[str(second)].path).read_bytes() == b"new"
    assert len(case.state.evidence) == 2
    assert not bad(case)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_cut_off_copy_is_made_anew(case: Case, mode: int) -> None:
    """The crash came in the middle of a copy, or between closing it and giving it its name."""
    path = bad_file(case, "evil", b"evil")
    part = case.folder / "evidence/files" / f"{flat(str(path))}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"ev")
    part.chmod(mode)
    run(case)
    assert not part.exists()
    assert (case.folder / by_source(case)[str(path)].path).read_bytes() == b"evil"
    assert not bad(case)


def test_a_copy_without_its_record_is_not_lost(case: Case) -> None:
    """The crash came between copy and record, and the process is gone since: what was copied is all there is."""
    orphan = case.folder / "evidence/process-7/maps"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"7f00-7fff r-xp")
    run(case)
    (item,) = case.state.evidence
    assert (item.path, item.sha256_at_source) == ("evidence/process-7/maps", None)
    assert "not known" in item.note
    assert not bad(case)


@pytest.mark.parametrize(
    "name", ["/etc/cron.d/x", "/../../etc/shadow", "/a\nb/\x1b[2J", "/" + "x" * 300, "/.hidden", "/"]
)
def test_names_from_the_host_stay_in_the_folder(name: str) -> None:
    """Whatever a file is called over there, here it is one plain name."""
    name_here = flat(name)
    assert "/" not in name_here
    assert name_here not in ("", ".", "..")
    assert name_here.isascii()
    assert name_here.isprintable()
    assert len(name_here) <= 180
