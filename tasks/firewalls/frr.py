"""FRRouting's vtysh, over netmiko's cisco_ios: a blackhole route for each remote. Knows the words; must not know who says them.

FRR User Guide, "STATIC" (`ip route NETWORK blackhole`, `ipv6 route`), "Zebra" (`show ip route`, `ip forwarding`), "VTY shell" (`write
memory`); checked on FRR 8.4.4 of Debian 12 (tests/firewalls/test_frr.py). A host route is the most specific one, so no other route of the
machine is touched, and it stops established flows as well: the router has no sessions to cut. A route has no comment and no time
to live: the journal holds the incident, and hemostat ends the block itself. There is nothing to provision but forwarding itself.
"""

from __future__ import annotations

import re
from ipaddress import ip_network

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import TargetError

platform = "frr"
driver = "cisco_ios"
channel: Channel = "cli"
# vtysh's line editor may switch bracketed paste on before a prompt.
prompt = r"[\r\n](?:\x1b\[\?2004[hl]\r?)*{base}(?:\([^)\r\n]*\))?[>#] ?$"
failures = (r"^% ?.*",)
ports = False
timed = False

ABSENT = r"% Network not in table"


def _family(entry: Entry) -> str:
    return "ip" if entry.address.version == 4 else "ipv6"


def _route(entry: Entry) -> str:
    return f"{_family(entry)} route {ip_network(entry.address)} blackhole"


def look(entry: Entry) -> tuple[Command, ...]:
    return (
        Command("show running-config staticd"),
        Command(f"show {_family(entry)} route {ip_network(entry.address)}", tolerate=ABSENT),
        Command(f"show {_family(entry)} forwarding"),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    config, route, forwarding = answers
    if "Current configuration:" not in config or not re.search(r"(?i)forwarding is o", forwarding):
        raise TargetError("read the static routes", f"the router answered {config!r}", "look at the router by hand")
    enforced = re.search(r"(?i)forwarding is on", forwarding) is not None
    # The configuration tells at once; the forwarding table follows within milliseconds.
    installed = re.search(r"^\s+\* unreachable \(blackhole\)", route, re.M) is not None
    present = re.search(rf"^{re.escape(_route(entry))}$", config, re.M) is not None
    return Listing(
        present=present,
        enforced=enforced,
        seen=f"{len(re.findall(r' blackhole', config))} blackhole routes, this one "
        + ("in the forwarding table" if installed else "not in the forwarding table")
        + ("" if enforced else "; the router does not forward"),
        missing=() if enforced else (f"{_family(entry)} forwarding",),
    )


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return (Command("configure terminal"), Command(_route(entry)), Command("end"))


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    gone = r"% Refusing to remove a non-existent route"
    return (Command("configure terminal"), Command(f"no {_route(entry)}", tolerate=gone), Command("end"))


def cut(entry: Entry) -> tuple[Command, ...]:
    return ()


def sessions(entry: Entry) -> tuple[Command, ...]:
    return ()


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return 0


def save() -> tuple[Command, ...]:
    return (Command("write memory", patience=60),)


def leave() -> tuple[Command, ...]:
    return (Command("end"),)


def provision(name: str) -> tuple[str, ...]:
    return ("ip forwarding", "ipv6 forwarding")
