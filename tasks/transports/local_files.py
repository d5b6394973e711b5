"""Reading files of this host without leaving a trace on them. Knows descriptors and hashes; must not know what is suspicious."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from tasks.model import TargetError, inert
from tasks.transports.hands import Fetched, Stat
from tasks.transports.linux_files import SYSTEM_HOMES

CHUNK = 1 << 20
# A sparse file of terabytes costs an attacker nothing; what is larger is not hashed, and that is told.
MAX_HASHED = 512 << 20
_QUIET = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# Links that the kernel itself makes and that lead to the very file, whatever its name now means (proc_pid_exe(5)).
_KERNEL_LINK = re.compile(r"^/proc/(?:self/fd/\d+/)?\d+/exe$")


@contextmanager
def opened(path: str, folder: int | None = None) -> Iterator[int]:
    """A descriptor on a regular file, opened without following a last link and, where we may, without touching its access time.

    The name is opened as a bare handle first and looked at: a FIFO or device is never opened, and nobody can put one in
    between (proc_pid_fd(5): /proc/self/fd/N opens the very file of the handle).

    Args:
        folder: a descriptor of the folder that a relative path starts from.

    Raises:
        TargetError: it is no regular file, it is gone, or we may not read it.
    """
    follow = 0 if _KERNEL_LINK.match(path) else os.O_NOFOLLOW
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC | follow, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise TargetError(f"open {inert(path)}", "it is no regular file", "look at it by hand; it is not read")
            descriptor = _untouched(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
    except OSError as error:
        raise TargetError(f"open {inert(path)}", error.strerror or str(error), _advice(error)) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _untouched(path: str) -> int:
    try:
        return os.open(path, _QUIET | os.O_NOATIME)
    except PermissionError:  # O_NOATIME is for the owner and CAP_FOWNER
        return os.open(path, _QUIET)


def _advice(error: OSError) -> str:
    return "run hemostat as root on this host" if isinstance(error, PermissionError) else ""


def look(path: str) -> Stat | None:
    """The file's metadata, its last link not followed; None when there is no such file."""
    try:
        seen = os.lstat(path)
        link = str(Path(path).readlink()) if stat.S_ISLNK(seen.st_mode) else ""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise TargetError(f"look at {inert(path)}", error.strerror or str(error), _advice(error)) from None
    return Stat(
        path, seen.st_size, seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime, seen.st_ino, seen.st_dev, link
    )


def chunks(descriptor: int, limit: int) -> Iterator[bytes]:
    """The content up to `limit` bytes."""
    left = limit
    while left > 0:
        try:
            part = os.read(descriptor, min(CHUNK, left))
        except OSError as error:
            raise TargetError("read the file", error.strerror or str(error)) from None
        if not part:
            return
        left -= len(part)
        yield part


def read(path: str, limit: int) -> bytes:
    """The first `limit` bytes."""
    with opened(path) as descriptor:
        return b"".join(chunks(descriptor, limit))


def sha256(path: str) -> str:
    """The SHA-256 of the whole file, in hexadecimal."""
    with opened(path) as descriptor:
        return hash_of(descriptor)


def hash_of(descriptor: int) -> str:
    """The SHA-256 of an open file; kept while its inode, size and times stay the same.

    Raises:
        TargetError: it is larger than MAX_HASHED.
    """
    seen = os.fstat(descriptor)
    if seen.st_size > MAX_HASHED:
        raise TargetError("hash the file", f"it is larger than {MAX_HASHED >> 20} MiB", "look at it by hand")
    return _hash(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, Handle(descriptor))


@dataclass(frozen=True)
class Handle:
    """A descriptor that takes no part in comparisons: what it leads to is told by the other arguments."""

    number: int = field(compare=False)


@lru_cache(maxsize=8192)
def _hash(_device: int, _inode: int, size: int, _modified: int, _changed: int, handle: Handle) -> str:
    digest = hashlib.sha256()
    os.lseek(handle.number, 0, os.SEEK_SET)
    for part in chunks(handle.number, size):  # and no further, should somebody write to it all the while
        digest.update(part)
    return digest.hexdigest()


def fetch(path: str, into: BinaryIO, limit: int) -> Fetched:
    """Copy up to `limit` bytes into `into`, hashed as they are read here."""
    digest, size = hashlib.sha256(), 0
    with opened(path) as descriptor:
        for part in chunks(descriptor, limit):
            digest.update(part)
            into.write(part)
            size += len(part)
        cut = size == limit and bool(os.read(descriptor, 1))
    return Fetched(size, digest.hexdigest(), cut)


def user(uid: int) -> str:
    """The name of a user; its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def homes(root: str) -> list[tuple[str, str]]:
    """Users and their home folders (links resolved), from the root's etc/passwd, else from root/home/* and root/root."""
    unique: dict[str, str] = {}
    for name, home in _accounts(root):
        path = os.path.realpath(below(root, home))
        if home.rstrip("/") in SYSTEM_HOMES or not lies_below(path, root) or not Path(path).is_dir():
            continue
        unique.setdefault(path, name)
    return [(name, path) for path, name in unique.items()]


def _accounts(root: str) -> list[tuple[str, str]]:
    passwd = below(root, "/etc/passwd")
    if look(passwd) is None:
        folder = Path(below(root, "/home"))
        return [(p.name, f"/home/{p.name}") for p in sorted(folder.glob("*"))] + [("root", "/root")]
    rows = [line.split(":") for line in read(passwd, 4 << 20).decode(errors="surrogateescape").splitlines()]
    return [(row[0], row[5]) for row in rows if len(row) == 7]


def below(root: str, path: str) -> str:
    """Where the host's own absolute path stands on this machine: below `root`."""
    return path if root == "/" else f"{root.rstrip('/')}/{path.lstrip('/')}"


def lies_below(path: str, root: str) -> bool:
    """True when the path is below the root, or is it; no links are resolved here."""
    folder = root.rstrip("/")
    return path == root or os.path.normpath(path).startswith(f"{folder}/")
