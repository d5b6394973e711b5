"""Killing a real process tree: all of it, nothing else, and nobody who only has the same number."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tasks.model import Action, Refused, TargetError
from tasks.transports import local_change
from tests.core.desk import sit_down
from tests.core.victim import Victim


@dataclass(slots=True)
class Tree:
    """A real process with a child and a grandchild, all of them below the root."""

    root: subprocess.Popen[str]
    pids: list[int]
    exe: Path

    def alive(self) -> list[int]:
        return [pid for pid in self.pids if _state(pid) not in ("", "Z")]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@pytest.fixture
def tree(victim: Victim) -> Iterator[Tree]:
    """A shell copied below the root, which starts another one, which starts a sleeper; all end with the test."""
    folder = victim.root / "home/ops"
    folder.mkdir(parents=True)
    for name in ("sh", "sleep"):
        shutil.copy(Path(str(shutil.which(name))).resolve(), folder / name)
    exe, sleep = folder / "sh", folder / "sleep"
    inner = f"{sleep} 60 & echo $$ $!; wait"
    root = subprocess.Popen(
        [exe, "-c", f"echo $$; {exe} -c '{inner}' & wait"], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    assert root.stdout is not None
    pids = [int(word) for _ in range(2) for word in root.stdout.readline().split()]
    yield Tree(root, pids, exe)
    for pid in pids[1:]:
        if _state(pid):
            os.kill(pid, signal.SIGKILL)
    root.kill()
    root.communicate()


def kill(victim: Victim, tree: Tree) -> Action:
    (process,) = victim.hands.processes([tree.root.pid])
    victim.find(
        "process.talks",
        pid=process.pid,
        created=process.created,
        path="",
        sha256=process.sha256,
        exe=process.exe,
        name=process.name,
    )
    return victim.plan()


def test_the_whole_tree_is_killed(victim: Victim, tree: Tree) -> None:
    """Root, child and grandchild; what was killed cannot be taken back, and the action says so before."""
    assert len(tree.alive()) == 3
    action = kill(victim, tree)
    assert action.undo is None
    receipt = victim.do(action)
    assert receipt.changed
    assert receipt.record["exe"] == str(tree.exe)
    assert _gone(tree), f"these live: {tree.alive()}"
    with pytest.raises(Refused, match="cannot be brought back"):
        victim.undo(action, receipt)


def _gone(tree: Tree) -> bool:
    return _wait(lambda: not tree.alive())


def _wait(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def test_a_crash_between_the_kills_leaves_no_child(victim: Victim, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner dies after the first kill of three: whoever resumes still finds the way to the others."""
    send, sent = local_change.signal, []

    def dying(root: str, pid: int, created: float, number: int) -> bool:
        if number == signal.SIGKILL and signal.SIGKILL in sent:
            raise SystemExit("the runner died")
        sent.append(number)
        return send(root, pid, created, number)

    action = kill(victim, tree)
    with monkeypatch.context() as patch:
        patch.setattr(local_change, "signal", dying)
        with pytest.raises(SystemExit):
            victim.do(action)
    assert _wait(lambda: len(tree.alive()) == 2), f"these live: {tree.alive()}"
    receipt = victim.do(action)
    assert (receipt.changed, receipt.recovered) == (True, True)
    assert _gone(tree), f"these live: {tree.alive()}"


WRONG: dict[str, dict[str, object]] = {"another start": {"created": 1000.0}, "another program": {"sha256": "0" * 64}}


@pytest.mark.parametrize("facts", WRONG.values(), ids=WRONG)
def test_another_process_under_the_pid_is_not_killed(victim: Victim, tree: Tree, facts: dict[str, object]) -> None:
    """A pid alone is no identity: with the wrong start or the wrong program nothing is killed or stopped."""
    action = kill(victim, tree)
    wrong = replace(action, facts={**action.facts, **facts})
    try:
        receipt = victim.do(wrong)
    except TargetError as error:
        assert "nothing was killed" in str(error)
    else:
        assert not receipt.changed, "the process of that start is gone: not by us"
    assert len(tree.alive()) == 3
    assert "T" not in {_state(pid) for pid in tree.pids}, "none of them was stopped either"


def test_a_process_outside_the_fence_is_not_killed(victim: Victim, tmp_path: Path) -> None:
    """The victim is a folder: what runs elsewhere on this machine is not its."""
    with subprocess.Popen(["sleep", "60"], cwd="/") as other:
        try:
            (process,) = victim.hands.processes([other.pid])
            victim.find("process.talks", pid=process.pid, created=process.created, path="", sha256="", exe="", name="")
            with pytest.raises(Refused, match="fence"):
                victim.do(victim.plan())
            assert other.poll() is None
        finally:
            other.kill()


def test_hemostat_does_not_kill_itself(victim: Victim) -> None:
    """Nor what started it, whatever a finding says."""
    (process,) = victim.hands.processes([os.getpid()])
    victim.find("process.talks", pid=process.pid, created=process.created, path="", sha256="", exe="", name="")
    with pytest.raises(Refused, match="protected-process"):
        victim.do(victim.plan())


# Ends its first thread alone (_exit(2): the raw system call ends one thread); procfs then shows it as a zombie.
HEADLESS = """
import ctypes, os, platform, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print(os.getpid(), flush=True)
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""


def test_a_process_without_its_first_thread_is_no_corpse(tmp_path: Path) -> None:
    """It looks like a zombie and talks on: it counts as alive until it is killed, and its corpse as gone."""
    whole = Victim(Path("/"), sit_down(tmp_path / "incident"))
    with subprocess.Popen([sys.executable, "-c", HEADLESS], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            _wait(lambda: _state(child.pid) == "Z")
            (process,) = whole.hands.processes([child.pid])
            whole.find("process.talks", pid=child.pid, created=process.created, path="", sha256="", exe="", name="")
            assert whole.do(whole.plan()).changed
            assert whole.hands.processes([child.pid]) == [], "nobody has reaped it yet, and it is gone all the same"
        finally:
            child.kill()
    whole.case.close()
