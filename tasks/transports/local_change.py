"""Changing this host: put and signal (move is local_move), each fenced to the root and sure of what it touches. Must not know why."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import signal as signals
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.facts import Start
from tasks.model import Refused, TargetError, inert
from tasks.transports import local_proc as procfs
from tasks.transports.local_files import chunks, lies_below, opened

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_RDONLY


@contextmanager
def folder_of(path: str, root: str, make: bool = False) -> Iterator[tuple[int, str]]:
    """An open descriptor on the folder of `path`, and the path's last name.

    Links on the way are resolved first and the result is held against the fence; then every step is opened without
    following links, so that nobody can turn the way around between the check and the act.
    """
    whole = resolved(path)
    fence(whole, root)
    try:
        descriptor = _descend(whole.parent, make)
    except OSError as error:
        raise TargetError(f"open the folder of {inert(path)}", error.strerror or str(error)) from None
    try:
        yield descriptor, whole.name
    finally:
        os.close(descriptor)


def resolved(path: str) -> Path:
    return Path(os.path.realpath(Path(path).parent), Path(path).name)


def fence(path: Path, root: str) -> None:
    """Refuse what does not lie below the root.

    Raises:
        Refused: by the guard "fence".
    """
    if str(path) == os.path.realpath(root) or not lies_below(str(path), os.path.realpath(root)) or path.name == "..":
        raise Refused(
            "fence",
            f"{inert(path)} does not lie below {inert(root)}",
            "this host's entry in the inventory fences hemostat to that folder",
        )


def _descend(folder: Path, make: bool) -> int:
    descriptor = os.open("/", _FOLDER)
    for name in folder.parts[1:]:
        try:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=descriptor)
            below = os.open(name, _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def replace(root: str, path: str, data: bytes, expect_sha256: str) -> None:
    """Put new content in the file's place; owner, mode and extended attributes stay, a crash leaves the old or the new.

    Raises:
        Refused: outside the root.
        TargetError: the file is not the expected one any more, or the host refuses.
    """
    with (
        folder_of(path, root) as (folder, name),
        refusals(f"replace {inert(path)}"),
        opened(name, folder) as descriptor,
    ):
        _expect(descriptor, path, expect_sha256)
        temporary = _write(folder, name, descriptor, data)
        _expect(descriptor, path, expect_sha256, temporary, folder)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)


def _expect(descriptor: int, path: str, sha256: str, temporary: str = "", folder: int = -1) -> None:
    seen = digest_of(descriptor)
    if seen == sha256:
        return
    if temporary:
        os.unlink(temporary, dir_fd=folder)
    raise TargetError(
        f"replace {inert(path)}",
        f"its SHA-256 is {seen}, not {inert(sha256)}: someone changed it since we looked",
        "triage again and plan anew",
    )


def digest_of(descriptor: int) -> str:
    """The SHA-256 of an open file, read anew: what was known of it before does not count for a change."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    for part in chunks(descriptor, os.fstat(descriptor).st_size + 1):
        digest.update(part)
    return digest.hexdigest()


def _write(folder: int, name: str, like: int, data: bytes) -> str:
    # A leading dot and a second dot keep cron, run-parts and systemd from ever reading the temporary file.
    temporary = f".{os.fsdecode(os.fsencode(name)[:200])}.hemostat.{secrets.token_hex(4)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        _copy_ownership(like, descriptor)
        os.fsync(descriptor)
    except BaseException:
        os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)
    return temporary


def _copy_ownership(source: int, target: int) -> None:
    seen = os.fstat(source)
    os.fchown(target, seen.st_uid, seen.st_gid)
    os.fchmod(target, stat.S_IMODE(seen.st_mode))
    with suppress(OSError):  # a file system without them
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))


@contextmanager
def refusals(tried: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(tried, error.strerror or str(error), _next(error)) from None


def _next(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "run as root; if it is root, the file may be immutable: see `lsattr`"
    return ""


def signal(root: str, pid: int, start: Start, number: int) -> bool:
    """Signal the process if it still is the one of that `start`; False when it is gone.

    The pidfd is opened before the check, so that a pid which is used again in between cannot be hit (pidfd_open(2)).

    Raises:
        Refused: it is hemostat itself, one of its ancestors, pid 1 or a kernel thread ("self"), or outside ("fence").
        TargetError: the kernel refuses.
    """
    try:
        with refusals(f"signal process {pid}"), _handle(pid) as handle, procfs.uncovered() as proc:
            if not _same(proc, pid, start):
                return False
            spare_ourselves(proc, pid)
            inside(proc, pid, root)
            _send(handle, pid, number)
    except TargetError:
        if not procfs.exists(pid):
            return False
        raise
    return True


@contextmanager
def _handle(pid: int) -> Iterator[int | None]:
    """A descriptor on the process; None where the kernel has none (before Linux 5.3): then only the check protects."""
    try:
        handle = os.pidfd_open(pid)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _send(handle: int | None, pid: int, number: int) -> None:
    if handle is None:
        os.kill(pid, number)
    else:
        signals.pidfd_send_signal(handle, number)


def _same(proc: Path, pid: int, start: Start) -> bool:
    try:
        return not procfs.ended(proc, pid) and procfs.start(proc, pid).same(start)
    except FileNotFoundError:
        return False


def spare_ourselves(proc: Path, pid: int) -> None:
    """Raise Refused ("self") for this process, its ancestors, init and kernel threads."""
    ours, one = {1, 2}, os.getpid()
    while one > 0 and one not in ours:
        ours.add(one)
        one = procfs.parent(proc, one)
    if pid in ours or procfs.parent(proc, pid) == 2:
        raise Refused(
            "self", f"process {pid} is hemostat, one of its ancestors, or the system's own", "look at it by hand"
        )


def inside(proc: Path, pid: int, root: str) -> None:
    """Raise Refused ("fence") for a process that neither runs nor stands below the root."""
    folder = os.path.realpath(root)
    if folder == "/":
        return
    places = [str((proc / str(pid) / name).readlink()) for name in ("exe", "cwd")]
    if not any(lies_below(place, folder) for place in places):
        raise Refused(
            "fence",
            f"process {pid} runs {inert(places[0])} in {inert(places[1])}, neither lies below {inert(root)}",
            "this host's entry in the inventory fences hemostat to that folder",
        )
