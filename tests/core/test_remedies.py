"""Remedies on real files and processes below a root: done, taken back to the byte, and refused where they have no business."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest

from tasks import remedies
from tasks.acts import perform
from tasks.case import Case
from tasks.cleanup import plan, vault
from tasks.model import Action, Finding, HemostatError, Receipt, Refused, Step, TargetError
from tasks.state import UNDO
from tasks.transports import local_change
from tasks.transports.local import LocalHands
from tests.core.desk import sit_down

CRON = "# jobs\n30 2 * * * root /usr/local/sbin/backup\n* * * * * ops /x/evil >/dev/null\n@daily root /bin/true\n"
EVIL = "* * * * * ops /x/evil >/dev/null"


@dataclass(slots=True)
class Victim:
    """A root with a case on it."""

    root: Path
    case: Case

    @property
    def hands(self) -> LocalHands:
        return LocalHands(str(self.root))

    def file(self, name: str, data: bytes, mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def find(self, rule: str, **facts: object) -> None:
        """Journal a loud finding, as triage does."""
        finding = Finding(rule, "it is bad", str(facts.get("path", "")), "because", 95, "high", "T1000", facts)
        self.case.record("finding", phase="first", finding=finding)

    def plan(self) -> Action:
        """The one action that the findings call for."""
        (action,) = plan(self.case)
        return action

    def do(self, action: Action) -> Receipt:
        remedy = remedies.of_kind(action.kind)
        return perform(
            self.case,
            Step.CLEANUP,
            action,
            lambda: remedy.look(self.hands, action),
            lambda before: remedy.act(self.hands, action, before),
        )

    def undo(self, action: Action, receipt: Receipt) -> Receipt:
        remedy = remedies.of_kind(action.kind)
        return perform(
            self.case,
            UNDO,
            action,
            lambda: remedy.look_restored(self.hands, action, receipt),
            lambda _: remedy.undo(self.hands, action, receipt),
        )


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    root = tmp_path / "victim"
    root.mkdir()
    case = sit_down(tmp_path / "incident", root)
    yield Victim(root, case)
    case.close()


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def seen(path: Path) -> tuple[bytes, int, int, int]:
    """What an undo must restore: bytes, mode, owner and group; not the times."""
    known = path.stat()
    return path.read_bytes(), stat.S_IMODE(known.st_mode), known.st_uid, known.st_gid


def cron_line(victim: Victim, path: Path, number: int = 3, text: str = EVIL) -> Action:
    victim.find("autostart.starts", path=str(path), line=number, text=text, kind="cron", sha256=digest(path), owner="")
    return victim.plan()


CRONS = {
    "in the middle": CRON,
    "first": f"{EVIL}\n# other\n",
    "last": f"# other\n{EVIL}\n",
    "last, without its end": f"# other\n{EVIL}",
    "alone": f"{EVIL}\n",
    "with Windows line ends": f"# other\r\n{EVIL}\r\n@daily root /bin/true\r\n",
    "beside bytes that are no text": f"# \udcff\udcfe\n{EVIL}\n",
}


@pytest.mark.parametrize("text", CRONS.values(), ids=CRONS)
def test_a_line_goes_and_comes_back_to_the_byte(victim: Victim, text: str) -> None:
    """Persistence off is one line less; undo gives the same bytes, mode and owner."""
    path = victim.file("etc/cron.d/x", text.encode("utf-8", "surrogateescape"), 0o640)
    number = next(n for n, line in enumerate(text.splitlines(), 1) if line == EVIL)
    before = seen(path)
    action = cron_line(victim, path, number)
    receipt = victim.do(action)
    assert (receipt.changed, EVIL.encode() in path.read_bytes()) == (True, False)
    assert len(path.read_bytes().splitlines()) == len(text.splitlines()) - 1
    assert victim.undo(action, receipt).ok
    assert seen(path) == before


def test_a_line_that_moved_is_found_by_its_words(victim: Victim) -> None:
    """Somebody added lines since triage: the right one goes all the same."""
    path = victim.file("etc/cron.d/x", CRON.encode())
    action = cron_line(victim, path)
    path.write_text(f"# new\n# newer\n{CRON}")
    assert victim.do(action).changed
    assert path.read_text() == f"# new\n# newer\n{CRON}".replace(f"{EVIL}\n", "")


def test_a_file_that_changes_under_the_act_is_left_alone(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash is compared at the last moment: no one's edit is lost."""
    path = victim.file("etc/cron.d/x", CRON.encode())
    action = cron_line(victim, path)
    write = local_change._write

    def overtaken(*args: object) -> str:
        name = write(*args)
        path.write_text(CRON + "# an administrator's\n")
        return name

    monkeypatch.setattr(local_change, "_write", overtaken)
    with pytest.raises(TargetError, match="changed it since"):
        victim.do(action)
    assert path.read_text() == CRON + "# an administrator's\n"
    assert [p.name for p in path.parent.iterdir()] == ["x"], "a temporary file was left"


