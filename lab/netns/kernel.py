"""Linux's namespaces and mounts as Python has them not yet (os.unshare came with 3.12). Knows libc; must not know a host.

unshare(2), setns(2), mount(2), prctl(2). Every failure is an OSError with what was tried.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
NEWCGROUP = 0x2000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_CAPBSET_DROP = 1, 15, 24
_DETACH = 2
_LOCKED = {os.ST_NOSUID: NOSUID, os.ST_NODEV: NODEV, os.ST_NOEXEC: NOEXEC, os.ST_NOATIME: 1024, os.ST_RELATIME: 1 << 21}
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}  # libc has no name for it
_libc = ctypes.CDLL(None, use_errno=True)


def _called(name: str, *words: object) -> None:
    if getattr(_libc, name)(*words) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave those namespaces of the parent for new ones; NEWPID counts for children alone."""
    _called("unshare", ctypes.c_int(flags))


def setns(namespace: int, kind: int) -> None:
    """Move this thread into the namespace of that descriptor (of /proc/PID/ns/…); later threads and children follow it."""
    _called("setns", ctypes.c_int(namespace), ctypes.c_int(kind))


def mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Its words are bytes to the kernel, never a shell's."""
    texts = [text.encode() if text else None for text in (source, str(target), kind)]
    _called("mount", *texts, ctypes.c_ulong(flags), options.encode() or None)


def bind(source: Path, target: Path, read_only: bool = False) -> None:
    """The same files in a second place.

    A user namespace may not take off what the first place forbids (mount_namespaces(7), "locked"), so it is said again.
    """
    mount(str(source), target, flags=BIND)
    if read_only:
        seen = os.statvfs(source).f_flag
        kept = sum(flag for bit, flag in _LOCKED.items() if seen & bit)
        mount("none", target, flags=REMOUNT | BIND | RDONLY | kept)


def named(name: str) -> None:
    """This process's name and command line as ps shows them (proc(5), stat: arg_start and arg_end)."""
    _called("prctl", ctypes.c_int(_PR_SET_NAME), name.encode())
    fields = Path("/proc/thread-self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    ctypes.memmove(start, name.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)


def pivot(root: Path, spare: str) -> None:
    """Make that mount point / of this mount namespace, and let go of the old one (pivot_root(2)); `spare` is an empty folder there."""
    os.chdir(root)
    _called("syscall", ctypes.c_long(_PIVOT_ROOT[os.uname().machine]), b".", spare.lstrip("/").encode())
    os.chdir("/")
    _called("umount2", spare.encode(), ctypes.c_int(_DETACH))


def without(capabilities: Iterable[int]) -> None:
    """Let nothing that this process becomes, or starts, have these (capabilities(7), "Dropping capabilities from the bounding set")."""
    for capability in capabilities:
        _called("prctl", ctypes.c_int(_PR_CAPBSET_DROP), ctypes.c_ulong(capability), 0, 0, 0)


def ends_with_parent() -> None:
    """SIGKILL for this process when its parent's thread ends, however that one ends."""
    _called("prctl", ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_int(signal.SIGKILL))


def forked(child: Callable[[], None]) -> int:
    """A child that runs this function and nothing else of ours; its id.

    Nothing is flushed or cleaned up twice: the child leaves with os._exit, status 1 after an error, which goes to standard error.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        child()
        status = 0
    except BaseException:  # noqa: BLE001 - it must not go on as its parent; the error is told
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def init_of_new(flags: int, child: Callable[[], None], back: bool = True) -> int:
    """As `forked`, but the child is process 1 of a new PID namespace, and in new ones of `flags`; its id as seen from here.

    pid_namespaces(7): a process may unshare NEWPID once, so it goes `back` to its own for the next child's sake. Back into a namespace
    that another user namespace owns it may not.
    """
    own = os.open("/proc/thread-self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    unshare(NEWPID)
    try:
        return forked(lambda: (unshare(flags), child())[-1])  # type: ignore[func-returns-value]
    finally:
        if back:
            setns(own, NEWPID)
        os.close(own)


def speaks_ipv6() -> bool:
    """Has this kernel IPv6 at all (not booted with ipv6.disable=1)?"""
    return Path("/proc/sys/net/ipv6").is_dir()


def batch(lines: Iterable[str]) -> None:
    """Say lines to `ip -batch` in this network namespace; OSError with its words when it refuses one."""
    text = "\n".join(lines) + "\n"
    done = subprocess.run(["ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode:
        raise OSError(f"ip -batch: {done.stderr.strip()[-300:]}")
