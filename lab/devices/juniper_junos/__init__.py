"""A laboratory Juniper SRX: `Box` with all its commands."""

from lab.devices.juniper_junos import change, look
from lab.devices.juniper_junos.box import Box

__all__ = ["Box", "change", "look"]
