"""A laboratory Palo Alto firewall: `Box` with all its commands."""

from lab.devices.paloalto_panos import change, look
from lab.devices.paloalto_panos.box import Box

__all__ = ["Box", "change", "look"]
