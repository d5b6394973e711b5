"""A search over the findings of all incidents. Pure: rows and words in, hits out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from flows.web.views import Row
from tasks.model import Finding
from tasks.report_advice import name

MOST = 200


@dataclass(frozen=True, slots=True)
class Hit:
    """One finding and whose it is."""

    row: Row
    finding: Finding
    technique: str


def search(rows: Iterable[Row], text: str) -> tuple[tuple[Hit, ...], bool]:
    """The findings that hold every word, in any case, newest incident first; and whether there are more than are told."""
    words = text.lower().split()
    every = (Hit(row, f, name(f.attack)) for row in rows for f in row.findings) if words else ()
    found = list(islice((hit for hit in every if _fits(hit, words)), MOST + 1))
    return tuple(found[:MOST]), len(found) > MOST


def _fits(hit: Hit, words: list[str]) -> bool:
    f = hit.finding
    text = f"{f.what} {f.where} {f.why} {f.rule} {f.attack} {hit.technique} {hit.row.host} {hit.row.remote}".lower()
    return all(word in text for word in words)
