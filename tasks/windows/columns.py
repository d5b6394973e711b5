"""Tables that Windows' console tools print in columns, by the width that a terminal shows. Knows text; must not know a tool."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_RULE = re.compile(r"^=+(?: =+)+\s*$")


def width(char: str) -> int:
    """The cells that a character takes in a console: two for Chinese (Unicode Standard Annex 11), none for a combining one."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def cut(line: str, spans: list[tuple[int, int]]) -> list[str]:
    """The line's cells at those spans of console columns, without the blanks around; the last one reaches to the line's end."""
    cells = [""] * len(spans)
    column = 0
    for char in line:
        for number, (begin, end) in enumerate(spans):
            if begin <= column < end or (number == len(spans) - 1 and column >= begin):
                cells[number] += char
        column += width(char)
    return [cell.strip() for cell in cells]


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
    """The rows below a header of those English names, each column as wide as its header, as wmic prints it."""
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
            yield dict(zip(header, cut(line, spans), strict=True))
