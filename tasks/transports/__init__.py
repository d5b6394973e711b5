"""The ways to reach a host or device: bytes in, bytes out. Each knows its protocol and must not know what an incident is."""

from __future__ import annotations

from tasks.model import Unreachable
from tasks.settings import Host
from tasks.transports.hands import Hands
from tasks.transports.local import LocalHands


def reach(host: Host) -> Hands:
    """The hands for that host.

    Raises:
        Unreachable: this version has no way to it.
    """
    if host.transport == "local":
        return LocalHands(host.root)
    raise Unreachable(
        f"reach {host.name}",
        f"this version looks only at the machine that it runs on, and {host.name} is of transport {host.transport}",
        "run hemostat on that host with transport: local, or block only: skip triage",
    )
