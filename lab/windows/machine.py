"""Puts a simulated Windows behind the WS-Management laboratory: which player answers which shipped script. Starts no server."""

from __future__ import annotations

from collections.abc import Callable

from lab.windows.consoles import Consoles
from lab.windows.deeds import Deeds
from lab.windows.host import Windows
from lab.windows.link import Link
from lab.windows.looks import Looks, Row
from lab.wsman import Scripts
from tasks.transports.winrm_frame import shipped

LOOKS = ("look", "signed", "stat", "chunks")
DEEDS = ("process", "quarantine", "service", "task", "value", "subscription", "firewall", "dump")


def machine(host: Windows, link: Link | None = None, callers: Callable[[], list[Row]] = list) -> Scripts:
    """The Machine of that host; it runs the scripts that are shipped and nothing else."""
    looks, deeds = Looks(host, link, callers), Deeds(host)
    tools = Consoles(looks)
    scripts = {shipped(name): getattr(looks, name) for name in LOOKS} | {
        shipped(name): getattr(deeds, name) for name in DEEDS
    }
    return Scripts(scripts, {"netstat.exe -ano": tools.netstat, "tasklist.exe /v": tools.tasklist})
