"""Who is where in the range: hosts, addresses, links. Knows numbers; starts nothing.

victim and control each have a link of their own to the firewall, so that all that they say crosses it. Behind it stands the router
(FRR), then the internet. The runner is in soc, which the range's own process has.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

VICTIM, CONTROL, FIREWALL, ROUTER, INTERNET, SOC = "victim", "control", "firewall", "router", "internet", "soc"
HOSTS = (VICTIM, CONTROL, FIREWALL, ROUTER, INTERNET)
ADDRESS = {
    VICTIM: "10.66.1.10",
    CONTROL: "10.66.2.10",
    FIREWALL: "10.66.9.1",
    ROUTER: "10.66.8.2",
    INTERNET: "198.18.0.80",
    SOC: "10.66.9.2",
}
INSIDE = "10.66.0.0/16"
OUTSIDE = "198.18.0.0/15"  # RFC 2544, for laboratories: no block for it harms anybody
WEB = ("198.18.0.80", 443)
C2_PORT = 8443
SSH = 22
DEVICE = 2222


@dataclass(frozen=True, slots=True)
class Link:
    """A cable: two hosts, each with the name of its interface and its address there."""

    near: tuple[str, str, str]
    far: tuple[str, str, str]


LINKS = (
    Link((VICTIM, "eth0", "10.66.1.10/24"), (FIREWALL, "lan1", "10.66.1.1/24")),
    Link((CONTROL, "eth0", "10.66.2.10/24"), (FIREWALL, "lan2", "10.66.2.1/24")),
    Link((SOC, "eth0", "10.66.9.2/24"), (FIREWALL, "soc", "10.66.9.1/24")),
    Link((FIREWALL, "wan", "10.66.8.1/24"), (ROUTER, "lan", "10.66.8.2/24")),
    Link((ROUTER, "wan", "198.18.0.1/15"), (INTERNET, "eth0", f"{WEB[0]}/15")),
)
ROUTES = {
    VICTIM: ("default via 10.66.1.1",),
    CONTROL: ("default via 10.66.2.1",),
    SOC: ("default via 10.66.9.1",),
    FIREWALL: ("default via 10.66.8.2",),
    ROUTER: (f"{INSIDE} via 10.66.8.1",),
    INTERNET: ("default via 198.18.0.1",),
}
FORWARDING = (FIREWALL, ROUTER)


def cables(pids: dict[str, int]) -> Iterator[str]:
    """Lines for `ip -batch` that make every link, each end in the network namespace of its host's process; soc is the caller's."""
    for link in LINKS:
        ends = [f"{port}{_in(host, pids)}" for host, port, _ in (link.near, link.far)]
        yield f"link add {ends[0]} type veth peer name {ends[1]}"


def _in(host: str, pids: dict[str, int]) -> str:
    return f" netns {pids[host]}" if host in pids else ""


def c2() -> tuple[str, int]:
    """An address for a C2, another one for each range: two drills are two incidents, and share no block."""
    return f"198.19.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}", C2_PORT


def addresses(host: str, c2: str = "") -> Iterator[str]:
    """Lines for `ip -batch` that give this host its addresses and routes, from within; the internet has the C2's as well."""
    yield "link set lo up"
    for end in (end for link in LINKS for end in (link.near, link.far) if end[0] == host):
        yield f"address add {end[2]} dev {end[1]}"
        yield f"link set {end[1]} up"
    if host == INTERNET:
        yield f"address add {c2}/15 dev eth0"
    yield from (f"route add {route}" for route in ROUTES[host])
