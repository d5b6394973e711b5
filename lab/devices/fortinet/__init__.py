"""A laboratory FortiGate: `Box` with all its commands."""

from lab.devices.fortinet import change, look
from lab.devices.fortinet.box import Box

__all__ = ["Box", "change", "look"]
