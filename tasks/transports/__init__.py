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
        Unreachable: it is a device.
    """
    if host.transport == "local":
        return LocalHands(host.root)
    if host.transport == "ssh":
        from tasks.transports.ssh_hands import SshHands  # paramiko takes 0.1 s, and local hosts have no use for it

        return SshHands(host, site, secret)
    if host.transport == "winrm":
        from tasks.transports.winrm_hands import WinrmHands  # pywinrm and requests take 0.3 s

        return WinrmHands(host, secret)
    raise Unreachable(
        f"reach {host.name}", "it is a device, not a host", "name a host of transport local, ssh or winrm"
    )
