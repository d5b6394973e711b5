"""A laboratory Cisco IOS router: `Box` with all its commands."""

from lab.devices.cisco_ios import change, look
from lab.devices.cisco_ios.box import Box

__all__ = ["Box", "change", "look"]
