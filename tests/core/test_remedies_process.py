"""Killing a real process tree: all of it, nothing else, and nobody who only has the same number."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tasks.model import Action, Refused, TargetError
from tasks.remedies import process
from tasks.transports import local_change
from tests.core.desk import sit_down
from tests.core.victim import Victim
from tests.patience import until


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
    for pid in filter(_state, pids[1:]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    root.kill()
    root.communicate()


class Start:
    """Starts programs that first print a pid, kept as `said`; gives the program's own pid."""

    def __init__(self) -> None:
        self.said, self.running = 0, list[subprocess.Popen[str]]()

    def __call__(self, argv: list[object], **more: str | Path) -> int:
        child = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload]
        self.running.append(child)
        self.said = int(child.stdout.readline())
        return int(child.pid)


@pytest.fixture
def start() -> Iterator[Start]:
    """What it started ends with the test, and so does the process that it named."""
    start = Start()
    yield start
    if start.said and _state(start.said) not in ("", "Z"):
        with suppress(ProcessLookupError):
            os.kill(start.said, signal.SIGKILL)
    for child in start.running:
        child.kill()
        child.communicate()


def kill(victim: Victim, tree: Tree) -> Action:
    return suspect(victim, tree.root.pid)


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
    return until(true, 5)


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


def test_a_moved_clock_makes_no_other_process(victim: Victim, tree: Tree) -> None:
    """The kernel tells a start by the clock, which was corrected by a second since triage: it is the same process."""
    action = kill(victim, tree)
    late = replace(action, facts={**action.facts, "created": float(action.facts["created"]) + 1.0})
    assert victim.do(late).changed
    assert _gone(tree), f"these live: {tree.alive()}"


def test_what_may_not_be_killed_shields_no_beacon(victim: Victim, start: Start) -> None:
    """The beacon started something outside of the fence: that is left running and named, the beacon is killed all the same."""
    (victim.root / "home").mkdir()
    shell = victim.root / "home/sh"
    shutil.copy(Path(str(shutil.which("sh"))).resolve(), shell)
    pid = start([shell, "-c", "cd /; sleep 60 & echo $!; wait"], cwd=victim.root)
    shield = start.said
    _wait(lambda: Path(f"/proc/{shield}/cmdline").read_bytes().startswith(b"sleep"))
    with pytest.raises(TargetError, match=f"1 of them were left.*{shield} .*does not lie|{shield} .*neither lies"):
        victim.do(suspect(victim, pid))
    assert _wait(lambda: _state(pid) in ("", "Z")), "the beacon lives"
    assert _wait(lambda: _state(shield) == "S"), "what was left does not run on"


def test_a_member_that_carries_the_machine_is_left(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known by its file, whatever it calls itself; everything else of the tree is killed, and nothing stays stopped."""
    whole = Victim(Path("/"), sit_down(tmp_path / "incident"))
    sleep = Path(str(shutil.which("sleep"))).resolve()
    monkeypatch.setattr(process, "PROTECTED", frozenset({sleep.name}))
    pid = start(["sh", "-c", f"{sleep} 60 & echo $!; wait"])
    shield = start.said
    _wait(lambda: Path(f"/proc/{shield}/exe").readlink() == sleep)
    with pytest.raises(TargetError, match=f"{shield} .*carries the machine"):
        whole.do(suspect(whole, pid))
    assert _wait(lambda: _state(pid) in ("", "Z")), "the beacon lives"
    assert _wait(lambda: _state(shield) == "S"), "what was left does not run on"
    whole.case.close()


def test_a_name_protects_nobody(tmp_path: Path, start: Start) -> None:
    """An interpreter of the system's that calls itself sshd (PR_SET_NAME) is not sshd."""
    whole = Victim(Path("/"), sit_down(tmp_path / "incident"))
    code = (
        "import ctypes, os, time; ctypes.CDLL(None).prctl(15, b'sshd'); print(os.getpid(), flush=True); time.sleep(60)"
    )
    pid = start([_system_python(), "-c", code])
    assert Path(f"/proc/{pid}/comm").read_text() == "sshd\n"
    assert whole.do(suspect(whole, pid)).changed
    assert _wait(lambda: _state(pid) in ("", "Z"))
    whole.case.close()


def _system_python() -> str:
    found = shutil.which("python3", path="/usr/bin:/bin")
    if found is None:
        pytest.skip("no python3 among the system's programs")
    return found


def suspect(victim: Victim, pid: int) -> Action:
    (seen,) = victim.hands.processes([pid])
    facts = {"created": seen.created, "path": "", "sha256": seen.sha256, "exe": seen.exe, "name": seen.name}
    victim.find("process.talks", pid=pid, **facts)
    return victim.plan()


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
    with pytest.raises(Refused, match="self"):
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
