"""Names that are no text: a beacon whose path is not UTF-8 is seen, kept, quarantined and put back, through the journal each time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tasks import cleanup, collect, report, triage, undo
from tasks.audit import audit
from tasks.case import Case
from tasks.journal import pretty
from tasks.model import Approval, Outcome, Result, Step
from tasks.settings import CleanupRule, CollectRule, TriageRule
from tests.core.desk import PLAYBOOK, sit_down
from tests.patience import BUSY

ODD = {
    "not UTF-8": b"evil\xff\xfe",
    "a line's end": b"evil\n\x1b[2J",
    "as an escape": b"evil\\xff",
    "long": b"\xff" * 255,
}
RULES = replace(
    PLAYBOOK,
    triage=TriageRule(collectors=("connections", "processes", "autostarts", "files"), samples=1, window=0.1),
    collect=CollectRule(keep_free_mb=1, logs=()),
    cleanup=CleanupRule(threshold=40),
    approvals={Step.CLEANUP: Approval.AUTO},
)


def again(case: Case, root: Path) -> Case:
    """Another process goes on: nothing is known but the journal."""
    case.close()
    return sit_down(case.folder, root, RULES)


def step(case: Case, which: Step, run: object) -> None:
    """The step as the engine runs it."""
    case.record("step.started", step=which, attempt=1)
    end = run(case)  # type: ignore[operator]
    case.record("step.ended", step=which, outcome=end.outcome, summary=end.summary, next=end.next, seconds=0.0)
    assert end.outcome is Outcome.DONE, end


@pytest.fixture(params=ODD.values(), ids=ODD)
def beacon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A program of that name that runs in the victim's folder for temporary files."""
    path = Path(os.fsdecode(os.fsencode(tmp_path / "victim" / "tmp") + b"/" + request.param))
    path.parent.mkdir(parents=True)
    shutil.copy(Path(str(shutil.which("sleep"))).resolve(), path)
    with subprocess.Popen([path, "60"], cwd=path.parent) as child:
        yield path, child
        child.kill()


def test_it_is_removed_and_comes_back(tmp_path: Path, beacon: tuple[Path, subprocess.Popen[bytes]]) -> None:
    """Triage passes, the copy is sealed, the process is killed, the file is moved and comes back to its exact name."""
    path, child = beacon
    root, inode = tmp_path / "victim", path.stat().st_ino
    case = sit_down(tmp_path / "incident", root, RULES)
    step(case, Step.TRIAGE, triage.run)
    case = again(case, root)
    step(case, Step.COLLECT, collect.run)
    assert str(path) in {e.source for e in case.state.evidence}
    case = again(case, root)
    step(case, Step.CLEANUP, cleanup.run)
    assert child.wait(5 * BUSY) == -9
    assert list(path.parent.iterdir()) == [], "the file is still there"
    case = again(case, root)
    results = undo.run(case, [Step.CLEANUP], Approval.AUTO)
    assert {r.action.kind for r in results if r.back} == {"file.quarantine"}, results
    assert path.stat().st_ino == inode
    report.write(case)
    assert [c for c in audit(case.folder) if c.result is not Result.PASS] == []
    case.close()


def test_what_starts_it_goes_and_comes_back(tmp_path: Path, beacon: tuple[Path, subprocess.Popen[bytes]]) -> None:
    """A crontab of the same odd name starts it: the line goes and comes back to the byte."""
    path, child = beacon
    root, name = tmp_path / "victim", os.fsencode(path.name)
    if b"\n" in name:
        pytest.skip("no line of a crontab can name it")
    cron = root / "etc" / "cron.d" / path.name
    cron.parent.mkdir(parents=True)
    text = b"# jobs\n* * * * * root " + os.fsencode(path) + b" 60\n@daily root /bin/true\n"
    cron.write_bytes(text)
    case = sit_down(tmp_path / "incident", root, replace(RULES, cleanup=CleanupRule(("autostart",), 40)))
    step(case, Step.TRIAGE, triage.run)
    step(case, Step.COLLECT, collect.run)
    case = again(case, root)
    step(case, Step.CLEANUP, cleanup.run)
    assert cron.read_bytes() == b"# jobs\n@daily root /bin/true\n"
    case = again(case, root)
    assert all(r.back for r in undo.run(case, [Step.CLEANUP], Approval.AUTO))
    assert cron.read_bytes() == text
    assert child.poll() is None
    case.close()


def test_json_keeps_every_byte() -> None:
    """What is no UTF-8 is written as ASCII and read back exactly, also beside real text."""
    name = os.fsdecode(bytes(range(1, 256)))
    assert json.loads(pretty({"rows": [name], "é": 1}))["rows"] == [name]
    assert pretty(name).isascii()
