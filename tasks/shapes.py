"""A value against a dataclass of tasks.settings: what is wrong, what was found, what is allowed. Knows pydantic; reads no file.

The value comes from YAML, so it is judged as JSON in pydantic's strict mode: a text becomes an address or a date, but true is
no number and "22" is no port. One fault a place; a value whose field may hold a secret is never repeated.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from tasks.limits import Pattern, Range
from tasks.model import Address, Json, inert
from tasks.settings import Network
from tasks.yaml_lines import Place

T = TypeVar("T")
Fault = tuple[Place, str]

_WANTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "tuple_type": "a list, as [a, b]",
    "dict_type": "a mapping, as key: value",
    "dataclass_type": "a mapping, as key: value",
    "date_parsing": "a date, as 2027-01-31",
    "date_from_datetime_parsing": "a date, as 2027-01-31",
    "date_from_datetime_inexact": "a date, as 2027-01-31",
    "date_type": "a date, as 2027-01-31",
}
_WANTED_AS: dict[Any, str] = {
    Network: "a network without host bits, as 192.0.2.0/24 or 2001:db8::/32",
    Address: "an address, as 192.0.2.7 or 2001:db8::7",
}


def read(kind: type[T], value: Json) -> T:
    """The value as that dataclass; call it when `faults` found none.

    Raises:
        pydantic.ValidationError: the value has faults.
    """
    wanted: Any = kind
    made: T = _adapter(wanted).validate_json(json.dumps(value), strict=True)
    return made


def faults(kind: type[Any], value: Json, hidden: Iterable[str] = (), partial: bool = False) -> list[Fault]:
    """Everything that is wrong with the value, by place.

    Args:
        kind: the dataclass that it shall be.
        value: what the file says.
        hidden: fields that the file may not set.
        partial: other files give the fields that this one lacks.
    """
    found: dict[Place, str] = {}
    forbidden = set(hidden)
    for name in forbidden & set(value if isinstance(value, dict) else ()):
        found[(name,)] = _unknown(kind, name, forbidden)
    for place, text in (*_wrong_types(kind, value, forbidden, partial), *_outside(kind, value)):
        found.setdefault(place, text)
    return list(found.items())


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing when no known word is near."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def shown(value: Json) -> str:
    """What was found, for a person: short and inert."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
    if value is None:
        return "nothing"
    return f"the text '{inert(value, 60)}'" if isinstance(value, str) else inert(json.dumps(value), 60)


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _wrong_types(kind: type[Any], value: Json, forbidden: set[str], partial: bool) -> Iterator[Fault]:
    try:
        read(kind, value)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False):
            place = _place(value, detail)
            if detail["type"] != "missing":
                yield place, _say(kind, value, place, detail["type"], forbidden)
            elif len(place) > 1 or not partial:
                yield place, f"the key '{place[-1]}' is missing"


def _place(value: Json, detail: ErrorDetails) -> Place:
    """The error's place in the file: pydantic adds steps of its own ('ip_v4_network', '[key]') that are not there."""
    place: list[str | int] = []
    for step in detail["loc"]:
        if not _has(value, step):
            return (*place, step) if detail["type"] == "missing" else tuple(place)
        place.append(step)
        value = value[step]
    return tuple(place)


def _has(value: Json, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _say(kind: type[Any], value: Json, place: Place, error: str, forbidden: set[str]) -> str:
    """One fault in words: the key, what is allowed there, what was found."""
    key, parent = str(place[-1]) if place else "the file", _kind_at(kind, place[:-1])
    if error == "unexpected_keyword_argument" or (get_origin(parent) is dict and key not in choices(_key(parent))):
        return _unknown(parent, key, forbidden)
    here = _kind_at(kind, place)
    found = _at(value, place)
    seen = "something else" if _hides(here) else shown(found)
    if allowed := choices(here):
        return f"{key}: one of {', '.join(allowed)} is wanted, found {seen}{nearest(str(found), allowed)}"
    wanted = _WANTED_AS.get(here) or _WANTED.get(error, error)
    return f"{_label(place)}: {wanted} is wanted, found {seen}"


def _label(place: Place) -> str:
    names = [str(step) if isinstance(step, str) else f"item {step + 1}" for step in place[-2:]]
    return (" ".join(names) if isinstance(place[-1], int) else names[-1]) if place else "the file"


def _unknown(kind: Any, key: str, forbidden: set[str]) -> str:
    known = [f.name for f in fields(kind) if f.name not in forbidden] if is_dataclass(kind) else choices(_key(kind))
    return f"unknown key '{inert(key, 60)}'{nearest(key, known)}; allowed are {', '.join(known)}"


def _outside(kind: type[Any], value: Json, place: Place = ()) -> Iterator[Fault]:
    """What breaks a Range or Pattern that tasks.settings puts beside a type."""
    rule = _rule(_kind_at(kind, place))
    found = _at(value, place)
    if rule and not rule.allows(found):
        seen = "" if isinstance(rule, Pattern) and rule.hidden else f", found {shown(found)}"
        yield place, f"{_label(place)}: {rule} is wanted{seen}"
    steps: Iterable[str | int] = (
        found if isinstance(found, dict) else range(len(found) if isinstance(found, list) else 0)
    )
    for step in steps:
        yield from _outside(kind, value, (*place, step))


def _at(value: Json, place: Place) -> Json:
    for step in place:
        value = value[step]
    return value


def _kind_at(kind: Any, place: Place) -> Any:
    """The declared type at a place, None where nothing is declared; `X | None` counts as X."""
    for step in place:
        kind = _bare(kind)
        if is_dataclass(kind):
            declared: Any = kind
            kind = _hints(declared).get(str(step))
        else:
            inner = get_args(kind)
            kind = (inner[-1] if get_origin(kind) is dict else inner[0]) if inner else None
    return _some(kind)


def _some(kind: Any) -> Any:
    inner = get_args(kind)
    return inner[0] if len(inner) == 2 and inner[1] is type(None) else kind


def _bare(kind: Any) -> Any:
    kind = _some(kind)
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _key(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is dict else None


def _rule(kind: Any) -> Range | Pattern | None:
    extras = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((extra for extra in extras if isinstance(extra, (Range, Pattern))), None)


def _hides(kind: Any) -> bool:
    rule = _rule(kind)
    return isinstance(rule, Pattern) and rule.hidden


def choices(kind: Any) -> tuple[str, ...]:
    """The words that a Literal or an enumeration allows; nothing for any other type."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else ()
