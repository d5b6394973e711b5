"""Who is where in the range: hosts, addresses of both families, links. Knows numbers; starts nothing.

victim and control each have a link of their own to the firewall, so that all that they say crosses it. Behind it stands the router
(FRR), then the internet. The runner is in soc, which the range's own process has. Inside is IPv6 unique local (RFC 4193).
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
ADDRESS6 = {
    VICTIM: "fd66:0:0:1::10",
    CONTROL: "fd66:0:0:2::10",
    FIREWALL: "fd66:0:0:9::1",
    ROUTER: "fd66:0:0:8::2",
    INTERNET: "2001:2::80",
    SOC: "fd66:0:0:9::2",
}
INSIDE, INSIDE6 = "10.66.0.0/16", "fd66::/48"
# RFC 2544 and RFC 5180, for laboratories: no block for them harms anybody.
OUTSIDE, OUTSIDE6 = "198.18.0.0/15", "2001:2::/48"
WEB, WEB6 = ("198.18.0.80", 443), ("2001:2::80", 443)
C2_PORT = 8443
SSH = 22
DEVICE = 2222


@dataclass(frozen=True, slots=True)
class Link:
    """A cable: two hosts, each with the name of its interface and its IPv4 and IPv6 address there."""

    near: tuple[str, str, str, str]
    far: tuple[str, str, str, str]


LINKS = (
    Link(
        (VICTIM, "eth0", "10.66.1.10/24", "fd66:0:0:1::10/64"), (FIREWALL, "lan1", "10.66.1.1/24", "fd66:0:0:1::1/64")
    ),
    Link(
        (CONTROL, "eth0", "10.66.2.10/24", "fd66:0:0:2::10/64"), (FIREWALL, "lan2", "10.66.2.1/24", "fd66:0:0:2::1/64")
    ),
    Link((SOC, "eth0", "10.66.9.2/24", "fd66:0:0:9::2/64"), (FIREWALL, "soc", "10.66.9.1/24", "fd66:0:0:9::1/64")),
    Link((FIREWALL, "wan", "10.66.8.1/24", "fd66:0:0:8::1/64"), (ROUTER, "lan", "10.66.8.2/24", "fd66:0:0:8::2/64")),
    Link((ROUTER, "wan", "198.18.0.1/15", "2001:2::1/48"), (INTERNET, "eth0", f"{WEB[0]}/15", f"{WEB6[0]}/48")),
)
ROUTES = {
    VICTIM: ("default via 10.66.1.1", "default via fd66:0:0:1::1"),
    CONTROL: ("default via 10.66.2.1", "default via fd66:0:0:2::1"),
    SOC: ("default via 10.66.9.1", "default via fd66:0:0:9::1"),
    FIREWALL: ("default via 10.66.8.2", "default via fd66:0:0:8::2"),
    ROUTER: (f"{INSIDE} via 10.66.8.1", f"{INSIDE6} via fd66:0:0:8::1"),
    INTERNET: ("default via 198.18.0.1", "default via 2001:2::1"),
}


def cables(pids: dict[str, int]) -> Iterator[str]:
    """Lines for `ip -batch` that make every link, each end in the network namespace of its host's process; soc is the caller's."""
    for link in LINKS:
        ends = [f"{port}{_in(host, pids)}" for host, port, *_ in (link.near, link.far)]
        yield f"link add {ends[0]} type veth peer name {ends[1]}"


def _in(host: str, pids: dict[str, int]) -> str:
    return f" netns {pids[host]}" if host in pids else ""


def address(host: str, family: str) -> str:
    """A host's address of that family (`ipv4`, `ipv6`)."""
    return (ADDRESS6 if family == "ipv6" else ADDRESS)[host]


def c2(family: str) -> tuple[str, int]:
    """An address for a C2, another one for each range: two drills are two incidents, and share no block."""
    one, other = secrets.randbelow(254) + 1, secrets.randbelow(254) + 1
    return (f"2001:2:0:{one:x}::{other:x}" if family == "ipv6" else f"198.19.{one}.{other}"), C2_PORT


def addresses(host: str, c2: str = "", ipv6: bool = True) -> Iterator[str]:
    """Lines for `ip -batch` that give this host its addresses and routes, from within; the internet has the C2's as well.

    Nobody else can have an address of the range, so none waits for RFC 4862's duplicate address detection: also not the link-local ones,
    without which a router asks no neighbour.
    """
    yield "link set lo up"
    for _, port, four, six in (end for link in LINKS for end in (link.near, link.far) if end[0] == host):
        yield f"address add {four} dev {port}"
        if ipv6:
            yield f"link set {port} addrgenmode none"
            yield from (f"address add {each} dev {port} nodad" for each in (six, f"fe80::{_last(six)}/64"))
        yield f"link set {port} up"
    if host == INTERNET:
        yield f"address add {c2}/48 dev eth0 nodad" if ":" in c2 else f"address add {c2}/15 dev eth0"
    yield from (f"route add {route}" for route in ROUTES[host] if ipv6 or ":" not in route)


def _last(address: str) -> str:
    return address.partition("/")[0].rpartition(":")[2]
