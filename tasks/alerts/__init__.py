"""Alert sources, one file each: bytes → Alert. A new source is one new file and its case folder."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import cast

from tasks.alerts.input import records
from tasks.alerts.shape import Over, Record, Source
from tasks.model import Alert, ConfigError, inert
from tasks.settings import Network

__all__ = ["Batch", "load", "parse", "read", "sources"]

_NO_SOURCE = {"ends", "input", "shape"}


@dataclass(slots=True)
class Batch:
    """What an input says: alerts, what is over, and what could not be read (each fault names its record and field)."""

    alerts: list[Alert] = field(default_factory=list)
    over: list[Over] = field(default_factory=list)
    faults: list[ConfigError] = field(default_factory=list)


def sources() -> tuple[str, ...]:
    """The names that a sender or a playbook may give as an alert's source: the files of this folder."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _NO_SOURCE))


def load(source: str) -> Source:
    """The source of that name.

    Raises:
        ConfigError: there is no such file in tasks/alerts/.
    """
    if source not in sources():
        raise ConfigError(f"{inert(source)!r} is no alert source", do=f"use one of {', '.join(sources())}")
    return cast(Source, import_module(f"tasks.alerts.{source}"))


def read(source: str, raw: bytes, internal: Sequence[Network]) -> Batch:
    """Read what a source sent: one JSON object, a list of them, or one a line. Each alert stands for itself.

    Args:
        source: the name of a file in tasks/alerts/.
        raw: the bytes as they came.
        internal: the networks whose hosts are ours (policy.inside): they tell the victim from the remote.

    Raises:
        ConfigError: there is no such source, the input as a whole cannot be read, or there is no alert in it.
    """
    reader, batch = load(source), Batch()
    for record in records(source, raw, getattr(reader, "line", None)):
        if isinstance(record, ConfigError):
            batch.faults.append(record)
        else:
            _take(batch, reader, record, internal)
    if not (batch.alerts or batch.over or batch.faults):
        raise ConfigError(f"read the {source} input", "there is no alert in it", reader.NO_ALERT)
    return batch


def parse(source: str, raw: bytes, internal: Sequence[Network]) -> list[Alert]:
    """The alerts of an input. All of it is good, or none of it is taken.

    Raises:
        ConfigError: which record, which field, what is missing; or all that it tells is over.
    """
    batch = read(source, raw, internal)
    if batch.faults:
        raise batch.faults[0]
    if not batch.alerts:
        over = batch.over[0]
        raise ConfigError(f"read {over.record}", over.why, "there is nothing to respond to")
    return batch.alerts


def _take(batch: Batch, reader: Source, record: Record, internal: Sequence[Network]) -> None:
    try:
        parts: Iterable[Record] = getattr(reader, "parts", _whole)(record)
    except ConfigError as error:
        batch.faults.append(error)
        return
    for part in parts:
        try:
            found = list(reader.alerts(part, internal))
        except ConfigError as error:
            batch.faults.append(error)
            continue
        batch.alerts += [item for item in found if isinstance(item, Alert)]
        batch.over += [item for item in found if isinstance(item, Over)]


def _whole(record: Record) -> Sequence[Record]:
    return (record,)
