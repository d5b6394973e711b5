"""A laboratory MikroTik router: `Box` with all its commands."""

from lab.devices.mikrotik_routeros import console
from lab.devices.mikrotik_routeros.box import Box

__all__ = ["Box", "console"]
