"""Collecting is sure of what it copies: the very process, the very program, and nothing of an earlier look taken for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import pytest

from tasks import collect
from tasks.audit import audit
from tasks.case import Case
from tasks.model import Finding, Outcome, Result, Step, StepEnd
from tasks.settings import CollectRule
from tasks.transports.hands import Fetched
from tasks.transports.local import LocalHands
from tasks.wanted import Item
from tests.core.desk import PLAYBOOK, sit_down


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """A case whose victim is a folder."""
    (tmp_path / "victim").mkdir()
    rule = CollectRule(max_item_mb=8, max_total_mb=64, keep_free_mb=1, logs=())
    case = sit_down(tmp_path / "incident", tmp_path / "victim", replace(PLAYBOOK, collect=rule))
    yield case
    case.close()


@contextmanager
def running(case: Case) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the victim's that runs."""
    path = Path(case.host.root) / "beacon"
    path.unlink(missing_ok=True)
    shutil.copy(Path(str(shutil.which("sleep"))).resolve(), path)
    with subprocess.Popen([path, "60"]) as child:
        yield child
        child.kill()


def suspect(case: Case, pid: int, **changes: object) -> dict[str, object]:
    """A loud finding of that process, as triage makes it."""
    (process,) = LocalHands().processes([pid])
    facts = {"pid": pid, "created": process.created, "sha256": process.sha256, "path": "", **changes}
    finding = Finding("process.talks", "bad", process.exe, "because", 95, "high", "T1071", facts)
    case.record("finding", phase="first", finding=finding)
    return facts


def run(case: Case) -> StepEnd:
    """The step as the engine runs it."""
    case.record("step.started", step=Step.COLLECT, attempt=case.state.attempts.get(Step.COLLECT, 0) + 1)
    end = collect.run(case)
    case.record("step.ended", step=Step.COLLECT, outcome=end.outcome, summary=end.summary, next=end.next, seconds=0.0)
    assert [c for c in audit(case.folder) if c.result is not Result.PASS] == []
    return end


def executables(case: Case) -> dict[str, str]:
    """Path to SHA-256 of every copy that is called a process's executable."""
    return {e.path: e.sha256 for e in case.state.evidence if e.what.startswith("executable")}


def missed(case: Case) -> list[str]:
    assert case.state.seal is not None
    return list(case.state.seal["not_copied"])


def test_one_file_of_two_windows_processes_is_fetched_once(case: Case) -> None:
    """Two svchost.exe are one file; another content at the same path, or a file of the same bytes elsewhere, is fetched as well."""
    missed: list[str] = []
    for pid, path, data in (
        (4, r"C:\Windows\System32\svchost.exe", b"MZ one"),
        (8, r"C:\WINDOWS\system32\svchost.exe", b"MZ one"),
        (9, r"C:\Windows\System32\svchost.exe", b"MZ two"),
        (10, r"C:\Users\Public\svchost.exe", b"MZ one"),
    ):
        seen = frozenset({sha256(data).hexdigest()})
        item = Item(
            f"evidence/process-{pid}/executable", f"executable of process {pid}", path, "read", _whole(data), seen
        )
        collect._copy_new(case, item, missed)
        collect._copy_new(case, item, missed)
    assert [path.split("/")[1] for path in executables(case)] == ["process-4", "process-9", "process-10"]
    assert not missed
    notes = [r.data["text"] for r in case.state.records if r.kind == "note"]
    assert "executable of process 8 is the very file of evidence/process-4/executable: it was fetched once" in notes


def _whole(data: bytes) -> Callable[[BinaryIO, int], Fetched]:
    def copy(into: BinaryIO, _limit: int) -> Fetched:
        into.write(data)
        return Fetched(len(data), sha256(data).hexdigest(), False)

    return copy


def test_the_executable_is_the_one_that_triage_saw(case: Case) -> None:
    """Copied once, under its hash; a second go leaves it."""
    with running(case) as child:
        facts = suspect(case, child.pid)
        run(case)
        run(case)
    assert list(executables(case).values()) == [facts["sha256"]]
    assert missed(case) == []


WRONG = {"another process has the pid": {"created": 1000.0}, "it runs another program": {"sha256": "0" * 64}}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_another_program_is_not_sealed_as_the_suspects(case: Case, changes: dict[str, object]) -> None:
    """It is told in the step's end and in the seal, first of all, and no rest of a copy stays in the folder."""
    with running(case) as child:
        suspect(case, child.pid, **changes)
        end = run(case)
    assert executables(case) == {}
    assert missed(case)[0].startswith(f"executable of process {child.pid}: ")
    assert "a cleanup may lose it for good" in end.next
    assert list(case.folder.glob("evidence/*/executable*")) == []


def test_a_process_that_ends_is_told(case: Case) -> None:
    """It is gone before collect: neither its texts nor its program are silently missing."""
    with running(case) as child:
        suspect(case, child.pid)
        child.kill()
        child.wait()
        assert run(case).outcome is Outcome.NOTHING_TO_DO
    assert sorted(m.partition(": ")[0] for m in missed(case)) == [
        f"executable of process {child.pid}",
        f"texts of process {child.pid}",
    ]


def test_a_process_that_ends_during_the_copy_is_told(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose file the copy is cannot be said any more: it is not kept as that process's."""
    with running(case) as child:
        suspect(case, child.pid, sha256="")
        fetch = LocalHands.fetch

        def ends(hands: LocalHands, path: str, into: BinaryIO, limit: int) -> Fetched:
            fetched = fetch(hands, path, into, limit)
            child.kill()
            child.wait()
            return fetched

        monkeypatch.setattr(LocalHands, "fetch", ends)
        run(case)
    assert executables(case) == {}
    assert missed(case) == [f"executable of process {child.pid}: the process is gone"]


def test_another_process_of_the_same_pid_has_a_folder_of_its_own(case: Case) -> None:
    """What was copied for the first one never stands for the second."""
    with running(case) as child:
        facts = suspect(case, child.pid)
        run(case)
        case.record("step.started", step=Step.TRIAGE, attempt=2)
        suspect(case, child.pid, created=float(str(facts["created"])) + 900)
        run(case)
    assert missed(case)[0] == f"executable of process {child.pid}: the process is gone"
    assert len(executables(case)) == 1


def test_a_file_that_changed_is_copied_beside(case: Case) -> None:
    """A redone triage saw another file: the old copy stays, the new one stands beside it with the attempt in its name."""
    path = Path(case.host.root) / "evil"

    def see(data: bytes) -> None:
        path.write_bytes(data)
        facts = {"path": str(path), "sha256": sha256(data).hexdigest()}
        case.record("step.started", step=Step.TRIAGE, attempt=1)
        case.record("finding", phase="first", finding=Finding("file.x", "bad", "", "", 95, "high", "T1", facts))

    for data in (b"one", b"one", b"two", b"two"):
        see(data)
        run(case)
    kept = {e.path.rpartition("/")[2]: (case.folder / e.path).read_bytes() for e in case.state.evidence}
    assert list(kept.values()) == [b"one", b"two"]
    assert [name.rpartition("~")[2] for name in kept][1] == "3"


def test_two_paths_never_share_a_name(case: Case) -> None:
    """a/b and a__b look the same once they are flat; both are kept."""
    for name in ("a/b", "a__b"):
        path = Path(case.host.root) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.fsencode(name))
        finding = Finding("file.x", "bad", "", "", 95, "high", "T1", {"path": str(path)})
        case.record("finding", phase="first", finding=finding)
    run(case)
    assert {(case.folder / e.path).read_bytes() for e in case.state.evidence} == {b"a/b", b"a__b"}
