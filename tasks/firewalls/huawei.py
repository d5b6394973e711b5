"""Huawei USG (VRP): the device's own blacklist, by destination. Knows the words; must not know who says them.

HUAWEI USG6000/6000E Product Documentation, Command Reference: `firewall blacklist item` (destination-ip, destination-port with
protocol, timeout in minutes, v4 and v6), `firewall blacklist enable`, `display firewall blacklist item`, `display firewall session
table`, `reset firewall session table` ("user view … minimize the range of session entries to be cleared"). There is one blacklist a
device, so the list's name means nothing here, and an item has no comment: the journal holds the incident.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import TargetError, inert

platform = "huawei"
driver = "huawei"
channel: Channel = "cli"
# HRP_M and HRP_S stand in front where two firewalls back each other up.
prompt = r"[\r\n](?:HRP_[MS])?[<\[][~*]?{base}[^\r\n\]>]*[>\]] ?$"
failures = (r"^\s*Error:.*", r"^\s*Warning: .*(?:not allowed|denied).*")
ports = True
timed = True

# Longer ones stand until hemostat takes them back: VRP's first blacklists took no more.
LONGEST = 1000
PROTOCOLS = ("tcp", "udp")
QUESTION = r"\[Y/N\]:? ?$|[\r\n](?:HRP_[MS])?<[^\r\n>]*> ?$"
UNASKED = r"Unrecognized command|Ambiguous command"


def _items(entry: Entry) -> tuple[str, ...]:
    """What to say for the whole address, or for its port: one item a protocol, as VRP wants it."""
    if entry.remote.port is None:
        return (f"destination-ip {entry.address}",)
    port = f"destination-ip {entry.address} destination-port {entry.remote.port}"
    return tuple(f"{port} protocol {protocol}" for protocol in PROTOCOLS)


def look(entry: Entry) -> tuple[Command, ...]:
    return (
        Command(f"display firewall blacklist item{_only(entry)}"),
        Command("display current-configuration | include firewall blacklist enable"),
    )


def _only(entry: Entry) -> str:
    # VRP writes IPv6 in capitals and `include` minds the case, so those are sought here.
    return f" | include {entry.address}" if entry.address.version == 4 else ""


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    items, enabled = answers
    # 203.0.113.9 /any (dst) /any/    Manual    2026/01/01 00:00:00    60 0
    row = rf"^\s*{re.escape(str(entry.address))}\s*/(\S+) \(dst\)\s*/(\w+)/?\s+.*?(\S+)\s+(\d+)\s*$"
    rows = {(port, protocol): (left, int(hits)) for port, protocol, left, hits in re.findall(row, items, re.M | re.I)}
    said = [
        line
        for line in items.splitlines()
        if re.search(rf"(?<![\w.:]){re.escape(str(entry.address))}(?![\w.:])", line, re.I)
    ]
    if any(not re.search(r"\((?:src|dst)\)", line) for line in said):
        raise TargetError("read the blacklist", f"the device answered {inert(said[0], 200)!r}", "look at it by hand")
    wanted = {(str(entry.remote.port), protocol) for protocol in PROTOCOLS}
    whole = rows.get(("any", "any"))
    present = whole is not None or (entry.remote.port is not None and wanted <= set(rows))
    enforced = re.search(r"^\s*firewall blacklist enable", enabled, re.M) is not None
    mine = [whole] if whole else [rows[key] for key in wanted if key in rows]
    return Listing(
        present=present,
        enforced=enforced,
        seen=f"{len(rows)} items for it, the blacklist is {'on' if enforced else 'off'}",
        missing=() if enforced else provision(entry.name),
        hits=sum(hits for _, hits in mine) if enforced else None,  # every item counts from its own beginning
        note=f"time-out {mine[0][0]}" if present else "",
    )


def _configure(lines: Iterable[str], tolerate: str) -> tuple[Command, ...]:
    # With a port there are two items: one that is there (or gone) already must not keep the other from being said.
    return (Command("system-view"), *(Command(line, tolerate=tolerate) for line in lines), Command("return"))


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    timeout = f" timeout {entry.minutes}" if 1 <= entry.minutes <= LONGEST else ""
    return _configure((f"firewall blacklist item {item}{timeout}" for item in _items(entry)), r"already exist")


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _configure((f"undo firewall blacklist item {item}" for item in _items(entry)), r"does(?: not|n't) exist")


def _table(entry: Entry) -> str:
    return "firewall session table" if entry.address.version == 4 else "firewall ipv6 session table"


def _sides(entry: Entry) -> tuple[str, ...]:
    # Without one of these `reset` ends every session; the address is an IPv4Address or IPv6Address, never text.
    return (f"destination inside {entry.address}", f"source inside {entry.address}")


def cut(entry: Entry) -> tuple[Command, ...]:
    # Some versions ask, some do not: where nothing was asked, the `y` is no command, which harms nothing.
    asked = [
        (Command(f"reset {_table(entry)} {side}", expect=QUESTION), Command("y", tolerate=UNASKED))
        for side in _sides(entry)
    ]
    return tuple(command for pair in asked for command in pair)


def sessions(entry: Entry) -> tuple[Command, ...]:
    return tuple(Command(f"display {_table(entry)} {side}") for side in _sides(entry))


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return sum("VPN:" in line and "-->" in line for answer in answers for line in answer.splitlines())


def save() -> tuple[Command, ...]:
    return (Command("save", expect=QUESTION), Command("y", tolerate=UNASKED, patience=60.0))


def leave() -> tuple[Command, ...]:
    return (Command("return"),)


def provision(name: str) -> tuple[str, ...]:
    return ("firewall blacklist enable",)
