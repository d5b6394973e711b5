"""Alert sources, one file each: bytes → Alert. A new source is one new file and its case folder."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from typing import cast

from tasks.alerts.shape import Source, records
from tasks.model import Alert, ConfigError, inert
from tasks.settings import Network

__all__ = ["load", "parse", "sources"]


def sources() -> tuple[str, ...]:
    """The names that a sender or a playbook may give as an alert's source: the files of this folder."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "shape"))


def load(source: str) -> Source:
    """The source of that name.

    Raises:
        ConfigError: there is no such file in tasks/alerts/.
    """
    if source not in sources():
        raise ConfigError(f"{inert(source)!r} is no alert source", do=f"use one of {', '.join(sources())}")
    return cast(Source, import_module(f"tasks.alerts.{source}"))


def parse(source: str, raw: bytes, internal: Sequence[Network]) -> list[Alert]:
    """Read what a source sent: one JSON object, or one a line (NDJSON). All of it is good, or none of it is taken.

    Args:
        source: the name of a file in tasks/alerts/.
        raw: the bytes as they came.
        internal: the networks whose hosts are ours (policy.inside): they tell the victim from the remote.

    Raises:
        ConfigError: which record, which field, what is missing; whatever the bytes are.
    """
    reader = load(source)
    alerts = [alert for record in records(source, raw) for alert in reader.alerts(record, internal)]
    if not alerts:
        raise ConfigError(f"read the {source} input", "there is no alert in it", reader.NO_ALERT)
    return alerts
