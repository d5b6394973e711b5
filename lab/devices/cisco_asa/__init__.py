"""A laboratory Cisco ASA: `Box` with all its commands."""

from lab.devices.cisco_asa import change, look
from lab.devices.cisco_asa.box import Box

__all__ = ["Box", "change", "look"]
