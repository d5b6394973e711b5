"""One sentence with holes: does a text fit it, and in which ways? Pure text; must not know any sentence or language.

A hole is written {name} or {name:kind}; the kind says what may stand there:
    (none)  our own text, without "; "
    t       any text: an attacker's, too
    n       a number
    w       one word, without white space
    s       what is a sentence itself, or a list of such
    PAGE    what is a sentence of that file of the book

The time is linear in the text but for a logarithm: places are found once for each piece, and only those are kept that lead to the end.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from string import Formatter

# What ends a hole of that kind; None: nothing does.
_ENDS: Mapping[str, re.Pattern[str] | None] = {
    "": re.compile(r"; "),
    "t": None,
    "n": re.compile(r"[^0-9.,-]"),
    "w": re.compile(r"\s"),
}
# Kinds that may be empty.
_HOLLOW = frozenset(("", "t"))
# More ways than this to read one text are as good as none.
WAYS = 6


@dataclass(frozen=True, slots=True)
class Hole:
    """A place that is filled."""

    name: str
    kind: str

    @property
    def said(self) -> bool:
        """What stands in it is looked up itself."""
        return self.kind not in _ENDS


@dataclass(frozen=True, slots=True)
class Phrase:
    """`pieces` stand around `holes`: one piece more than holes. `said` is the other language's text, with the same holes;
    `weight` is how much of the sentence is fixed: the most particular phrase is asked first."""

    pieces: tuple[str, ...]
    holes: tuple[Hole, ...]
    said: str
    weight: int

    @classmethod
    def of(cls, text: str, said: str) -> Phrase:
        """Read the sentence's text.

        Raises:
            ValueError: two holes touch, so that nobody could tell where one ends; or the braces are wrong.
        """
        pieces, holes = [""], []
        for piece, name, kind, _ in Formatter().parse(text):
            pieces[-1] += piece
            if name is not None:
                holes.append(Hole(name, kind or ""))
                pieces.append("")
        if any(not piece for piece in pieces[1:-1]):
            raise ValueError(f"two holes touch in {text!r}")
        return cls(tuple(pieces), tuple(holes), said, sum(map(len, pieces)))

    def could(self, text: str) -> bool:
        """A quick look at both ends."""
        return text.startswith(self.pieces[0]) and text.endswith(self.pieces[-1]) and len(text) >= self.weight

    def ways(self, text: str) -> list[dict[str, str]]:
        """Each way in which the text fits, as its holes' texts; at most WAYS + 1 of them."""
        if not self.could(text):
            return []
        if not self.holes:
            return [{}] if text == self.pieces[0] else []
        return list(islice(self._walk(text, 0, len(self.pieces[0]), self._places(text)), WAYS + 1))

    def _places(self, text: str) -> list[list[int]]:
        """Where each later piece may begin so that the text can be read on to its end; in order."""
        places = [[len(text) - len(self.pieces[-1])]]
        for number in range(len(self.pieces) - 2, 0, -1):
            piece, later = self.pieces[number], places[0]
            reach = _Reach(text, self.holes[number])
            places.insert(0, [at for at in found_at(piece, text) if reach.any(at + len(piece), later)])
        return places

    def _walk(self, text: str, number: int, start: int, places: list[list[int]]) -> Iterator[dict[str, str]]:
        if number == len(self.holes):
            yield {}
            return
        hole, piece = self.holes[number], self.pieces[number + 1]
        first, last = _Reach(text, hole).ends(start, places[number])
        for end in places[number][first:last]:
            for rest in self._walk(text, number + 1, end + len(piece), places):
                yield {hole.name: text[start:end], **rest}


class _Reach:
    """How far a hole may reach in a text."""

    def __init__(self, text: str, hole: Hole) -> None:
        stop = _ENDS.get(hole.kind)
        self._stops = [m.start() for m in stop.finditer(text)] if stop else []
        self._least = 0 if hole.kind in _HOLLOW else 1
        self._all = len(text)

    def ends(self, start: int, places: list[int]) -> tuple[int, int]:
        """Which of the places may end it, as a slice."""
        stop = bisect_left(self._stops, start)
        most = self._stops[stop] if stop < len(self._stops) else self._all
        return bisect_left(places, start + self._least), bisect_right(places, most)

    def any(self, start: int, places: list[int]) -> bool:
        first, last = self.ends(start, places)
        return first < last


def found_at(piece: str, text: str) -> Iterator[int]:
    """Every place of the piece."""
    at = text.find(piece)
    while at >= 0:
        yield at
        at = text.find(piece, at + 1)
