"""A laboratory VyOS: `Box` with all its commands."""

from lab.devices.vyos import shell
from lab.devices.vyos.box import Box

__all__ = ["Box", "shell"]
