"""What a journal says in English, in another language: a book of sentences with holes. Knows its own files; must not know an incident.

A journal is evidence and stays as it was written; so it is translated when it is looked at, and only then. Catalogues as of gettext go by
the sentence before its holes are filled, which a journal does not keep; so a sentence is recognised here by its fixed pieces. What
stands in a hole comes through as it is: it may be an attacker's, and whoever shows the text escapes it. A sentence that the book does
not know, or that could be read in two ways which differ (a hole that holds a piece of a sentence makes it so), stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import islice, product, takewhile
from pathlib import Path

from ruamel.yaml import YAML

from tasks.phrases.shape import Phrase, found_at

__all__ = ["LANGUAGES", "Say", "book", "same", "say"]

Say = Callable[[str], str]
LANGUAGES = ("en", "zh")
# The kind of a hole that holds any sentence: not one of a certain page.
ANY = "s"
# A longer text is no sentence of ours, or the pages cut it anyway.
LONGEST = 4000
# How often one text, with all that it is made of, is compared with a phrase; a text that needs more stays as it is.
TRIALS = 8000
# How deep sentences may stand within sentences, each further one of a list included.
DEEPEST = 60
# The most parts of a list that are looked for.
MOST = 40
# A phrase with less fixed text than this says too little about a text of which the rest is not known.
PARTLY = 8
# What sentences are joined with, and what joins them in Chinese.
_JOINTS = (("; ", "；"), (". ", "。"))


def say(language: str) -> Say:
    """What puts a text of a journal into that language."""
    return same if language == "en" else chinese


def same(text: str) -> str:
    """The text."""
    return text


@lru_cache(maxsize=4096)
def chinese(text: str) -> str:
    """The text in Chinese, as far as the book has it."""
    if not text or len(text) > LONGEST:
        return text
    try:
        return _Reader().best(text)
    except Tired:
        return text


@cache
def book(page: str = ANY) -> tuple[Phrase, ...]:
    """Every phrase, or those of a page: those that begin with fixed words first, and of these the most particular."""
    rows = [row for name, found in pages().items() if page in (ANY, name) for row in found.items()]
    return tuple(sorted((Phrase.of(*row) for row in rows), key=lambda phrase: (not phrase.pieces[0], -phrase.weight)))


@cache
def pages() -> dict[str, dict[str, str]]:
    """The book's files by name: English to Chinese."""
    files = sorted(Path(__file__).parent.glob("*.yaml"))
    return {file.stem: YAML(typ="safe").load(file) for file in files}


@cache
def _shelf(letter: str, page: str) -> tuple[Phrase, ...]:
    """The phrases that a text with this first letter could be."""
    return tuple(phrase for phrase in book(page) if phrase.pieces[0][:1] in (letter, ""))


def _candidates(text: str, page: str = ANY) -> Iterator[Phrase]:
    return (phrase for phrase in _shelf(text[:1] if text[:1].isascii() else "", page) if phrase.could(text))


class Tired(Exception):
    """A text asks for more work than any sentence of ours does."""


class _Reader:
    """The reading of one text, with all that it is made of."""

    def __init__(self) -> None:
        self._left, self._depth = TRIALS, 0
        self._ones: dict[tuple[str, str], frozenset[str]] = {}
        self._lists: dict[str, frozenset[str]] = {}

    def best(self, text: str) -> str:
        """In Chinese; else as much of it as is known; else, or when it says more than one thing, as it is."""
        said = self.readings(text)
        if said:
            return next(iter(said)) if len(said) == 1 else text
        return self._partly(text) or text

    def readings(self, text: str, page: str = ANY) -> frozenset[str]:
        """What the whole text says, down to its last hole; nothing when it is not known, several when it can be read in several ways."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise Tired
        said = self._as_one(text, page) | (self._as_list(text) if page == ANY else frozenset())
        self._depth -= 1
        return said

    def _as_one(self, text: str, page: str) -> frozenset[str]:
        """By the most particular phrase that knows all of it."""
        key = text, page
        if key not in self._ones:
            self._ones[key] = frozenset()  # a text within itself says nothing
            told = (self._told(phrase, text) for phrase in _candidates(text, page))
            self._ones[key] = next((said for said in told if said), frozenset())
        return self._ones[key]

    def _told(self, phrase: Phrase, text: str) -> frozenset[str]:
        return frozenset(one for way in self._ways(phrase, text) for one in self._filled(phrase, way))

    def _as_list(self, text: str) -> frozenset[str]:
        """By one sentence before a joint and what stands after it."""
        if text not in self._lists:
            self._lists[text] = frozenset()
            found = (pair for joint in _JOINTS for pair in self._cuts(text, joint))
            self._lists[text] = frozenset(found)
        return self._lists[text]

    def _cuts(self, text: str, joint: tuple[str, str]) -> Iterator[str]:
        for at in islice(found_at(joint[0], text), MOST):
            for first in self._as_one(text[:at], ANY):
                for rest in self.readings(text[at + len(joint[0]) :]):
                    yield first + joint[1] + rest

    def _ways(self, phrase: Phrase, text: str) -> list[dict[str, str]]:
        self._left -= 1
        if self._left < 0:
            raise Tired
        return phrase.ways(text)

    def _filled(self, phrase: Phrase, way: dict[str, str]) -> Iterator[str]:
        """The phrase with each reading of what stands in its holes; a second one is enough to show that there are several."""
        told = [sorted(self.readings(way[h.name], h.kind))[:2] if h.said else [way[h.name]] for h in phrase.holes]
        names = [h.name for h in phrase.holes]
        return (phrase.said.format(**dict(zip(names, texts, strict=True))) for texts in islice(product(*told), 4))

    def _partly(self, text: str) -> str | None:
        """A list of which the beginning is known; else a phrase that fits in one way only, though what stands in a hole is not known."""
        for joint, joined in _JOINTS:
            parts = text.split(joint, MOST)
            known = [*takewhile(bool, map(self._single, parts))]
            if known:
                return joined.join([*known, joint.join(parts[len(known) :])])
        for phrase in _candidates(text):
            if phrase.weight >= PARTLY and any(h.said for h in phrase.holes):
                ways = self._ways(phrase, text)
                if len(ways) == 1:
                    return self._as_far(phrase, ways[0])
        return None

    def _single(self, text: str) -> str:
        said = self.readings(text)
        return next(iter(said)) if len(said) == 1 else ""

    def _as_far(self, phrase: Phrase, way: dict[str, str]) -> str:
        told = {h.name: self.best(way[h.name]) if h.said else way[h.name] for h in phrase.holes}
        return phrase.said.format(**told)
