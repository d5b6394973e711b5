"""Firewall platforms, one file each: what to say, how to read the answer. A new vendor is one new file and its case folder."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import cast

from tasks.firewalls.shape import Command, Entry, Firewall, Listing
from tasks.model import ConfigError, inert

__all__ = ["Command", "Entry", "Firewall", "Listing", "load", "platforms"]


def platforms() -> tuple[str, ...]:
    """The names that an inventory may give as a firewall's platform: the files of this folder."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "shape"))


def load(platform: str) -> Firewall:
    """The platform of that name.

    Raises:
        ConfigError: there is no such file in tasks/firewalls/.
    """
    if platform not in platforms():
        raise ConfigError(f"{inert(platform)!r} is no firewall platform", do=f"use one of {', '.join(platforms())}")
    return cast(Firewall, import_module(f"tasks.firewalls.{platform}"))
