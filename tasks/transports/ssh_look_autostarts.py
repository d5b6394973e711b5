"""The persistence files of a Linux host as scripts/look.sh tells them. Knows its records; what the files say is for tasks.persistence."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tasks.facts import Autostart, Unseen
from tasks.model import inert
from tasks.persistence import PLACES, Place, entries
from tasks.transports.linux_files import SYSTEM_HOMES
from tasks.transports.ssh_look_files import Meta, meta, sums, texts
from tasks.transports.ssh_look_records import Ask, Record, of_kind, records, unseen, users

MAX_BYTES = 1 << 20
MAX_FILES = 2_000


@dataclass(slots=True)
class _Reading:
    """What the listing gave so far; `done` are the files (device, inode), so that a linked folder is not read twice."""

    root: str
    names: dict[int, str]
    links: list[Autostart] = field(default_factory=list)
    files: list[tuple[Place, Meta]] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)
    done: set[tuple[int, int]] = field(default_factory=set)

    def miss(self, path: str, why: str) -> None:
        self.unseen.append(Unseen(inert(path, 400), why))

    def add(self, place: Place, seen: Meta) -> None:
        """Take a regular file in, once."""
        identity = (seen.device, seen.inode)
        if identity not in self.done and stat.S_ISREG(seen.mode):
            self.files.append((place, seen))
        elif not stat.S_ISREG(seen.mode):
            self.miss(seen.path, "it is no regular file")
        self.done.add(identity)


def homes(ask: Ask, root: str = "/") -> list[str]:
    """The home folders of the users, as real paths; those of system accounts left out."""
    found: dict[str, str] = {}
    for record in of_kind(records(ask, "homes", [], 30.0, root), "home"):
        user, home, path = [*record.text.split(":", 2), "", ""][:3]
        real = path.removesuffix("\n")
        if home.rstrip("/") in SYSTEM_HOMES or not real.startswith("/") or not _below(real, root):
            continue
        found.setdefault(real, user)
    return list(found)


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root.rstrip('/')}/")


def autostarts(ask: Ask, root: str = "/") -> tuple[list[Autostart], list[Unseen]]:
    """Every persistence entry that can be read below the root and its homes, and what could not be."""
    reading = _Reading(root, users(records(ask, "users", [], 20.0, root)))
    for base, places in _bases(homes(ask, root), root):
        found = records(ask, "globs", [base, *(place.glob for place in places)], 120.0, root)
        reading.unseen += unseen(found)
        _listing(reading, base, {place.glob: place for place in places}, found)
    return _read(ask, reading)


def _bases(folders: Sequence[str], root: str) -> Iterator[tuple[str, list[Place]]]:
    yield root, [place for place in PLACES if not place.home]
    for folder in folders:
        yield folder, [place for place in PLACES if place.home]


def _listing(reading: _Reading, base: str, places: dict[str, Place], found: Sequence[Record]) -> None:
    place: Place | None = None
    for number, record in enumerate(found):
        if record.kind == "glob":
            place = places.get(record.word)
        elif record.kind == "closed":
            reading.miss(_path(base, record.text), "Permission denied")
        elif place and record.kind == "files":
            _several(reading, place, base, record)
        elif place and record.kind == "file":
            _single(reading, place, base, found[number : number + 4])


def _several(reading: _Reading, place: Place, base: str, record: Record) -> None:
    rows = record.lines()
    if len(rows) > MAX_FILES:
        reading.miss(_path(base, place.glob), f"more than {MAX_FILES} files")
    for row in rows[:MAX_FILES]:
        seen = meta(row)
        if seen and seen.path:
            reading.add(place, _at(seen, _path(base, seen.path)))


def _single(reading: _Reading, place: Place, base: str, group: Sequence[Record]) -> None:
    """One file by itself: a name with control characters, or a link, which is an entry and so is the file that it leads to."""
    line, _, name = group[0].text.partition("\n")
    seen, path = meta(line), _path(base, name)
    if seen is None:
        return
    if not stat.S_ISLNK(seen.mode):
        reading.add(place, _at(seen, path))
        return
    if (seen.device, seen.inode) in reading.done:
        return
    reading.done.add((seen.device, seen.inode))
    told = {r.kind: r for r in _run(group[1:])}
    says, leads = (told[k].text.removesuffix("\n") if k in told else "" for k in ("says", "leads"))
    owner = reading.names.get(seen.uid, str(seen.uid))
    reading.links.append(Autostart(place.kind, path, 0, f"link to {says}", owner, seen.modified))
    if leads and not _below(leads, reading.root):
        reading.miss(path, "its link leads out of the root")
    elif "behind" in told and (behind := meta(told["behind"].text.strip("\n"))):
        reading.add(place, _at(behind, leads))


def _run(group: Sequence[Record]) -> Iterator[Record]:
    for record in group:
        if record.kind not in ("says", "leads", "behind"):
            return
        yield record


def _path(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name}" if not name.startswith("/") else name


def _at(seen: Meta, path: str) -> Meta:
    return Meta(seen.mode, seen.uid, seen.size, seen.modified, seen.changed, seen.device, seen.inode, path)


def _read(ask: Ask, reading: _Reading) -> tuple[list[Autostart], list[Unseen]]:
    sizes = {seen.path: seen.size for _, seen in reading.files}
    data, missed = texts(ask, sizes)
    digests, late = sums(ask, [path for path in sizes if path in data])
    found = list(reading.links)
    for place, seen in reading.files:
        if seen.path not in data:
            reading.miss(seen.path, "Permission denied")
            continue
        owner = reading.names.get(seen.uid, str(seen.uid))
        digest = digests.get(seen.path, "")
        found += entries(place, seen.path, data[seen.path][:MAX_BYTES], owner, seen.modified, digest)
        if not digest:
            reading.miss(seen.path, "not hashed")
        if seen.size > MAX_BYTES:
            reading.miss(seen.path, f"only the first {MAX_BYTES} bytes of {seen.size} were read")
    return found, [*reading.unseen, *missed, *late]
