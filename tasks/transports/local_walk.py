"""Looking through folders within bounds: depth, number, time. Knows directories; must not know what is suspicious."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tasks.facts import FileSeen, Unseen
from tasks.journal import NAME
from tasks.model import TargetError, inert
from tasks.transports.linux_files import kind
from tasks.transports.local_files import hash_of, opened, user

MAX_DEPTH = 6
MAX_ENTRIES = 40_000
MAX_REPORTED = 2_000
MAX_SECONDS = 20.0
MAX_HASHED = 64 << 20
VAULT = "/var/lib/hemostat/quarantine"


@dataclass(slots=True)
class Walk:
    """One bounded walk: what it found, and how often it passed something over in `top`, by reason."""

    since: float
    deadline: float
    top: str = ""
    entries: int = 0
    files: list[FileSeen] = field(default_factory=list)
    passed: Counter[tuple[str, str]] = field(default_factory=Counter)

    def miss(self, why: str, times: int = 1) -> None:
        self.passed[self.top, why] += times


def recent(folders: list[str], since: float) -> tuple[list[FileSeen], list[Unseen]]:
    """Files below `folders` that changed after `since` (by mtime or ctime), and hidden executables of any age.

    Breadth first, bounded by depth, number and time; links and other file systems are not entered. What that leaves
    out is told.
    """
    walk = Walk(since, time.monotonic() + MAX_SECONDS)
    for folder in folders:
        walk.top, walk.entries = folder, 0
        with suppress(FileNotFoundError, NotADirectoryError):
            _spread(walk, Path(folder).lstat().st_dev)
    _trim(walk)
    unseen = [Unseen(inert(top), why if n == 1 else f"{why} ({n} times)") for (top, why), n in walk.passed.items()]
    return walk.files, unseen


def _spread(walk: Walk, device: int) -> None:
    level = [walk.top]
    for _ in range(MAX_DEPTH):
        level = [path for folder in level for path in _inside(walk, folder, device)]
    if level:
        walk.miss(f"folders deeper than {MAX_DEPTH} levels were not entered", len(level))


def _inside(walk: Walk, folder: str, device: int) -> list[str]:
    """Look at one folder's entries; its folders are the next level."""
    below: list[str] = []
    try:
        if whose := _own(folder):
            walk.miss(f"{whose} ({inert(folder)}) was not judged")
            return below
        with os.scandir(folder) as entries:
            for entry in entries:
                if stopped := _spent(walk):
                    walk.miss(stopped)
                    break
                walk.entries += 1
                below += _one(walk, entry, device)
    except FileNotFoundError:
        return below
    except OSError as error:
        walk.miss(f"a folder could not be listed: {error.strerror}")
    return below


def _own(folder: str) -> str:
    """Which folder of hemostat's own it is; empty for any other.

    A name alone proves nothing, for a beacon could hide behind it: the folder must be this user's, and nobody else's to write in.
    """
    path = Path(folder)
    if path.name.startswith(".hemostat-") or folder.endswith(VAULT):
        return "a quarantine vault" if _only_ours(path) else ""
    incident = all((path / name).exists() and _only_ours(path / name) for name in (NAME, "evidence"))
    return "an incident's evidence" if incident and _only_ours(path) else ""


def _only_ours(path: Path) -> bool:
    seen = path.lstat()
    return seen.st_uid == os.geteuid() and not stat.S_ISLNK(seen.st_mode) and not seen.st_mode & 0o022


def _spent(walk: Walk) -> str:
    if walk.entries >= MAX_ENTRIES:
        return f"not looked at the rest of a folder after {MAX_ENTRIES} entries"
    return (
        f"not looked at the rest of a folder after {MAX_SECONDS:.0f} seconds"
        if time.monotonic() > walk.deadline
        else ""
    )


def _one(walk: Walk, entry: os.DirEntry[str], device: int) -> list[str]:
    try:
        seen = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return []
    if stat.S_ISDIR(seen.st_mode):
        if seen.st_dev == device:
            return [entry.path]
        walk.miss("another file system is mounted in it")
    if stat.S_ISREG(seen.st_mode) and _worth(walk, entry, seen):
        walk.files.append(describe(entry.path, seen))
        if seen.st_size > MAX_HASHED:
            walk.miss(f"a file was not hashed: it is larger than {MAX_HASHED >> 20} MiB")
    return []


def _worth(walk: Walk, entry: os.DirEntry[str], seen: os.stat_result) -> bool:
    secret = "/." in entry.path and seen.st_mode & 0o111
    return max(seen.st_mtime, seen.st_ctime) >= walk.since or bool(secret)


def describe(path: str, seen: os.stat_result) -> FileSeen:
    """The facts of one regular file; without hash and kind when it may not be read, without hash when it is large."""
    magic = digest = ""
    with suppress(TargetError), opened(path) as descriptor:
        magic = kind(os.read(descriptor, 64))
        digest = hash_of(descriptor) if seen.st_size <= MAX_HASHED else ""
    owner = user(seen.st_uid)
    executable = bool(seen.st_mode & 0o111)
    return FileSeen(path, seen.st_size, seen.st_mode, owner, seen.st_mtime, seen.st_ctime, digest, executable, magic)


def _trim(walk: Walk) -> None:
    left = len(walk.files) - MAX_REPORTED
    if left > 0:
        walk.files.sort(key=lambda f: (not (f.executable or f.magic), -max(f.modified, f.changed)))
        del walk.files[MAX_REPORTED:]
        walk.top = "recent files"
        walk.miss(f"more than {MAX_REPORTED}: programs and the newest are shown first, others left out", left)
