"""Asking scripts/look.sh and reading its records. Knows the frame; must not know what the records say.

A record begins with a line "SEPARATOR KIND WORD …" and goes on, as raw bytes, up to the next one. The separator is random and used once, so
that no byte on the host can pass for a record.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tasks.facts import Unseen
from tasks.model import TargetError, inert

Ask = Callable[[str, Sequence[str], float], bytes]
# The records of a find, and what scripts/look.sh lets it print (`capped`).
ROWS = ("zeros", "rows", "wild")
MAX_WALK = 12 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """One record: what it is, the words of its line, and its bytes without the newline before the next record."""

    kind: str
    words: tuple[str, ...]
    body: bytes

    @property
    def word(self) -> str:
        """The words as one text."""
        return " ".join(self.words)

    @property
    def text(self) -> str:
        """The body; bytes that are no UTF-8 as lone surrogates."""
        return text(self.body)

    def lines(self) -> list[str]:
        """The body's lines, without empty ones; only a newline ends a line."""
        return [line for line in self.text.split("\n") if line]


def text(data: bytes) -> str:
    """Bytes of the host as an exact text (PEP 383)."""
    return data.decode("utf-8", "surrogateescape")


def records(ask: Ask, verb: str, arguments: Sequence[str], seconds: float, root: str = "/") -> list[Record]:
    """What the verb tells; the record `late` is added when the answer has no end.

    Args:
        arguments: the verb's own, after the separator and the root.
        seconds: how long the host may take.
        root: the folder that the host's files stand below; "/" for a real one.

    Raises:
        TargetError: somebody on the host took away what was looked through.
    """
    separator = secrets.token_hex(16)
    answer = ask(verb, [separator, root.rstrip("/"), *arguments], seconds)
    found = list(split(answer, separator))
    if not any(record.kind == "end" for record in found):
        found.append(Record("unseen", (verb,), b"the host's answer was cut off"))
    if of_kind(found, "ended"):
        seen = "the helper that looks below a mount over /proc was ended by somebody else"
        raise TargetError(f"look at {verb}", seen, "somebody there works against us: isolate the host, and try again")
    return found


def split(answer: bytes, separator: str) -> Iterator[Record]:
    """The records of an answer; what stands before the first one is no record."""
    for part in (b"\n" + answer).split(b"\n" + separator.encode() + b" ")[1:]:
        line, _, body = part.partition(b"\n")
        kind, *words = text(line).split(" ")
        yield Record(kind, tuple(words), body)


def unseen(found: Sequence[Record]) -> list[Unseen]:
    """What the script could not look at, in its own words."""
    return [Unseen(inert(r.word, 400), inert(r.text, 400)) for r in found if r.kind == "unseen"]


def of_kind(found: Sequence[Record], *kinds: str) -> list[Record]:
    """The records of these kinds, in order."""
    return [record for record in found if record.kind in kinds]


def first(found: Sequence[Record], kind: str) -> str:
    """The text of the first record of that kind, stripped; empty when there is none."""
    return next((r.text.strip() for r in found if r.kind == kind), "")


def contents(found: Sequence[Record]) -> dict[str, bytes]:
    """The contents of files by name, from `lines` (GNU grep's "NAME\\0LINE"), `prefixed` ("NAME:LINE") and `text` (one file each) records.

    A last newline of a file in a `lines` record cannot be told from none and is left out.
    """
    by_name: dict[str, bytes] = {}
    for record in found:
        if record.kind == "lines":
            _gather(by_name, record.body, b"\0")
        elif record.kind == "prefixed":
            _gather(by_name, record.body, b":")
        elif record.kind == "text":
            by_name[record.word] = record.body
    return by_name


def _gather(by_name: dict[str, bytes], body: bytes, end: bytes) -> None:
    parts: dict[str, list[bytes]] = {}
    for line in body.split(b"\n"):
        name, found, rest = line.partition(end)
        if found:
            parts.setdefault(text(name), []).append(rest)
    by_name |= {name: b"\n".join(lines) for name, lines in parts.items()}


def flooded(record: Record) -> bool:
    """Did the walk find more than the script lets it print?"""
    return len(record.body) >= MAX_WALK


def rows(record: Record) -> list[bytes]:
    """The rows of a find: ended by zeros, by newlines where no name has one, or with each name after its row ("wild")."""
    body = record.body
    if flooded(record):  # the last row may have been cut
        body = body[: body.rfind(b"\n" if record.kind == "rows" else b"\0") + 1]
    if record.kind == "rows":
        return body.split(b"\n")
    parts = body.split(b"\0")
    return [part.replace(b"\n", b" ", 1) for part in parts] if record.kind == "wild" else parts


def users(found: Sequence[Record]) -> dict[int, str]:
    """The names of users by number, from records of passwd lines; the first name of a number counts."""
    names: dict[int, str] = {}
    for record in of_kind(found, "passwd", "users"):
        for line in record.lines():
            fields = line.split(":")
            if len(fields) == 7 and fields[2].isascii() and fields[2].isdigit():
                names.setdefault(int(fields[2]), fields[0])
    return names
