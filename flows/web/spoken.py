"""The pages in a reader's language: what a journal says in them is put into words here. Knows which fields are sentences; no HTML."""

from __future__ import annotations

from typing import TypeVar

from flows.web.views import Stand
from flows.web.views_incident import Card, Lamp
from tasks.phrases import say
from tasks.report_spoken import PAIRS, SENTENCES, spoken

T = TypeVar("T")


def told(value: T, language: str) -> T:
    """The same view in that language."""
    sentences = {**SENTENCES, Stand: ("why", "do"), Lamp: ("said",)}
    return spoken(value, say(language), sentences, {**PAIRS, Card: ("blast",)})
