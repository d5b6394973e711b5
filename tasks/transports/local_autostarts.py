"""Finding and reading this host's persistence files. Knows where files are; what they say is for tasks.persistence."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from tasks.facts import Autostart, Unseen
from tasks.model import TargetError, inert
from tasks.persistence import PLACES, Place, entries
from tasks.transports.local_files import chunks, hash_of, homes, lies_below, opened, user

MAX_FILES = 2_000
MAX_BYTES = 1 << 20


@dataclass(slots=True)
class _Reading:
    """What was read so far; `done` are the files (device, inode), so that a linked folder is not read twice."""

    root: str
    found: list[Autostart] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)
    done: set[tuple[int, int]] = field(default_factory=set)

    def miss(self, path: str, why: str) -> None:
        self.unseen.append(Unseen(inert(path), why))

    def new(self, seen: os.stat_result) -> bool:
        identity = (seen.st_dev, seen.st_ino)
        fresh = identity not in self.done
        self.done.add(identity)
        return fresh


def read_all(root: str) -> tuple[list[Autostart], list[Unseen]]:
    """Every entry of every place below `root` and its homes, each file once, and what could not be read."""
    reading = _Reading(root)
    folders = [path for _, path in homes(root)]
    for place in PLACES:
        for base in folders if place.home else [root]:
            _place(reading, place, base)
    return reading.found, reading.unseen


def _place(reading: _Reading, place: Place, base: str) -> None:
    paths = list(islice(_matches(reading, place, base), MAX_FILES + 1))
    if len(paths) > MAX_FILES:
        reading.miss(f"{base}/{place.glob}", f"more than {MAX_FILES} files")
    for path in paths[:MAX_FILES]:
        try:
            _file(reading, place, path)
        except FileNotFoundError:
            continue
        except (TargetError, OSError) as error:
            reading.miss(path, error.seen if isinstance(error, TargetError) else str(error.strerror))


def _matches(reading: _Reading, place: Place, base: str) -> Iterator[str]:
    """The glob's matches in order; a folder on the way that is closed to us is told, where glob would pass over it."""
    level = [base.rstrip("/") or "/"]
    *folders, last = place.glob.split("/")
    for part in folders:
        level = [path for folder in level for path in _children(reading, folder, part) if Path(path).is_dir()]
    for folder in level:
        yield from _children(reading, folder, last)


def _children(reading: _Reading, folder: str, part: str) -> list[str]:
    try:
        if "*" not in part:
            path = Path(folder, part)
            path.lstat()
            return [str(path)]
        return sorted(str(path) for path in Path(folder).iterdir() if fnmatchcase(path.name, part))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reading.miss(f"{folder}/{part}", error.strerror or str(error))
        return []


def _file(reading: _Reading, place: Place, path: str) -> None:
    seen = os.lstat(path)
    if stat.S_ISDIR(seen.st_mode) or not reading.new(seen):
        return
    if stat.S_ISLNK(seen.st_mode):
        _link(reading, place, path, seen)
    else:
        _content(reading, place, path, seen)


def _link(reading: _Reading, place: Place, path: str, link: os.stat_result) -> None:
    """A link is an entry itself (a unit may be linked in from anywhere), and so is the file that it leads to."""
    text, target = f"link to {Path(path).readlink()}", os.path.realpath(path)
    reading.found.append(Autostart(place.kind, path, 0, text, user(link.st_uid), link.st_mtime))
    if not lies_below(target, reading.root):
        reading.miss(path, "its link leads out of the root")
    elif Path(target).is_file():
        _file(reading, place, target)


def _content(reading: _Reading, place: Place, path: str, seen: os.stat_result) -> None:
    with opened(path) as descriptor:
        data = b"".join(chunks(descriptor, MAX_BYTES))
        try:
            digest = hash_of(descriptor)
        except TargetError as error:
            digest = ""
            reading.miss(path, f"not hashed: {error.seen}")
    if seen.st_size > MAX_BYTES:
        reading.miss(path, f"only the first {MAX_BYTES} bytes of {seen.st_size} were read")
    reading.found += entries(place, path, data, user(seen.st_uid), seen.st_mtime, digest)
