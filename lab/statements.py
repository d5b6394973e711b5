"""Configuration as `set` statements, as Junos and PAN-OS have it: a schema, a candidate, a running one. Knows no vendor's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from lab.cli import Incomplete, Invalid, Word

Statement = tuple[str, ...]
Statements = list[Statement]
Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Schema:
    """What can be said. A pattern's capitals are arguments, one that ends in `!` holds a single value.

    `checks` tells by an argument's name what it may be; an argument without one is any word.
    """

    patterns: tuple[Statement, ...]
    checks: Mapping[str, Check]

    def set(self, statements: Statements, words: Sequence[Word]) -> None:
        """Add a statement, in place of the old value where there can be only one.

        Raises:
            Invalid, Incomplete: it is no statement.
        """
        pattern = self._match(words)
        if len(words) < len(pattern):
            raise Incomplete
        said = tuple(word.strip('"') for word in words)
        old = next((s for s in statements if s[:-1] == said[:-1]), None) if pattern[-1].endswith("!") else None
        if old is not None:
            statements[statements.index(old)] = said
        elif said not in statements:
            statements.append(said)

    def delete(self, statements: Statements, words: Sequence[Word]) -> bool:
        """Remove whatever begins with these words; was there anything?"""
        self._match(words)
        said = tuple(word.strip('"') for word in words)
        gone = [s for s in statements if s[: len(said)] == said]
        statements[:] = [s for s in statements if s not in gone]
        return bool(gone)

    def _match(self, words: Sequence[Word]) -> Statement:
        """The pattern that these words begin, or are."""
        if not words:
            raise Incomplete
        fits = list(self.patterns)
        for index, word in enumerate(words):
            fits = [p for p in fits if index < len(p) and self._takes(p[index], word)]
            if not fits:
                raise Invalid(word.column)
        return min(fits, key=len)

    def _takes(self, wanted: str, word: Word) -> bool:
        name = wanted.rstrip("!")
        if not name.isupper():
            return word == name
        check = self.checks.get(name)
        return check is None or check(word)


def schema(text: str, **checks: Check) -> Schema:
    """A schema from one pattern a line."""
    return Schema(tuple(tuple(line.split()) for line in text.splitlines() if line.strip()), checks)


def is_network(word: str) -> bool:
    """Is it an address or a prefix?"""
    try:
        ip_network(word)
    except ValueError:
        return False
    return True


def merged(running: Statements, before: Statements, after: Statements) -> Statements:
    """The running configuration with what was changed between `before` and `after`, and nothing else."""
    kept = [s for s in running if s not in before or s in after]
    if set(after) <= set(kept):
        return kept
    if running == before:
        return list(after)  # nobody else changed anything, so the order is known as well
    return kept + [s for s in after if s not in before and s not in kept]


def lines(statements: Statements) -> str:
    """The statements as they can be typed again."""
    return "".join(f"set {' '.join(s)}\n" for s in statements)
