"""The ways to reach a host or device: bytes in, bytes out. Each knows its protocol and must not know what an incident is."""

from __future__ import annotations

from collections.abc import Callable

from tasks.model import Unreachable
from tasks.settings import Host, Site
from tasks.transports.hands import Hands
from tasks.transports.local import LocalHands

Resolve = Callable[[str], str]


def reach(host: Host, site: Site, secret: Resolve) -> Hands:  # noqa: ARG001
    """The hands for that host. Nothing is opened yet: the first verb does.

    Args:
        host: whom to reach.
        site: where jump hosts are looked up.
        secret: resolves a credential reference, at the moment of use.

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
