"""Files of a Linux host as scripts/look.sh tells them. Knows its records; must not know what is suspicious."""

from __future__ import annotations

import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.facts import FileSeen, Unseen
from tasks.model import inert
from tasks.transports.linux_files import kind
from tasks.transports.ssh_look_records import (
    ROWS,
    Ask,
    Record,
    contents,
    flooded,
    of_kind,
    records,
    rows,
    text,
    unseen,
    users,
)

MAX_REPORTED = 2_000
MAX_HASHED = 64 << 20
MAX_HASHED_TOGETHER = 2 << 30
WALK_SECONDS = 20
MAX_TEXT, MAX_PORTION, MAX_TEXTS = 1 << 20, 8 << 20, 64 << 20
CHUNK = 200
_META = re.compile(r"^([0-9a-f]+) (\d+) (\d+) (\d+) (-?\d+) (-?\d+) (\d+) (\d+) (\d+)(?: (.*))?$", re.ASCII | re.DOTALL)
_FOUND = re.compile(rb"^F([0-7]+) (\d+) (\d+) (-?\d+(?:\.\d+)?) (-?\d+(?:\.\d+)?) (\d+) (\d+) (/.*)$", re.DOTALL)
_PLAIN = re.compile(rb"^P([0-9a-f]+) (\d+) (\d+) (-?\d+) (-?\d+) (\d+) (\d+) (/.*)$", re.DOTALL)
_SUM = re.compile(rb"^\\?([0-9a-f]{64}) [ *](.*)$", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Meta:
    """What stat tells of one file, a link not followed. Times are seconds since the epoch."""

    mode: int
    uid: int
    size: int
    modified: float
    changed: float
    device: int
    inode: int
    path: str = ""


def meta(line: str) -> Meta | None:
    """One line of `described` in look.sh."""
    match = _META.match(line)
    if match is None:
        return None
    mode, uid, _, size, modified, changed, device, inode, _, path = match.groups()
    return Meta(
        int(mode, 16), int(uid), int(size), float(modified), float(changed), int(device), int(inode), path or ""
    )


def asked(
    ask: Ask, verb: str, paths: Sequence[str], seconds: float = 60.0
) -> Iterator[tuple[Sequence[str], list[Record]]]:
    """The answers of a verb that takes files, some hundred at a time."""
    for start in range(0, len(paths), CHUNK):
        chunk = paths[start : start + CHUNK]
        yield chunk, records(ask, verb, chunk, seconds)


def named(record: Record, chunk: Sequence[str]) -> str:
    """The file that a record's number means, empty for all of them together (0)."""
    number = int(record.word) if record.word.isascii() and record.word.isdigit() else 0
    return chunk[number - 1] if 0 < number <= len(chunk) else ""


def sums(ask: Ask, paths: Sequence[str]) -> tuple[dict[str, str], list[Unseen]]:
    """The SHA-256 of these regular files, of those that could be read."""
    found: dict[str, str] = {}
    missed: list[Unseen] = []
    for chunk, answer in asked(ask, "sums", paths):
        missed += unseen(answer)
        for record in of_kind(answer, "sums"):
            found |= dict(_summed(record, chunk))
    return found, missed


def _summed(record: Record, chunk: Sequence[str]) -> Iterator[tuple[str, str]]:
    """GNU's sha256sum writes a backslash twice and one before the line; busybox does not."""
    if single := named(record, chunk):
        match = _SUM.match(record.body)
        yield from ((single, match[1].decode()),) if match else ()
        return
    ways = {path: path for path in chunk} | {path.replace("\\", "\\\\"): path for path in chunk}
    for line in record.body.split(b"\n"):
        match = _SUM.match(line)
        if match and (path := ways.get(text(match[2]))):
            yield path, match[1].decode()


def heads(ask: Ask, paths: Sequence[str]) -> dict[str, bytes]:
    """The first six bytes of these files: too few to hold a heading of another one."""
    found: dict[str, bytes] = {}
    for chunk, answer in asked(ask, "heads", paths):
        for record in of_kind(answer, "heads"):
            single = named(record, chunk)
            found |= headed(record.body, [single] if single else chunk)
    return found


def headed(body: bytes, paths: Sequence[str]) -> dict[str, bytes]:
    """What `head -v` prints for these files, in their order; one that could not be read is passed over."""
    starts: list[tuple[str, int, int]] = []
    place = 0
    for path in paths:
        mark = b"==> " + path.encode("utf-8", "surrogateescape") + b" <==\n"
        at = body.find(mark, place, place + len(mark) + 8)
        if at >= 0:
            place = at + len(mark)
            starts.append((path, at, place))
    # A file's bytes end one newline before the next heading.
    ends = [*(at - 1 for _, at, _ in starts[1:]), len(body)][: len(starts)]
    return {path: body[start : min(start + 6, end)] for (path, _, start), end in zip(starts, ends, strict=True)}


def texts(ask: Ask, sizes: dict[str, int]) -> tuple[dict[str, bytes], list[Unseen]]:
    """The contents of these files, up to a megabyte each; `sizes` tell whether one ends with a newline."""
    found: dict[str, bytes] = {}
    missed: list[Unseen] = []
    for verb, chunk in _portions(sizes):
        answer = records(ask, verb, chunk, 60.0)
        missed += unseen(answer)
        found |= _contents(answer, chunk, sizes)
    if left := len([path for path in sizes if path not in found]) and sum(sizes.values()) > MAX_TEXTS:
        missed.append(Unseen("persistence files", f"{left} were not read: together they are too large"))
    return found, missed


def _portions(sizes: dict[str, int]) -> Iterator[tuple[str, list[str]]]:
    """Small files some hundred at a time, large ones one by one and cut; no more together than MAX_TEXTS."""
    chunk: list[str] = []
    together = portion = 0
    for path, size in sizes.items():
        together += min(size, MAX_TEXT)
        if together > MAX_TEXTS:
            break
        if size > MAX_TEXT:
            yield "pieces", [path]
            continue
        if chunk and (portion + size > MAX_PORTION or len(chunk) >= CHUNK):
            yield "texts", chunk
            chunk, portion = [], 0
        chunk.append(path)
        portion += size
    if chunk:
        yield "texts", chunk


def _contents(answer: Sequence[Record], chunk: Sequence[str], sizes: dict[str, int]) -> dict[str, bytes]:
    refused = {named(record, chunk) for record in of_kind(answer, "refused")}
    single = {
        chunk[int(name) - 1]: data for name, data in contents(of_kind(answer, "text")).items() if _number(name, chunk)
    }
    several = contents(of_kind(answer, "lines"))
    together = {path: _ended(several[path], sizes[path]) for path in chunk if path in several}
    empty = {path: b"" for path in chunk if sizes[path] == 0}
    return {path: data for path, data in (empty | together | single).items() if path not in refused}


def _number(name: str, chunk: Sequence[str]) -> bool:
    return name.isascii() and name.isdigit() and 0 < int(name) <= len(chunk)


def _ended(data: bytes, size: int) -> bytes:
    return data + b"\n" if len(data) == size - 1 else data


def recent(ask: Ask, folders: Sequence[str], since: float, root: str = "/") -> tuple[list[FileSeen], list[Unseen]]:
    """Files below `folders` that changed after `since` (by mtime or ctime), and hidden executables of any age; bounded."""
    arguments = [str(int(since)), str(WALK_SECONDS), *folders]
    found = records(ask, "walk", arguments, 60.0 + WALK_SECONDS * len(folders), root)
    passed: Counter[tuple[str, str]] = Counter()
    metas = [m for r in of_kind(found, *ROWS) for m in walked(r, folders, since, passed)]
    _passed_over(found, folders, passed)
    kept, left = trim(list({m.path: m for m in metas}.values()))
    if left:
        why = f"more than {MAX_REPORTED}: programs and the newest are shown first, others left out"
        passed["recent files", why] += left
    files, missed = described(ask, kept, passed)
    told = [Unseen(inert(top, 400), why if n == 1 else f"{why} ({n} times)") for (top, why), n in passed.items()]
    return files, [*unseen(found), *mounted(found, folders), *told, *missed]


def walked(record: Record, folders: Sequence[str], since: float, passed: Counter[tuple[str, str]]) -> Iterator[Meta]:
    """The files of one folder's record; what was passed over is counted."""
    top = named(record, folders)
    if flooded(record):
        passed[top, "it holds too many files: some were not looked at"] += 1
    for row in rows(record):
        if why := _REASONS.get(text(row[:1])):
            passed[top, why] += 1
        elif (seen := found_file(row)) and _worth(seen, since):
            yield seen


_REASONS = {"V": "a quarantine vault was not judged", "C": "a folder could not be listed: Permission denied"}
_REASONS |= {"D": "folders deeper than 6 levels were not entered"}


def _passed_over(found: Sequence[Record], folders: Sequence[str], passed: Counter[tuple[str, str]]) -> None:
    """What a find without -printf counts by itself."""
    for record in of_kind(found, "deep", "shut"):
        number = record.text.strip()
        if number.isascii() and number.isdigit() and int(number):
            passed[named(record, folders), _REASONS["D" if record.kind == "deep" else "C"]] += int(number)


def found_file(row: bytes) -> Meta | None:
    """One file as either find tells it."""
    for pattern, base in ((_FOUND, 8), (_PLAIN, 16)):
        if match := pattern.match(row):
            mode, uid, size, modified, changed, device, inode, path = match.groups()
            whole = int(mode, base) | (stat.S_IFREG if base == 8 else 0)
            return Meta(
                whole, int(uid), int(size), float(modified), float(changed), int(device), int(inode), text(path)
            )
    return None


def _worth(seen: Meta, since: float) -> bool:
    return max(seen.modified, seen.changed) >= since or bool("/." in seen.path and seen.mode & 0o111)


def trim(metas: list[Meta]) -> tuple[list[Meta], int]:
    """Programs and the newest first, and how many are left out."""
    metas.sort(key=lambda m: (not m.mode & 0o111, -max(m.modified, m.changed)))
    return metas[:MAX_REPORTED], max(0, len(metas) - MAX_REPORTED)


def mounted(found: Sequence[Record], folders: Sequence[str]) -> Iterator[Unseen]:
    """Other file systems inside the folders were not entered."""
    lines = (line.split(" ") for r in of_kind(found, "mounts") for line in r.lines())
    points = {fields[4] for fields in lines if len(fields) > 4}
    for folder in folders:
        if inside := sorted(p for p in points if p.startswith(f"{folder.rstrip('/')}/") and p not in folders):
            times = f" ({len(inside)} times)" if len(inside) > 1 else ""
            yield Unseen(inert(folder, 400), f"another file system is mounted in it{times}")


def described(ask: Ask, metas: Sequence[Meta], passed: Counter[tuple[str, str]]) -> tuple[list[FileSeen], list[Unseen]]:
    """The facts of these files, with kind and hash as far as they can be read."""
    if not metas:
        return [], []
    small = _affordable(metas, passed)
    digests, missed = sums(ask, small)
    firsts, names = heads(ask, [m.path for m in metas]), users(records(ask, "users", [], 20.0))
    return [_file(m, names, digests, firsts) for m in metas], missed


def _affordable(metas: Sequence[Meta], passed: Counter[tuple[str, str]]) -> list[str]:
    """What is hashed: no giant, and no more together than a minute's work."""
    small, together = [], 0
    for seen in metas:
        together += seen.size if seen.size <= MAX_HASHED else 0
        if seen.size > MAX_HASHED:
            passed["recent files", f"a file was not hashed: it is larger than {MAX_HASHED >> 20} MiB"] += 1
        elif together > MAX_HASHED_TOGETHER:
            passed[
                "recent files", f"a file was not hashed: together they are more than {MAX_HASHED_TOGETHER >> 20} MiB"
            ] += 1
        else:
            small.append(seen.path)
    return small


def _file(seen: Meta, names: dict[int, str], digests: dict[str, str], firsts: dict[str, bytes]) -> FileSeen:
    owner, executable = names.get(seen.uid, str(seen.uid)), bool(seen.mode & 0o111)
    digest, magic = digests.get(seen.path, ""), kind(firsts.get(seen.path, b""))
    return FileSeen(seen.path, seen.size, seen.mode, owner, seen.modified, seen.changed, digest, executable, magic)


def metas_of(ask: Ask, paths: Sequence[str]) -> dict[str, Meta]:
    """What stat says of these files, by name; those that are gone are left out."""
    found: dict[str, Meta] = {}
    for chunk, answer in asked(ask, "stats", paths):
        for record in of_kind(answer, "stats"):
            single = named(record, chunk)
            rows = [record.text] if single else record.lines()
            read = [seen for row in rows if (seen := meta(row))]
            found |= {seen.path: seen for seen in read if seen.path in chunk}
    return found


def tame(path: str) -> bool:
    """Is it one line wherever it is printed?"""
    return not _CONTROL.search(path)
