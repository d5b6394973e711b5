"""A laboratory Hillstone firewall: `Box` with all its commands."""

from lab.devices.hillstone_stoneos import change, look
from lab.devices.hillstone_stoneos.box import Box

__all__ = ["Box", "change", "look"]
