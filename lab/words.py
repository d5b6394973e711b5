"""The words of one typed line, taken from the left. Knows no vendor and no configuration."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from lab.cli import Incomplete, Invalid, Word
from tasks.model import Address


class Reader:
    """Takes words one by one: Incomplete when there are none left, Invalid for a wrong one."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = list(words)

    def take(self) -> Word:
        if not self.words:
            raise Incomplete
        return self.words.pop(0)

    def maybe(self, *wanted: str) -> str:
        return str(self.take()) if self.words and self.words[0] in wanted else ""

    def one_of(self, *wanted: str) -> str:
        word = self.take()
        if word not in wanted:
            raise Invalid(word.column)
        return str(word)

    def number(self, low: int, high: int) -> int:
        return number_of(self.take(), low, high)

    def end(self) -> None:
        if self.words:
            raise Invalid(self.words[0].column)


def number_of(word: Word, low: int, high: int) -> int:
    if not (word.isascii() and word.isdigit() and low <= int(word) <= high):
        raise Invalid(word.column)
    return int(word)


def address_of(word: Word, version: int = 0) -> Address:
    """An address, of that version if one is given."""
    try:
        found = ip_address(word)
    except ValueError:
        raise Invalid(word.column) from None
    if version not in (0, found.version):
        raise Invalid(word.column)
    return found
