"""Cisco ASA: one object-group behind the first entry of an access list. Knows the words; must not know who says them.

Cisco ASA Series Command Reference: `object-group`, `network-object`, `access-list extended`, `clear conn`. A group that an
access list uses may not become empty, so it keeps a dummy member from TEST-NET-1 (RFC 5737). ASA has no timed entries and no
comment on a member: the journal holds the incident and the time to live.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.firewalls.shape import Command, Entry, Listing
from tasks.model import Address, TargetError

platform = "cisco_asa"
driver = "cisco_asa"
channel = "cli"
prompt = r"[\r\n]{base}(?:\(config[^)\r\n]*\))?[>#] ?$"
failures = (
    r"^ERROR: .*",
    r"^%\s?Invalid .*",
    r"^\s*\^\s*$",
    r"^Command authorization failed.*",
    r"^Removing obj.* not allowed.*",
    r"^Type help or '\?' .*",
    # A standby unit takes the line, and the active one, which carries the traffic, never has it.
    r"^.*NOT performed from Standby unit.*",
)
ports = False
timed = False

DUMMY = "192.0.2.1"
ABSENT = r"object[- ]group .*(?:does not exist|not found)|not exist"


def _member(address: Address) -> str:
    return f"host {address}" if address.version == 4 else f"{address}/128"


def look(entry: Entry) -> tuple[Command, ...]:
    return (
        Command(f"show running-config object-group id {entry.name}", tolerate=ABSENT),
        Command("show running-config access-group"),
        Command(f"show access-list | include object-group {entry.name}"),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    group, bindings, rules = answers
    if not group.strip() or re.search(ABSENT, group):
        return Listing(False, False, "no such object-group", provision(entry.name))
    if f"object-group network {entry.name}" not in group:
        raise TargetError("read the object-group", f"the device answered {group!r}", "look at the device by hand")
    members = [
        line.split(maxsplit=1)[1].strip() for line in group.splitlines() if line.strip().startswith("network-object ")
    ]
    bound = _bound(bindings)
    rule = next((r for r in _rules(entry, rules) if r.group("list") in bound), None)
    wanted = {_member(entry.address), f"host {entry.address}"}
    return Listing(
        present=bool(wanted & set(members)),
        enforced=rule is not None,
        seen=f"{len(members)} members, "
        + (f"denied by line 1 of {rule.group('list')}" if rule else "no bound deny rule"),
        missing=() if rule else provision(entry.name)[3:],
        hits=int(rule.group("hits")) if rule and rule.group("hits") else None,
    )


def _bound(bindings: str) -> set[str]:
    """The lists that through traffic meets first: interface lists come before the global one, control-plane ones filter the box."""
    lines = [line.strip() for line in bindings.splitlines() if not line.rstrip().endswith("control-plane")]
    inward = {line.split()[1] for line in lines if re.match(r"access-group \S+ in interface ", line)}
    return inward or {line.split()[1] for line in lines if re.fullmatch(r"access-group \S+ global", line)}


def _rules(entry: Entry, shown: str) -> Iterator[re.Match[str]]:
    """The deny rules on a first line that use the group and are in force for the remote's family; an inactive one is none."""
    any_ = "any4?" if entry.address.version == 4 else "any6?"
    words = rf"^access-list (?P<list>\S+) line 1 extended deny ip {any_} object-group {re.escape(entry.name)}\b"
    for rule in re.finditer(words + r"(?P<rest>[^\r\n]*?)(?:\(hitcnt=(?P<hits>\d+)\)[^\r\n]*)?$", shown, re.M):
        if "inactive" not in rule.group(0):
            yield rule


def _configure(entry: Entry, line: str) -> tuple[Command, ...]:
    return (Command("configure terminal"), Command(f"object-group network {entry.name}"), Command(line), Command("end"))


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _configure(entry, f"network-object {_member(entry.address)}")


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _configure(entry, f"no network-object {_member(entry.address)}")


def cut(entry: Entry) -> tuple[Command, ...]:
    # `clear conn` without a filter ends every session of the device; the address is an IPv4Address or IPv6Address, never text.
    return (Command(f"clear conn address {entry.address}"),)


def sessions(entry: Entry) -> tuple[Command, ...]:
    return (Command(f"show conn address {entry.address}"),)


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return sum(
        str(entry.address) in re.split(r"[\s:,/]+", line) or f" {entry.address}:" in line
        for line in answers[0].splitlines()
    )


def save() -> tuple[Command, ...]:
    return (Command("write memory"),)


def leave() -> tuple[Command, ...]:
    return (Command("end"),)


def provision(name: str) -> tuple[str, ...]:
    return (
        f"object-group network {name}",
        f" network-object host {DUMMY}",
        " exit",
        "! INSIDE_IN stands for the list that `show running-config access-group` shows inbound on the inside interface",
        f"access-list INSIDE_IN line 1 extended deny ip any object-group {name}",
        "! where no list is bound yet, add: access-list INSIDE_IN extended permit ip any any",
        "! and then: access-group INSIDE_IN in interface inside (where one is bound, this would replace it)",
    )
