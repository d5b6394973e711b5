"""A laboratory H3C firewall: `Box` with all its commands."""

from lab.devices.hp_comware import change, look
from lab.devices.hp_comware.box import Box

__all__ = ["Box", "change", "look"]
