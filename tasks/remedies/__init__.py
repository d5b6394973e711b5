"""Remedies, one file each: plan, look, act, undo. A new remedy is one new file and its case folder."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import cast

from tasks.model import Bug, ConfigError, inert
from tasks.remedies.shape import KILLS, Remedy, Scope

__all__ = ["KILLS", "Remedy", "Scope", "load", "names", "of_kind"]


def names() -> tuple[str, ...]:
    """The remedies that a playbook may name: the files of this folder."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "shape"))


def load(name: str) -> Remedy:
    """The remedy of that name; ConfigError when there is no such file in tasks/remedies/."""
    if name not in names():
        raise ConfigError(f"{inert(name)!r} is no remedy", do=f"use one of {', '.join(names())}")
    return cast(Remedy, import_module(f"tasks.remedies.{name}"))


def of_kind(kind: str) -> Remedy:
    """The remedy that carries out actions of that kind."""
    for name in names():
        if kind in load(name).kinds:
            return load(name)
    raise Bug(f"carry out an action of kind {kind}", "no remedy knows it", "was a file of tasks/remedies/ removed?")
