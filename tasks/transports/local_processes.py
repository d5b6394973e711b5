"""The processes of this host, also those that hide. Knows psutil and /proc; must not know which of them is bad."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import psutil

from tasks.facts import Process
from tasks.model import TargetError
from tasks.transports import linux_proc
from tasks.transports import local_proc as procfs
from tasks.transports.local_files import hash_of, opened, read, user

_DELETED = " (deleted)"
_TEXT_LIMIT = 8 << 20
_TEXTS = ("cmdline", "environ", "maps", "status", "limits", "cgroup", "mountinfo", "stack", "wchan")
HIDDEN_SECONDS = 5.0
T = TypeVar("T")


def snapshot(pids: Sequence[int] | None) -> list[Process]:
    """All processes, or those of `pids` that live, which a zombie does not. What hides from the listing is in the whole list."""
    with procfs.uncovered() as proc:
        secret = procfs.covers() if pids is not None else procfs.hidden(proc, HIDDEN_SECONDS)[0]
        wanted = pids if pids is not None else sorted({*psutil.pids(), *secret})
        seen = (_one(proc, pid, secret.get(pid, "")) for pid in wanted if pids is None or not procfs.ended(proc, pid))
        return [process for process in seen if process]


def _one(proc: Path, pid: int, hidden: str) -> Process | None:
    try:
        shown = _by_psutil(pid) if not hidden else _by_proc(proc, pid, hidden)
    except psutil.NoSuchProcess:
        # psutil reads through the mount that covers the process, the clone below it.
        return _by_proc(proc, pid, "psutil lists it, but cannot look at it") if _lives(proc, pid) else None
    groups, started = procfs.cgroup(proc, pid), ""
    if shown is None:
        return None
    with suppress(OSError, IndexError):
        started = procfs.start(proc, pid).started
    known = replace(shown, container=linux_proc.container(groups), unit=linux_proc.unit(groups), started=started)
    return _with_exe(proc, known)


def _lives(proc: Path, pid: int) -> bool:
    return procfs.exists(pid) and (proc / str(pid) / "stat").exists()


def _by_psutil(pid: int) -> Process:
    process = psutil.Process(pid)
    denied: list[str] = []
    with process.oneshot():
        name, ppid, created = process.name(), process.ppid(), process.create_time()
        cmdline = _ask(process.cmdline, list[str](), "cmdline", denied)
        owner, cwd = _ask(process.username, "", "user", denied), _ask(process.cwd, "", "cwd", denied)
    return Process(
        pid,
        ppid,
        created,
        name,
        cmdline=tuple(cmdline),
        user=owner,
        cwd=cwd,
        denied=tuple(denied),
    )


def _ask(question: Callable[[], T], otherwise: T, name: str, denied: list[str]) -> T:
    try:
        return question()
    except psutil.AccessDenied:
        denied.append(name)
    except psutil.ZombieProcess:
        pass
    return otherwise


def _by_proc(proc: Path, pid: int, hidden: str) -> Process | None:
    """A process that psutil is kept from; where we may not uncover /proc, what is known is that it is there."""
    folder = proc / str(pid)
    try:
        whole = (folder / "stat").read_text(errors="surrogateescape")
        argv = (folder / "cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]
        fields = procfs.stat_fields(proc, pid)
        created, owner = procfs.start(proc, pid).created, user((folder / "stat").stat().st_uid)
    except (OSError, IndexError):
        unknown = ("name", "exe", "sha256", "cmdline", "user", "cwd", "created")
        return Process(pid, 0, 0.0, "", hidden=hidden, denied=unknown) if procfs.exists(pid) else None
    name = whole[whole.index("(") + 1 : whole.rindex(")")]
    cwd = ""
    with suppress(OSError):
        cwd = str((folder / "cwd").readlink())
    return Process(pid, int(fields[1]), created, name, cmdline=tuple(argv), user=owner, cwd=cwd, hidden=hidden)


def _with_exe(proc: Path, process: Process) -> Process:
    """Add what /proc/PID/exe says: psutil takes "(deleted)" away, so the link is read here."""
    path = proc / str(process.pid) / "exe"
    try:
        target = str(path.readlink())
    except FileNotFoundError:  # a kernel thread or a zombie
        return process
    except OSError:
        return replace(process, denied=(*process.denied, "exe", "sha256"))
    bare, memfd = target.removesuffix(_DELETED), target.startswith("/memfd:")
    # A file whose name really ends in "(deleted)" still has its name.
    deleted = target.endswith(_DELETED) and not memfd and not os.path.lexists(target)
    exe = bare.removeprefix("/") if memfd else (bare if deleted else target)
    digest, denied = _exe_hash(str(path)), process.denied
    return replace(
        process,
        exe=exe,
        deleted=deleted,
        memfd=memfd,
        sha256=digest,
        denied=denied if digest else (*denied, "sha256"),
    )


def _exe_hash(path: str) -> str:
    try:
        with opened(path) as descriptor:
            return hash_of(descriptor)
    except TargetError:
        return ""


def details(pid: int) -> dict[str, bytes]:
    """Volatile texts of one process by name; `unseen` has one line for each that could not be read.

    Raises:
        TargetError: there is no such process.
    """
    found, unseen = {}, []
    with procfs.uncovered() as proc:
        if not _lives(proc, pid):
            raise TargetError(
                f"look at process {pid}", "there is no such process", "it ended; see the earlier readings"
            )
        for name in _TEXTS:
            try:
                found[name] = read(str(proc / str(pid) / name), _TEXT_LIMIT)
            except TargetError as error:
                unseen.append(f"{name}: {error.seen}")
        try:
            found["open_files"] = procfs.open_files(proc, pid)
        except OSError as error:
            unseen.append(f"open_files: {error.strerror}")
    return found | ({"unseen": "\n".join(unseen).encode()} if unseen else {})


def closed(proc: Path) -> str:
    """Why the owners of some sockets cannot be seen: whose descriptors are closed to us. Empty when all are open."""
    pids = procfs.listed(proc)
    shut = [pid for pid in sorted(pids) if not procfs.socket_owners(proc, {pid})[1]]
    if not shut:
        return ""
    why = "the kernel protects them even from root" if os.geteuid() == 0 else "hemostat does not run as root"
    return f"the descriptors of {len(shut)} of {len(pids)} processes are closed to us ({why})"
