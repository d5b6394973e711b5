"""YAML 1.2 to plain values with the line of every key. Knows ruamel.yaml's events; must not know what the keys mean.

Only the core schema: null, true/false, numbers, text; a date stays a text for the reader of the key to judge. What a
configuration file does not need and an attacker may abuse is refused: anchors and aliases (the "billion laughs"), tags,
a second document, a key twice, more than 1 MB, more than 20 levels, control characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from tasks.model import Json, inert

LIMIT = 1_000_000
DEPTH = 20
Place = tuple[str | int, ...]

# YAML 1.2.2 section 10.3.2 without octal, hexadecimal, infinity and not-a-number: those stay text, which no number takes.
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "True": True, "false": False, "False": False}
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,2})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class BadYaml(Exception):
    """The file cannot be read. `line` is 1-based; the text never repeats a value of the file."""

    def __init__(self, line: int, text: str) -> None:
        self.line, self.text = line, text
        super().__init__(f"{line}: {text}")


@dataclass(frozen=True, slots=True)
class Document:
    """The file's value, and the 1-based line of each key and list item by its place in the value."""

    value: Json
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """The line of the place, or of the nearest thing that holds it."""
        return self.lines.get(place) or (self.line(place[:-1]) if place else 1)


def read(data: bytes) -> Document:
    """Read one YAML file.

    Raises:
        BadYaml: too long, not UTF-8, not YAML, or YAML that is refused here.
    """
    if len(data) > LIMIT:
        raise BadYaml(1, f"the file has {len(data)} bytes, at most {LIMIT} are read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadYaml(data.count(b"\n", 0, error.start) + 1, "the file is not UTF-8") from None
    try:
        return _document(_Events(YAML(typ="safe", pure=True).parse(text)))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(mark.line + 1 if mark else 1, f"this is not YAML: {inert(error.problem, 200)}") from None
    except (YAMLError, ValueError) as error:
        # ruamel's own messages quote the text around the fault, which may be a secret.
        raise BadYaml(1, f"this is not YAML ({type(error).__name__})") from None


class _Events:
    """The parser's events one at a time, with what is refused already refused."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events

    def next(self) -> Any:
        event = next(self._events)
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise BadYaml(line, "anchors (&) and aliases (*) are not read here: write the value out")
        if getattr(event, "tag", None):
            raise BadYaml(line, "tags (!) are not read here")
        return event


def _document(events: _Events) -> Document:
    while not isinstance(first := events.next(), (DocumentStartEvent, StreamEndEvent)):
        pass
    if isinstance(first, StreamEndEvent):
        return Document(None)
    document = Document(None)
    value = _value(events, events.next(), document, ())
    events.next()
    after = events.next()
    if not isinstance(after, StreamEndEvent):
        raise BadYaml(after.start_mark.line + 1, "a second document (---) begins here: one file holds one")
    return Document(value, document.lines)


def _value(events: _Events, event: Any, into: Document, place: Place) -> Json:
    into.lines.setdefault(place, event.start_mark.line + 1)
    if len(place) > DEPTH:
        raise BadYaml(event.start_mark.line + 1, f"more than {DEPTH} levels deep")
    if isinstance(event, ScalarEvent):
        return _scalar(event)
    if isinstance(event, MappingStartEvent):
        return _mapping(events, into, place)
    return _sequence(events, into, place)


def _mapping(events: _Events, into: Document, place: Place) -> Json:
    result: dict[str, Json] = {}
    while not isinstance(event := events.next(), MappingEndEvent):
        line = event.start_mark.line + 1
        if not isinstance(event, ScalarEvent):
            raise BadYaml(line, "a key must be a plain text")
        key = _text(event)
        if key in result:
            first = into.line((*place, key))
            raise BadYaml(line, f"the key '{inert(key, 60)}' is here a second time, first in line {first}")
        into.lines[(*place, key)] = line
        result[key] = _value(events, events.next(), into, (*place, key))
    return result


def _sequence(events: _Events, into: Document, place: Place) -> Json:
    result: list[Json] = []
    while not isinstance(event := events.next(), SequenceEndEvent):
        result.append(_value(events, event, into, (*place, len(result))))
    return result


def _text(event: ScalarEvent) -> str:
    text = str(event.value)
    if _CONTROL.search(text):
        raise BadYaml(event.start_mark.line + 1, "a control character or a direction override stands in this text")
    return text


def _scalar(event: ScalarEvent) -> Json:
    text = _text(event)
    if event.style:  # quoted or block: a text, whatever it looks like
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
