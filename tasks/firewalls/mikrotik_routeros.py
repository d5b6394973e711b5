"""MikroTik RouterOS: an address list behind the first raw rule. Knows the words; must not know who says them.

RouterOS documentation, "Firewall > Address-lists" (`list`, `address`, `timeout`, `comment`), "Firewall > RAW", "Scripting" (`;`, `:put`,
`find where`, `~`). /ip and /ipv6 have lists and rules of their own. Raw is before connection tracking, so it meets new and
established packets alike, but FastTrack passes packets by: the connections are removed as well. An entry with a timeout lives in
memory and is gone after a reboot. A member's comment carries the incident; RouterOS saves by itself.

The console paints its prompt more than once and the line again at Enter, so no prompt ends an answer here: every line ends with a
`:put` whose output, not its echo, is the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import Address, TargetError

platform = "mikrotik_routeros"
driver = "mikrotik_routeros"
channel: Channel = "cli"
prompt = r"[\r\n]{base}[^\r\n]*> ?$"
REFUSALS = (
    r"failure: ",
    r"bad command name ",
    r"syntax error ",
    r"expected ",
    r"invalid value ",
    r"value of \S+ ",
    r"input does not match ",
    r"unknown parameter ",
    r"no such (?:item|command)",
    r"not enough permissions",
    r"ambiguous ",
    r"missing value",
)
failures = tuple(f"^{words}.*" for words in REFUSALS)
ports = False
timed = True

TWICE = "twice"
END = rf"[\r\n](?:hemostat-end|{'|'.join(REFUSALS)})[^\r\n]*[\r\n]"


def _said(text: str) -> Command:
    return Command(f'{text}; :put ("hemostat" . "-end")', expect=END)


def _menu(address: Address) -> str:
    return "/ip firewall" if address.version == 4 else "/ipv6 firewall"


def _member(address: Address) -> str:
    return str(address) if address.version == 4 else f"{address}/128"


def look(entry: Entry) -> tuple[Command, ...]:
    menu = _menu(entry.address)
    return (
        _said(f'{menu} address-list print terse where list="{entry.name}"'),
        _said(f'{menu} raw print terse where chain="prerouting"'),
        _said(f'{menu} raw print stats where dst-address-list="{entry.name}"'),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    if not all("hemostat-end" in answer for answer in answers):
        raise TargetError("read the address list", "the answer has no end", "look at the router by hand")
    members = [fields for _, fields in _items(answers[0]) if "X" not in fields["flags"] and TWICE not in fields]
    mine = next((m for m in members if _covers(m.get("address", ""), entry.address)), None)
    rules = [fields for _, fields in _items(answers[1]) if not set("XID") & set(fields["flags"])]
    enforced = bool(rules) and _denies(rules[0], entry.name)
    return Listing(
        present=mine is not None,
        enforced=enforced,
        seen=f"{len(members)} members, "
        + ("dropped by the first raw rule" if enforced else "no first raw rule drops it"),
        missing=() if enforced else (_rule(entry.address.version, entry.name),),
        hits=_packets(answers[2]) if enforced else None,
        note=f"{mine.get('comment', 'no comment')}, {mine.get('timeout', 'no time-out')}" if mine else "",
        foreign=mine is not None and mine.get("comment", "").strip('"') != entry.incident,
        ends_in=_seconds(mine["timeout"]) if mine and "timeout" in mine else None,
    )


def _items(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a terse print. A comment may hold anything, another `address=` too: such a line is marked and counts for nothing."""
    for number, flags, rest in re.findall(r"^\s*(\d+)\s+((?:[A-Z]+ +)*)((?:[a-z.-]+=).*)$", text, re.M):
        pairs = re.findall(r"(?<![a-z.-])[.-]*+([a-z][a-z.-]*+)=(\S*)", rest)
        told = {**dict(pairs), "flags": flags.strip()}
        yield int(number), told if len(told) == len(pairs) + 1 else {**told, TWICE: ""}


def _covers(member: str, address: Address) -> bool:
    """Is it this very address? A network around it is someone else's entry and no longer ours to count on."""
    try:
        return ip_network(member) == ip_network(address)
    except ValueError:
        return False


def _denies(rule: dict[str, str], name: str) -> bool:
    told = {key: value for key, value in rule.items() if key not in ("flags", "comment", "log", "log-prefix")}
    return told == {"chain": "prerouting", "action": "drop", "dst-address-list": name}


def _packets(stats: str) -> int | None:
    """The last column, in which RouterOS 7 parts thousands with a space."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in stats.splitlines() if re.match(r"\s*\d+\s.*\sdrop\s", line)]
    counts = [row[-1].replace(" ", "") for row in rows]
    return sum(map(int, counts)) if counts and all(map(str.isdigit, counts)) else None


def _seconds(text: str) -> int | None:
    """RouterOS's `1w2d3h4m5s`; None for what it is not."""
    parts = re.findall(r"(\d+)([wdhms])", text) if re.fullmatch(r"(?:\d+[wdhms])+", text) else []
    units = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in parts) if parts else None


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    timeout = f" timeout={entry.minutes}m" if entry.minutes else ""
    where = f'list="{entry.name}" address={_member(entry.address)}'
    return (_said(f'{_menu(entry.address)} address-list add {where}{timeout} comment="{entry.incident}"'),)


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    where = f'list="{entry.name}" and address="{_member(entry.address)}"'
    return (_said(f"{_menu(entry.address)} address-list remove [find where {where}]"),)


def _connections(entry: Entry) -> str:
    # The address is an IPv4Address or IPv6Address, never text; the table shows it with its port, v6 in brackets.
    address = str(entry.address).replace(".", "[.]")
    pattern = rf"^{address}(:|\$)" if entry.address.version == 4 else rf"^[[]?{address}([]/]|\$)"
    return f'dst-address~"{pattern}" or src-address~"{pattern}"'


def cut(entry: Entry) -> tuple[Command, ...]:
    # A connection may end by itself between the find and the remove.
    return (
        replace(
            _said(f"{_menu(entry.address)} connection remove [find where {_connections(entry)}]"),
            tolerate=r"no such item",
        ),
    )


def sessions(entry: Entry) -> tuple[Command, ...]:
    return (_said(f"{_menu(entry.address)} connection print terse where {_connections(entry)}"),)


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return sum("dst-address" in fields for _, fields in _items(answers[0]))


def save() -> tuple[Command, ...]:
    return ()


def leave() -> tuple[Command, ...]:
    return ()


def provision(name: str) -> tuple[str, ...]:
    return (_rule(4, name), _rule(6, name))


def _rule(version: int, name: str) -> str:
    """To be placed first in its chain: `place-before=` the first rule that is there."""
    menu = "/ip firewall" if version == 4 else "/ipv6 firewall"
    return f"{menu} raw add chain=prerouting action=drop dst-address-list={name} comment=hemostat"
