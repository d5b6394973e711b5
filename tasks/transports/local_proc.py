"""/proc as the kernel has it, also below mounts that cover a process. Knows the kernel's text files; must not know what they mean."""

from __future__ import annotations

import ctypes
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.facts import Start
from tasks.transports import linux_proc

# open_tree(2), Linux 5.2. Calls added since 5.1 have one number on every architecture but alpha.
_OPEN_TREE, _OPEN_TREE_CLONE, _AT_FDCWD = 428, 1, -100
_TICKS = os.sysconf("SC_CLK_TCK")
# The inode of the first PID namespace (PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h).
_FIRST_PID_NAMESPACE = 0xEFFFFFFC


@contextmanager
def uncovered() -> Iterator[Path]:
    """A folder that shows /proc without the mounts on top of it; plain /proc when we may not make one.

    It is a detached clone of the mount, seen by this descriptor alone: nothing on the host changes.
    """
    clone = ctypes.CDLL(None).syscall(_OPEN_TREE, _AT_FDCWD, b"/proc", _OPEN_TREE_CLONE | os.O_CLOEXEC)
    if clone < 0:
        yield Path("/proc")
        return
    try:
        yield Path(f"/proc/self/fd/{clone}")
    finally:
        os.close(clone)


def listed(proc: Path) -> set[int]:
    """The pids that a listing shows: what every ordinary tool sees."""
    return {int(path.name) for path in proc.iterdir() if path.name.isdigit()}


def boot_time() -> float:
    """Seconds since the epoch at which the kernel started (btime in /proc/stat; it follows clock changes)."""
    line = next(x for x in Path("/proc/stat").read_text().splitlines() if x.startswith("btime "))
    return float(line.split()[1])


def stat_fields(proc: Path, pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the name in brackets may hold anything, so cut after its end.

    Raises:
        OSError: there is no such process, or it is covered.
    """
    return (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()


def ended(proc: Path, pid: int) -> bool:
    """True when all of it is over and only its parent has not asked how (a zombie), or it is gone.

    A process whose first thread alone has ended shows as a zombie too, but its other threads run on: field 20 counts them.
    """
    try:
        fields = stat_fields(proc, pid)
        return fields[0] in "ZX" and int(fields[17]) <= 1
    except (OSError, IndexError):
        return not exists(pid)


def start(proc: Path, pid: int) -> Start:
    """When the process started: field 22 of /proc/PID/stat (proc_pid_stat(5)).

    Raises:
        OSError: there is no such process, or it is covered.
    """
    ticks = int(stat_fields(proc, pid)[19])
    return Start(boot_time() + ticks / _TICKS, linux_proc.started(_boot_id(), ticks))


def _boot_id() -> str:
    """The kernel's own name for this boot (random(4)); empty where it tells none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(errors="replace")
    return ""


def parent(proc: Path, pid: int) -> int:
    """The parent's pid; 0 when the process is gone."""
    try:
        return int(stat_fields(proc, pid)[1])
    except (OSError, IndexError):
        return 0


def exists(pid: int) -> bool:
    """True when a signal could be addressed to this number: a process, or one of its threads."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def hidden(proc: Path, seconds: float) -> tuple[dict[int, str], bool]:
    """The processes that a listing or a look-up of /proc does not show, with how they hide, and False if time ran out.

    Asks the kernel for every pid up to pid_max, so `seconds` bounds it (4 million take about two).
    """
    found = covers()
    before = listed(proc)
    candidates, whole = _answering(before, time.monotonic() + seconds)
    for pid in candidates - listed(proc):
        if exists(pid) and (how := _how(proc, pid)):
            found.setdefault(pid, how)
    return found, whole


def covers() -> dict[int, str]:
    """The processes over whose folder in /proc something is mounted (/proc/self/mountinfo, proc_pid_mountinfo(5))."""
    text = Path("/proc/self/mountinfo").read_text(errors="replace")
    return {pid: how for pid, how in linux_proc.covered(text).items() if exists(pid)}


def _answering(known: set[int], deadline: float) -> tuple[set[int], bool]:
    found = set()
    for pid in range(1, int(Path("/proc/sys/kernel/pid_max").read_text()) + 1):
        if pid not in known and exists(pid):
            found.add(pid)
        if pid % 4096 == 0 and time.monotonic() > deadline:
            return found, False
    return found, True


def _how(proc: Path, pid: int) -> str:
    """How an unlisted number that answers is hidden; empty for a thread, and where hidepid keeps others' processes from us."""
    try:
        status = (proc / str(pid) / "status").read_text(errors="replace")
    except OSError:
        root = os.geteuid() == 0
        return "it answers to a signal, but /proc has no entry for it" if root and exists(pid) else ""
    group = next((line.split()[1] for line in status.splitlines() if line.startswith("Tgid:")), "")
    return "it runs, but a listing of /proc leaves it out" if group == str(pid) else ""


def cgroup(proc: Path, pid: int) -> str:
    """Its control groups as the kernel tells them; empty when it is gone."""
    with suppress(OSError):
        return (proc / str(pid) / "cgroup").read_text(errors="surrogateescape")
    return ""


def container(proc: Path, pid: int) -> str:
    """What container the process is in by its control group; empty for the host itself, or when it is gone."""
    return linux_proc.container(cgroup(proc, pid))


def hides_others() -> bool:
    """True when /proc is mounted with hidepid: others' processes are not listed for us."""
    return linux_proc.hides_others(Path("/proc/self/mountinfo").read_text(errors="replace"))


def all_pids_visible() -> bool:
    """True in the first PID namespace: no process of this host runs outside of what we can see."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _FIRST_PID_NAMESPACE
    except OSError:
        return False


def socket_owners(proc: Path, pids: set[int]) -> tuple[dict[int, set[int]], bool]:
    """Which processes hold which socket inode, and False if some process's descriptors were closed to us."""
    owners: dict[int, set[int]] = {}
    whole = True
    for pid in pids:
        try:
            for inode in _sockets(proc / str(pid) / "fd"):
                owners.setdefault(inode, set()).add(pid)
        except PermissionError:
            whole = False
        except OSError:  # it ended while we looked
            continue
    return owners, whole


def holds(proc: Path, pid: int, inode: int | None) -> bool:
    """Does this process hold that socket? False also where we may not see it."""
    wanted, folder = f"socket:[{inode}]", f"{proc}/{pid}/fd"
    try:
        names = os.listdir(folder)  # noqa: PTH208 (the hot path: a socket may live for a millisecond)
    except OSError:
        return False
    for name in names:
        with suppress(OSError):
            if os.readlink(f"{folder}/{name}") == wanted:  # noqa: PTH115
                return True
    return False


def _sockets(folder: Path) -> Iterator[int]:
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            target = str(path.readlink())
            if target.startswith("socket:["):
                yield int(target[8:-1])


def open_files(proc: Path, pid: int) -> bytes:
    """One line a descriptor: its number, its kind and what it points at, as the kernel writes it."""
    folder = proc / str(pid) / "fd"
    lines = []
    for path in sorted(folder.iterdir(), key=lambda path: int(path.name)):
        with suppress(FileNotFoundError):
            lines.append(f"{path.name}\t{_kind(path)}\t{str(path.readlink())!r}")
    return "\n".join(lines).encode("utf-8", "backslashreplace")


def _kind(path: Path) -> str:
    mode = path.stat().st_mode
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFSOCK: "socket", stat.S_IFIFO: "pipe"}
    return kinds.get(stat.S_IFMT(mode), "device")
