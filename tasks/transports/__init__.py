"""The ways to reach a host or device: bytes in, bytes out. Each knows its protocol and must not know what an incident is."""

from __future__ import annotations

from collections.abc import Callable

from tasks.model import Unreachable
from tasks.settings import Host, Site
from tasks.transports.hands import Hands
from tasks.transports.local import LocalHands

Resolve = Callable[[str], str]


def reach(host: Host, site: Site, secret: Resolve) -> Hands:
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
    if host.transport == "ssh":
        from tasks.transports.ssh_hands import SshHands  # paramiko takes 0.1 s, and local hosts have no use for it

        return SshHands(host, site, secret)
    raise Unreachable(
        f"reach {host.name}",
        f"this version looks at hosts over SSH and at the machine that it runs on; {host.name} is of transport {host.transport}",
        "run hemostat on that host with transport: local, or block only: skip triage",
    )
