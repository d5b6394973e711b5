"""H3C firewalls (Comware 7): an address object-group a family behind the first security-policy rule. Knows the words only.

H3C SecPath Firewall Series Command Reference (V7), Security: "Object group commands" (`object-group ip address`, `network host
address`, `display object-group name`), "Security policy commands" (`security-policy ip`, `accelerate enhanced enable`: changed rules
take effect after 2 or 20 s, or at once by this command), "Session management commands" (`reset session table ipv4 destination-ip`).
Names mean the same in any case. A member has no comment and no time to live: the journal holds both.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import Address, TargetError, inert

platform = "hp_comware"
driver = "hp_comware"
channel: Channel = "cli"
# RBM_P and RBM_S stand in front where two firewalls back each other up.
prompt = r"[\r\n](?:RBM_[PS])?[<\[]{base}[^\r\n\]>]*[>\]] ?$"
ABSENT = r"does(?: not|n't) exist"
failures = (
    r"^\s*% .*",
    rf"^.*{ABSENT}.*",
    r"^\s*Object group with given name exists with different type.*",
    r"^\s*Permission denied.*",
    r"^\s*Failed to .*",
    r"^.*has reached the (?:maximum|upper limit).*",
)
ports = False
timed = False

HARMLESS = ("counting enable", "logging enable", "description ", "action drop")


def _family(version: int) -> str:
    return "ip" if version == 4 else "ipv6"


def look(entry: Entry) -> tuple[Command, ...]:
    family = _family(entry.address.version)
    return (
        Command(f"display object-group {family} address name {entry.name}", tolerate=ABSENT),
        Command(f"display security-policy {family}", tolerate=ABSENT),
        Command(f"display security-policy statistics {family}", tolerate=ABSENT),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    group, policy, statistics = answers
    known = re.search(rf"address object[- ]group {re.escape(entry.name)}:", group, re.I) is not None
    if not known and not re.search(ABSENT, group):
        raise TargetError("read the object group", f"the device answered {inert(group, 200)!r}", "look at it by hand")
    members = [a for text in re.findall(r"^\s*\d+ network host address (\S+)", group, re.M) if (a := _address(text))]
    rule = _deny(entry, policy) if known else None
    return Listing(
        present=entry.address in members,
        enforced=rule is not None,
        seen=f"{len(members)} hosts, " + (f"dropped by the first rule, {rule}" if rule else "no first rule drops them"),
        missing=() if rule else _lines(entry.address.version, entry.name),
        hits=_hits(rule, statistics) if rule else None,
    )


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _deny(entry: Entry, policy: str) -> str | None:
    """The name of the first rule, if it drops the group and nothing narrows it."""
    first = re.search(r"^ *rule \d+ name (\S+)(?!\S)([^\r\n]*)\n((?:(?! *rule \d+ name ).*\n?)*)", policy, re.M)
    if first is None or first.group(2).strip():  # (Inactive)
        return None
    told = {line.strip() for line in first.group(3).splitlines() if line.strip(" #")}
    narrowing = {line for line in told if not line.startswith(HARMLESS)}
    drops = "action drop" in told and [line.lower() for line in narrowing] == [f"destination-ip {entry.name}".lower()]
    return first.group(1) if drops else None


def _hits(rule: str, statistics: str) -> int | None:
    counted = re.search(rf"^ *rule \d+ name {re.escape(rule)}\s+action: \w+ \((\d+) packets", statistics, re.M | re.I)
    return int(counted.group(1)) if counted else None


def _change(entry: Entry, line: str) -> tuple[Command, ...]:
    family = _family(entry.address.version)
    return (
        Command("system-view"),
        Command(f"object-group {family} address {entry.name}"),
        Command(line),
        Command("quit"),
        Command(f"security-policy {family}"),
        # Older versions do not have it, and need none.
        Command("accelerate enhanced enable", tolerate=r"Unrecognized command"),
        Command("return"),
    )


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _change(entry, f"network host address {entry.address}")


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _change(entry, f"undo network host address {entry.address}")


def _table(entry: Entry, verb: str) -> tuple[Command, ...]:
    # Without a side `reset` ends every session; the address is an IPv4Address or IPv6Address, never text.
    table = f"{verb} session table ipv{entry.address.version}"
    return tuple(Command(f"{table} {side}-ip {entry.address}") for side in ("destination", "source"))


def cut(entry: Entry) -> tuple[Command, ...]:
    return _table(entry, "reset")


def sessions(entry: Entry) -> tuple[Command, ...]:
    return _table(entry, "display")


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return sum(line.strip() == "Initiator:" for answer in answers for line in answer.splitlines())


def save() -> tuple[Command, ...]:
    return (Command("save force", patience=60.0),)


def leave() -> tuple[Command, ...]:
    return (Command("return"),)


def provision(name: str) -> tuple[str, ...]:
    return _lines(4, name) + _lines(6, name)


def _lines(version: int, name: str) -> tuple[str, ...]:
    family = _family(version)
    return (
        f"object-group {family} address {name}",
        " quit",
        f"security-policy {family}",
        " rule name hemostat",
        "  action drop",
        f"  destination-ip {name}",
        "  counting enable",
        "  quit",
        " # it must be the first: move rule ID before ID-OF-THE-FIRST",
        " quit",
    )
