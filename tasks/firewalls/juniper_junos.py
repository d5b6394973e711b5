"""Juniper SRX: one address-set behind the first policy of a zone pair. Knows the words; must not know who says them.

Junos OS CLI User Guide, "Forms of the configure Command": `configure private` gives a candidate of one's own, so a commit ships no other
administrator's change; it is refused while the shared candidate holds somebody's uncommitted ones, and while another holds the
configuration exclusively. Junos OS CLI Reference, `commit` (`comment`, `and-quit`). Security Policies User Guide: policies of a zone
pair count from the top, "Sequence number: 1" in `show security policies`; `policy-rematch` is off by default, so established
sessions run on until `clear security flow session destination-prefix`. A commit writes to disk, so there is nothing to save.
The address's description carries the incident. An SRX has no timed entries: hemostat ends the block itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import TargetError

platform = "juniper_junos"
driver = "juniper_junos"
channel: Channel = "cli"
prompt = r"[\r\n]{base}[>#] ?$"
failures = (
    r"^error: .*",
    r"^syntax error.*",
    r"^unknown command.*",
    r"^missing argument.*",
    r"^invalid .*",
    r"^'.*' is ambiguous.*",
    r"^permission denied.*",
)
ports = False
timed = False

BOOK = "security address-book global"
COMMIT = 120.0  # seconds; a small SRX takes most of a minute
EVERYTHING = (r"^\s+Source addresses: any\s*$", r"^\s+Applications: any\s*$", r"^\s+Action: (?:deny|reject)")
DUMMY = "192.0.2.1/32"


def _object(entry: Entry) -> str:
    return f"hemostat-{entry.address}".replace(":", "_")


def look(entry: Entry) -> tuple[Command, ...]:
    wanted = f"address-set {entry.name} |{_object(entry)} | {entry.address}/"
    return (
        Command(f'show configuration {BOOK} | display set | match "{wanted}"'),
        Command(f"show security policies policy-name {entry.name}"),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    book, policies = answers
    # A node of a cluster says which one it is, {primary:node0}, above each prompt.
    if any(line.strip() and not line.startswith((f"set {BOOK} ", "{")) for line in book.splitlines()):
        raise TargetError("read the address book", f"the device answered {book!r}", "look at the device by hand")
    members = re.findall(rf"^set {BOOK} address-set {re.escape(entry.name)} address (\S+)\s*$", book, re.M)
    addresses = dict(re.findall(rf"^set {BOOK} address (\S+) (\S+/\d+)\s*$", book, re.M))
    wanted = str(ip_network(entry.address))
    note = re.search(rf"address {re.escape(_object(entry))} description \"?([^\"\r\n]+)", book)
    pairs = tuple(_pairs(entry.name, policies))
    enforced = bool(members and pairs)
    return Listing(
        present=any(addresses.get(name) == wanted for name in members),
        enforced=enforced,
        seen=f"{len(members)} addresses in the set, "
        + (f"denied first {', '.join(pairs)}" if pairs else "no zone pair denies it first"),
        missing=() if enforced else provision(entry.name),
        note=note.group(1) if note else "",
    )


def _pairs(name: str, policies: str) -> Iterator[str]:
    """The zone pairs whose first policy, enabled, denies the address-set to everyone."""
    head = rf"Policy: {re.escape(name)}, State: enabled, .*Sequence number: 1\b"
    target = rf"Destination addresses:(?:.*[ ,])?{re.escape(name)}(?:,|\s*$)"
    for part in re.split(r"^From zone: ", policies, flags=re.M)[1:]:
        if all(re.search(wanted, part, re.M) for wanted in (head, target, *EVERYTHING)):
            yield "from " + part.splitlines()[0].replace(", To zone:", " to").strip()


def _configure(entry: Entry, *lines: str) -> tuple[Command, ...]:
    said = (Command(line) for line in lines)
    return (Command("configure private"), *said, Command(f"commit comment {entry.incident} and-quit", patience=COMMIT))


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    name = _object(entry)
    return _configure(
        entry,
        f"set {BOOK} address {name} {ip_network(entry.address)}",
        f"set {BOOK} address {name} description {entry.incident}",
        f"set {BOOK} address-set {entry.name} address {name}",
    )


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    name = _object(entry)
    return _configure(entry, f"delete {BOOK} address-set {entry.name} address {name}", f"delete {BOOK} address {name}")


def cut(entry: Entry) -> tuple[Command, ...]:
    # The address is an IPv4Address or IPv6Address, never text: a filter stands there in any case.
    return (Command(f"clear security flow session destination-prefix {entry.address}"),)


def sessions(entry: Entry) -> tuple[Command, ...]:
    return (Command(f"show security flow session destination-prefix {entry.address}"),)


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return len(re.findall(r"^Session ID: ", answers[0], re.M))


def save() -> tuple[Command, ...]:
    return ()


def leave() -> tuple[Command, ...]:
    # In operational mode the first is refused and the second, which would log out, is not said any more.
    return (Command("rollback"), Command("exit configuration-mode"))


def provision(name: str) -> tuple[str, ...]:
    policy = f"set security policies from-zone trust to-zone untrust policy {name}"
    return (
        f"set {BOOK} address hemostat-dummy {DUMMY}",
        f"set {BOOK} address-set {name} address hemostat-dummy",
        "# for each zone pair that hosts talk through",
        f"{policy} match source-address any",
        f"{policy} match destination-address {name}",
        f"{policy} match application any",
        f"{policy} then deny",
        f"# where other policies stand before it: insert {policy.removeprefix('set ')} before policy FIRST; then commit",
    )
