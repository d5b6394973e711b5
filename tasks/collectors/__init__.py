"""Artefacts, one file each: what a reading's facts mean. A new collector is one new file and its case folder."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from importlib import import_module
from typing import Protocol, cast

from tasks.collectors.context import Context
from tasks.facts import Snapshot
from tasks.model import ConfigError, Finding, inert

__all__ = ["Collector", "Context", "artefacts", "judge", "load"]


class Collector(Protocol):
    """One artefact. Pure: the same snapshot gives the same findings."""

    def judge(self, snapshot: Snapshot, context: Context) -> list[Finding]:
        """What of the snapshot is suspicious, and why."""


def artefacts() -> tuple[str, ...]:
    """The names that a playbook may give as collectors: the files of this folder."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "context"))


def load(artefact: str) -> Collector:
    """The collector of that name.

    Raises:
        ConfigError: there is no such file in tasks/collectors/.
    """
    if artefact not in artefacts():
        raise ConfigError(f"{inert(artefact)!r} is no collector", do=f"use one of {', '.join(artefacts())}")
    return cast(Collector, import_module(f"tasks.collectors.{artefact}"))


# A process finding of this score condemns the process by itself: what starts it and what it runs is judged with it.
GRAVE = 70


def judge(names: tuple[str, ...], snapshot: Snapshot, context: Context) -> list[Finding]:
    """The findings of these collectors, the gravest first.

    A beacon of short connects may never be caught with its socket. When a process is condemned by its own signs, all is judged once
    more with that known, so that its persistence is found as a caught one's would be.
    """
    found = _judge(names, snapshot, context)
    marked = frozenset(f.facts["pid"] for f in found if f.rule.startswith("process.") and f.score >= GRAVE)
    return _judge(names, snapshot, replace(context, marked=marked)) if marked else found


def _judge(names: tuple[str, ...], snapshot: Snapshot, context: Context) -> list[Finding]:
    found = [finding for name in names for finding in load(name).judge(snapshot, context)]
    return sorted(found, key=lambda f: (-f.score, f.rule, f.where))
