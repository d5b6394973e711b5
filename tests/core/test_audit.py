"""Whatever is changed in an incident's folder afterwards, the audit fails and names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks import collect, report
from tasks.audit import audit
from tasks.case import Case, write_once
from tasks.journal import NAME, hexdigest
from tasks.model import Check, Evidence, Result, Step
from tests.core.desk import sit_down

FILES = ("evidence/process-7/maps", "evidence/files/etc__cron.d__x")


def end(case: Case, step: Step) -> None:
    case.record("step.started", step=step, attempt=1)
    case.record("step.ended", step=step, outcome="done", summary="", next="", seconds=0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An incident with readings of two attempts, evidence, a seal and a report."""
    case = sit_down(tmp_path / "incident")
    for attempt in ("first", "first-2"):
        case.record("step.started", step=Step.TRIAGE, attempt=1 if attempt == "first" else 2)
        path, raw = f"triage/{attempt}/files.json", f'{{"rows": ["{attempt}"]}}'.encode()
        write_once(case.folder / path, raw)
        case.record("reading", phase="first", artefact="files", path=path, sha256=hexdigest(raw), size=9, unseen=[])
    for path in FILES:
        raw = path.encode() * 3
        write_once(case.folder / path, raw)
        item = Evidence(path, "x", "/x", "copied", "anna", "web", datetime.now(UTC), len(raw), hexdigest(raw))
        case.record("evidence", evidence=item)
    collect._seal(case, [])
    end(case, Step.COLLECT)
    report.write(case)
    case.close()
    return case.folder


def bad(folder: Path, head: str = "") -> dict[str, Check]:
    """The checks that did not pass, by name."""
    return {c.name: c for c in audit(folder, head) if c.result is not Result.PASS}


def test_what_is_as_written_passes(folder: Path) -> None:
    """Every file of the incident is among the checks."""
    assert not bad(folder)
    names = {c.name for c in audit(folder)}
    here = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert here - names == {NAME}, "these files are not checked"


def test_a_flipped_bit_in_any_file_is_named(folder: Path) -> None:
    """The first, the middle and the last byte of everything but the journal."""
    for path in [p for p in folder.rglob("*") if p.is_file() and p.name != NAME]:
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert bad(folder)[str(path.relative_to(folder))].result is Result.FAIL
        path.write_bytes(whole)
    assert not bad(folder)


def test_a_flipped_bit_in_any_journal_line_is_named(folder: Path) -> None:
    """The chain ends the audit: nothing after it can be trusted."""
    path = folder / NAME
    whole = path.read_bytes()
    begin = 0
    for number, line in enumerate(whole.splitlines(keepends=True), start=1):
        place = begin + len(line) // 2
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert list(bad(folder)) == ["journal"]
        assert f"line {number}:" in bad(folder)["journal"].observed
        begin += len(line)


def stranger(folder: Path) -> str:
    (folder / "evidence/files/planted").write_text("x")
    return "evidence/files/planted"


def stranger_by_link(folder: Path) -> str:
    (folder / "evidence/files/linked").symlink_to("/etc")
    return "evidence/files/linked"


def evil_name(folder: Path) -> str:
    (folder / "evidence/\x1b[2J").write_text("x")
    return r"evidence/\x1b[2J"


def missing(folder: Path) -> str:
    (folder / FILES[0]).unlink()
    return FILES[0]


def folder_in_its_place(folder: Path) -> str:
    (folder / FILES[0]).unlink()
    (folder / FILES[0]).mkdir()
    return FILES[0]


def no_manifest(folder: Path) -> str:
    (folder / "manifest.json").unlink()
    return "manifest"


def other_manifest(folder: Path) -> str:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("evidence/files/", "evidence/other/"))
    return "manifest"


def no_report(folder: Path) -> str:
    (folder / "report.html").unlink()
    return "report.html"


def no_journal(folder: Path) -> str:
    (folder / NAME).unlink()
    return "journal"


def empty_journal(folder: Path) -> str:
    (folder / NAME).write_bytes(b"")
    return "journal"


TAMPERED = (
    stranger,
    stranger_by_link,
    evil_name,
    missing,
    folder_in_its_place,
    no_manifest,
    other_manifest,
    no_report,
    no_journal,
    empty_journal,
)


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda f: f.__name__)
def test_tampering_fails_and_is_named(folder: Path, tamper: Callable[[Path], str]) -> None:
    """Added, removed and exchanged files."""
    name = tamper(folder)
    assert bad(folder)[name].result is Result.FAIL


def test_what_a_crash_left_is_unknown_not_clean(folder: Path) -> None:
    """A torn last line and a copy that was cut off are told, and are no proof of tampering."""
    with (folder / NAME).open("ab") as file:
        file.write(b'{"at":"2026')
    (folder / "evidence/files/cut.part").write_bytes(b"half")
    assert {name: c.result for name, c in bad(folder).items()} == {
        "journal's end": Result.UNKNOWN,
        "evidence/files/cut.part": Result.UNKNOWN,
    }


def test_a_shortened_journal_needs_the_head_that_was_written_down(folder: Path) -> None:
    """Whole lines cut off the end leave a whole chain; only its head tells."""
    path = folder / NAME
    head = next(c for c in audit(folder) if c.name == "journal").observed.split()[-1]
    assert not bad(folder, head)
    assert not bad(folder, head[:12])
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert bad(folder, head)["journal's head"].result is Result.FAIL
    assert "journal's head" in bad(folder, head[:4]), "a few characters prove nothing"
