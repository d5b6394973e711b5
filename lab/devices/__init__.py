"""Laboratory devices, one file a platform, of the same names as in tasks/firewalls/. Each has one Device subclass, `Box`."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from lab.device import Device


def load(platform: str) -> type[Device]:
    """The device class of a platform; ModuleNotFoundError where there is no such file."""
    return cast(type[Device], import_module(f"lab.devices.{platform}").Box)
