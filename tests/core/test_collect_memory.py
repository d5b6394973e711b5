"""Collecting memory: a real process's marker is in the sealed evidence, after an approval of its own; and the archive of samples."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pyzipper

from tasks import collect
from tasks.acts import Waiting
from tasks.audit import audit
from tasks.case import Case
from tasks.model import Approval, Evidence, Finding, Outcome, Result, Step, StepEnd
from tasks.report_judge import questions
from tasks.settings import CollectRule
from tasks.transports.local import LocalHands
from tests.core.desk import PLAYBOOK, sit_down

RULE = CollectRule(max_item_mb=64, max_total_mb=512, keep_free_mb=1, max_memory_mb=256, logs=())
HOLD = """
import hashlib, sys
marker = hashlib.sha256(sys.stdin.readline().strip().encode()).hexdigest()
print("held", flush=True)
sys.stdin.readline()
"""


def sit(tmp_path: Path, memory: Approval, **limits: int) -> Case:
    """A case on this very host, whose playbook says that of memory."""
    playbook = replace(PLAYBOOK, collect=replace(RULE, memory=memory, **limits))
    return sit_down(tmp_path / "incident", "/", playbook)


def run(case: Case) -> StepEnd:
    case.record("step.started", step=Step.COLLECT, attempt=case.state.attempts.get(Step.COLLECT, 0) + 1)
    return collect.run(case)


@contextmanager
def holder() -> Iterator[tuple[subprocess.Popen[str], bytes]]:
    """A process that alone knows a marker: the hash of what it was told."""
    seed = secrets.token_hex(16)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{seed}\n")
        child.stdin.flush()
        child.stdout.readline()
        yield child, hashlib.sha256(seed.encode()).hexdigest().encode()
        child.kill()


def suspect(case: Case, pid: int) -> None:
    (process,) = LocalHands().processes([pid])
    facts = {"pid": pid, "created": process.created, "sha256": process.sha256, "path": ""}
    case.record("finding", phase="first", finding=Finding("process.talks", "bad", "x", "y", 95, "high", "T1071", facts))


def memories(case: Case) -> list[Evidence]:
    return [e for e in case.state.evidence if e.path.endswith("/memory.core")]


def bad(case: Case) -> list[str]:
    return [f"{c.name}: {c.observed}" for c in audit(case.folder) if c.result is not Result.PASS]


def test_what_only_the_process_knew_is_sealed(tmp_path: Path) -> None:
    """auto: a core file with the marker, its hash, its custody and what is missing in it; the process runs on."""
    case = sit(tmp_path, Approval.AUTO)
    with holder() as (child, marker):
        suspect(case, child.pid)
        end = run(case)
        assert child.poll() is None
    (item,) = memories(case)
    core = (case.folder / item.path).read_bytes()
    assert (end.outcome, marker in core, core[:4]) == (Outcome.DONE, True, b"\x7fELF")
    assert item.sha256 == item.sha256_at_source == hashlib.sha256(core).hexdigest()
    assert "the kernel's own" in item.note
    assert not any("memory planned" in question for question in questions(case.state))
    assert not bad(case)
    case.close()


def test_never_is_never(tmp_path: Path) -> None:
    """Left out, the playbook says never: no plan, no question, no memory."""
    case = sit(tmp_path, Approval.NEVER)
    with holder() as (child, _):
        suspect(case, child.pid)
        run(case)
    assert (memories(case), "memory" in case.state.plans) == ([], False)
    case.close()


def test_a_question_keeps_no_other_evidence_waiting(tmp_path: Path) -> None:
    """ask, and nobody answers: all else is copied, nothing is sealed; after the yes the memory follows and the seal."""
    case = sit(tmp_path, Approval.ASK)
    with holder() as (child, marker):
        suspect(case, child.pid)
        with pytest.raises(Waiting, match="memory waits for approval"):
            run(case)
        assert any(e.path.endswith("/executable") for e in case.state.evidence)
        assert (memories(case), case.state.seal) == ([], None)
        case.ask = lambda plan: (plan.step == "memory", "anna")
        run(case)
    (item,) = memories(case)
    assert marker in (case.folder / item.path).read_bytes()
    assert list(case.state.approvals.values()) == ["anna"]
    assert not bad(case)
    case.close()


def test_a_no_is_told_and_the_rest_is_sealed(tmp_path: Path) -> None:
    """It stands in the manifest as not copied, with who said no."""
    case = sit(tmp_path, Approval.ASK)
    case.ask = lambda _plan: (False, "anna")
    with holder() as (child, _):
        suspect(case, child.pid)
        run(case)
    assert case.state.seal is not None
    assert [text for text in case.state.seal["not_copied"] if "refused by anna" in text]
    assert memories(case) == []
    assert any("memory planned and did not do" in question for question in questions(case.state))
    assert not bad(case)
    case.close()


def test_the_size_limit_cuts_and_says_so(tmp_path: Path) -> None:
    """One MiB of each process, and the note says what is not in it."""
    case = sit(tmp_path, Approval.AUTO, max_memory_mb=1)
    with holder() as (child, _):
        suspect(case, child.pid)
        run(case)
    (item,) = memories(case)
    assert item.size < 2 << 20
    assert item.note.startswith("cut off at the size limit")
    assert not bad(case)
    case.close()


@pytest.mark.parametrize("pid", [os.getpid(), os.getppid()], ids=["self", "parent"])
def test_hemostats_own_memory_is_never_copied(tmp_path: Path, pid: int) -> None:
    """A finding that names hemostat itself: its secrets do not land in the evidence, and that is told."""
    case = sit(tmp_path, Approval.AUTO)
    suspect(case, pid)
    run(case)
    assert memories(case) == []
    assert case.state.seal is not None
    assert any(text.startswith(f"memory of process {pid}") for text in case.state.seal["not_copied"])
    assert not list(case.folder.rglob("memory.core*"))
    case.close()


def test_samples_are_packed_so_that_no_scanner_opens_them(tmp_path: Path) -> None:
    """Encrypted, with the field's password, every executable in it and no configuration; part of the sealed manifest."""
    case = sit(tmp_path, Approval.NEVER)
    evil, config = tmp_path / "evil", tmp_path / "evil.conf"
    shutil.copy(Path(str(shutil.which("true"))).resolve(), evil)
    config.write_text("server = 203.0.113.9\n")
    for path in (evil, config):
        facts = {"path": str(path)}
        case.record("finding", phase="first", finding=Finding("file.x", "bad", "x", "y", 95, "high", "T1105", facts))
    run(case)
    (item,) = (e for e in case.state.evidence if e.path.endswith(".zip"))
    archive = case.folder / item.path
    assert evil.read_bytes()[:64] not in archive.read_bytes()
    with pyzipper.AESZipFile(archive) as packed:
        (name,) = packed.namelist()
        with pytest.raises(RuntimeError, match="is encrypted"):
            packed.read(name)
        packed.setpassword(b"infected")
        assert packed.read(name) == evil.read_bytes()
    assert not bad(case)
    run(case)  # a second go packs nothing twice
    assert len([e for e in case.state.evidence if e.path.endswith(".zip")]) == 1
    case.close()


def test_what_a_scanner_took_is_told(tmp_path: Path) -> None:
    """The plain copy is gone from the evidence folder: the audit fails, and the second seal says which."""
    case = sit(tmp_path, Approval.NEVER)
    evil = tmp_path / "evil"
    evil.write_bytes(b"#!/bin/sh\nexit\n")
    facts = {"path": str(evil)}
    case.record("finding", phase="first", finding=Finding("file.x", "bad", "x", "y", 95, "high", "T1105", facts))
    run(case)
    (plain,) = (case.folder / e.path for e in case.state.evidence if e.path.startswith("evidence/files/"))
    plain.unlink()
    run(case)
    assert case.state.seal is not None
    assert any("did a scanner take it?" in text for text in case.state.seal["not_copied"])
    case.close()
