"""Tables that Windows' console tools print in columns, by the width that a terminal shows. Knows text; must not know a tool."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise

_RULE = re.compile(r"^=+(?: =+)+\s*$")


def width(char: str) -> int:
    """The cells that a character takes in a console: two for Chinese (Unicode Standard Annex 11), none for a combining one."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def cut(line: str, spans: list[tuple[int, int]]) -> list[str]:
    """The line's cells at those spans of console columns, without the blanks around; the last one reaches to the line's end."""
    return [cell.strip() for cell in _pieces(line, spans, width)]


def _pieces(line: str, spans: list[tuple[int, int]], takes: Callable[[str], int]) -> list[str]:
    cells = [""] * len(spans)
    column = 0
    for char in line:
        for number, (begin, end) in enumerate(spans):
            if begin <= column < end or (number == len(spans) - 1 and column >= begin):
                cells[number] += char
        column += takes(char)
    return cells


def ruled(lines: list[str]) -> Iterator[list[str]]:
    """The rows below a rule of `=====`, as tasklist prints it; a blank line ends the table."""
    spans: list[tuple[int, int]] = []
    for line in lines:
        if _RULE.match(line):
            spans = [match.span() for match in re.finditer(r"=+", line)]
        elif not line.strip():
            spans = []
        elif spans:
            yield cut(line, spans)


def headed(lines: list[str], names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """The rows below a header of those English names, each column as wide as its header, as wmic prints it.

    Its columns are padded by cells on a console's screen and by characters in a file: whichever begins and ends each cell at a blank.
    """
    spans: list[tuple[int, int]] = []
    header: list[str] = []
    for line in lines:
        found = [(m.start(), m[0]) for m in re.finditer(r"\S+", line)]
        if len(found) > 1 and all(word in names for _, word in found):
            header = [word for _, word in found]
            spans = [(at, after) for (at, _), (after, _) in zip(found, [*found[1:], (1 << 20, "")], strict=True)]
        elif not line.strip():
            continue
        elif spans:
            ways = [_pieces(line, spans, takes) for takes in (width, lambda _: 1)]
            cells = next(filter(_left, ways), ways[0])
            yield dict(zip(header, map(str.strip, cells), strict=True))


def _left(cells: list[str]) -> bool:
    """Does each cell begin at its column, with a blank before it?"""
    starts = all(not cell.strip() or not cell[0].isspace() for cell in cells)
    return starts and all(not cell or cell[-1].isspace() for cell, after in pairwise(cells) if after.strip())