def quarantined(victim: Victim, path: Path, rule: str = "file.talker") -> Action:
    victim.find(rule, path=str(path), sha256=digest(path), kind="systemd", line=0, text="", owner="")
    return victim.plan()


@pytest.mark.parametrize("mode", [0o755, 0o4755, 0o000])
def test_a_file_goes_into_the_vault_and_comes_back(victim: Victim, mode: int) -> None:
    """Renamed, not copied: the same inode, locked with mode 0000, and as it was after the undo."""
    path = victim.file("home/ops/.cache/evil", b"\x7fELF evil", mode)
    before, inode = seen(path), path.stat().st_ino
    action = quarantined(victim, path)
    receipt = victim.do(action)
    (kept,) = (p for p in Path(vault(victim.case)).iterdir())
    assert not path.exists()
    assert (kept.stat().st_ino, stat.S_IMODE(kept.stat().st_mode)) == (inode, 0)
    assert victim.undo(action, receipt).ok
    assert (seen(path), path.stat().st_ino) == (before, inode)


def test_a_file_that_came_back_is_quarantined_again(victim: Victim) -> None:
    """The dropper wrote the same bytes once more: both copies are kept."""
    path = victim.file("home/ops/evil", b"evil", 0o755)
    action = quarantined(victim, path)
    victim.do(action)
    victim.file("home/ops/evil", b"evil", 0o755)
    assert victim.do(action).changed
    assert len(list(Path(vault(victim.case)).iterdir())) == 2


def test_another_file_in_its_place_is_neither_moved_nor_overwritten(victim: Victim) -> None:
    """Not the file that triage saw: nothing is moved. Something new where it stood: the undo refuses."""
    path = victim.file("home/ops/evil", b"evil", 0o755)
    action = quarantined(victim, path)
    path.write_bytes(b"a colleague's script")
    with pytest.raises(TargetError, match="no longer the file"):
        victim.do(action)
    assert path.read_bytes() == b"a colleague's script"
    path.write_bytes(b"evil")
    receipt = victim.do(action)
    path.write_bytes(b"something new")
    with pytest.raises(TargetError, match="another file stands"):
        victim.undo(action, receipt)
    assert path.read_bytes() == b"something new"


def test_a_link_is_not_followed(victim: Victim, tmp_path: Path) -> None:
    """The path is exchanged for a link to a file with the same bytes outside the root: that one stays."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"evil")
    path = victim.file("home/ops/evil", b"evil", 0o755)
    action = quarantined(victim, path)
    path.unlink()
    path.symlink_to(outside)
    with pytest.raises(HemostatError):
        victim.do(action)
    assert outside.read_bytes() == b"evil"


def test_a_unit_is_disabled_by_moving_it_away(victim: Victim) -> None:
    """An autostart file of its own goes whole, and comes back whole."""
    path = victim.file("home/ops/.config/systemd/user/evil.service", b"[Service]\nExecStart=/x/evil\n")
    before = seen(path)
    action = quarantined(victim, path, "autostart.starts")
    assert action.kind == "autostart.file"
    receipt = victim.do(action)
    assert not path.exists()
    assert victim.undo(action, receipt).ok
    assert seen(path) == before


OUTSIDE: dict[str, Callable[[Victim, Path], Action]] = {
    "a line": lambda victim, path: cron_line(victim, path),
    "a file": lambda victim, path: quarantined(victim, path),
    "a unit": lambda victim, path: quarantined(victim, path, "autostart.starts"),
}


@pytest.mark.parametrize("planned", OUTSIDE.values(), ids=OUTSIDE)
@pytest.mark.parametrize("way", ["plain", "dots", "link"])
def test_nothing_outside_the_fence_is_touched(
    victim: Victim, tmp_path: Path, planned: Callable[[Victim, Path], Action], way: str
) -> None:
    """By its plain path, by .. and by a link inside the root that leads out."""
    real = tmp_path / "outside" / "x"
    real.parent.mkdir()
    real.write_text(CRON)
    (victim.root / "way").symlink_to(real.parent)
    path = {"plain": real, "dots": victim.root / "../outside/x", "link": victim.root / "way/x"}[way]
    with pytest.raises(Refused, match="fence"):
        victim.do(planned(victim, path))
    assert real.read_text() == CRON
    assert [p.name for p in real.parent.iterdir()] == ["x"]


# --- processes -----------------------------------------------------------------------------------------------------------


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
    assert [_state(pid) for pid in tree.pids] == ["S"] * 3


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
