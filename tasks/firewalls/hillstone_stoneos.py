"""Hillstone StoneOS: one address entry a family behind a deny rule on top. Knows the words; must not know who says them.

StoneOS CLI User Guide, all series, V5.5R12: "Policy" (`policy-global`, `rule … top`, `action deny`, `dst-addr`, `show policy hit-count`;
rules are met in the order in which they are listed; session-rematch), "Common Show Commands" (`show configuration address`, `show
configuration policy`, `show session`). The book's members: `ip A/32` below `address NAME`. An IPv6 entry has a name of its own. A
member has no comment and no time to live: the journal holds both.
"""

from __future__ import annotations

import re
from ipaddress import ip_network

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import Address, TargetError, inert

platform = "hillstone_stoneos"
driver = "hillstone_stoneos"
channel: Channel = "cli"
prompt = r"[\r\n]{base}(?:\([^)\r\n]*\))*# ?$"
failures = (r"^\s*\^-----.*", r"^\s*(?:Error|错误)[:：].*")
ports = False
timed = False

# Some versions ask, some do not: where nothing was asked, the answer is no command, which harms nothing.
QUESTION = r"\[?[yY]\]?/\[?[nN]\]?:? ?$|[\r\n]\S+# ?$"
UNASKED = r"\^-----"
ANYTHING = re.compile(r"(?:src-zone|dst-zone|src-addr|service|application) (?:any|ipv6-any)", re.I)
HARMLESS = re.compile(r"(?:name|description|log|tag|enable)\b")


def _name(version: int, name: str) -> str:
    return name if version == 4 else f"{name}-6"


def _member(address: Address) -> str:
    return f"ip {address}/{address.max_prefixlen}"


def look(entry: Entry) -> tuple[Command, ...]:
    return (
        Command("show configuration address"),
        Command("show configuration policy"),
        Command("show policy hit-count"),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    book, policy, counters = answers
    name = _name(entry.address.version, entry.name)
    found = re.search(
        rf'^\s*address "?{re.escape(name)}"?(?: ipv6)?\s*\n((?:(?!\s*(?:exit|address) ?).*\n?)*)', book, re.M
    )
    if not found and book.strip() and not re.search(r"^\s*address ", book, re.M):
        raise TargetError("read the address book", f"the device answered {inert(book, 200)!r}", "look at it by hand")
    members = re.findall(r"^\s*ip (\S+)\s*$", found.group(1), re.M) if found else []
    rule = _deny(name, policy) if found else None
    return Listing(
        present=any(_covers(member, entry.address) for member in members),
        enforced=rule is not None,
        seen=f"{len(members)} members, "
        + (f"denied by rule {rule}" if rule else "no rule denies them before others permit"),
        missing=() if rule else _lines(entry.address.version, entry.name),
        hits=_hits(rule, counters) if rule else None,
    )


def _covers(member: str, address: Address) -> bool:
    """Is it this very address? A network around it is someone else's member and no longer ours to count on."""
    try:
        return ip_network(member) == ip_network(address)
    except ValueError:
        return False


def _deny(name: str, policy: str) -> str | None:
    """The id of the rule that denies the entry with nothing that narrows it, if no rule before it may let something pass."""
    rules = re.findall(r"^\s*rule id (\d+)([^\n]*(?:\n(?!\s*(?:rule id|exit)\b)[^\n]*)*)", policy, re.M)
    for number, body in rules:
        told = {line.strip().replace('"', "") for line in body.splitlines() if line.strip()}
        if "disable" in told:
            continue
        narrowing = {line for line in told if not ANYTHING.fullmatch(line) and not HARMLESS.match(line)}
        if narrowing == {"action deny", f"dst-addr {name}"}:
            return str(number)
        if "action deny" not in told:
            return None
    return None


def _hits(rule: str, counters: str) -> int | None:
    counted = re.search(rf"^\s*\d+\s+{rule}\s.*\s(\d+)\s*$", counters, re.M)
    return int(counted.group(1)) if counted else None


def _change(entry: Entry, line: str) -> tuple[Command, ...]:
    suffix = "" if entry.address.version == 4 else " ipv6"
    name = _name(entry.address.version, entry.name)
    return (Command("configure"), Command(f"address {name}{suffix}"), Command(line), Command("end"))


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _change(entry, _member(entry.address))


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _change(entry, f"no {_member(entry.address)}")


def cut(entry: Entry) -> tuple[Command, ...]:
    # Without a filter `clear session` ends every session; the address is an IPv4Address or IPv6Address, never text.
    asked = [
        (Command(f"clear session {side} {entry.address}", expect=QUESTION), Command("y", tolerate=UNASKED))
        for side in ("dst-ip", "src-ip")
    ]
    return tuple(command for pair in asked for command in pair)


def sessions(entry: Entry) -> tuple[Command, ...]:
    return tuple(Command(f"show session {side} {entry.address}") for side in ("dst-ip", "src-ip"))


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return sum(line.strip().startswith("session: id ") for answer in answers for line in answer.splitlines())


def save() -> tuple[Command, ...]:
    # The second question is whether to keep a copy of the former start file.
    return (
        Command("save all", expect=QUESTION),
        Command("y", expect=QUESTION, tolerate=UNASKED, patience=60.0),
        Command("n", tolerate=UNASKED, patience=60.0),
    )


def leave() -> tuple[Command, ...]:
    return (Command("end"),)


def provision(name: str) -> tuple[str, ...]:
    return _lines(4, name) + _lines(6, name)


def _lines(version: int, name: str) -> tuple[str, ...]:
    entry = _name(version, name)
    return (
        f"address {entry}" + ("" if version == 4 else " ipv6"),
        "exit",
        "policy-global",
        f"  rule name {entry} top",
        "    action deny",
        "    src-addr " + ("Any" if version == 4 else "IPv6-any"),
        f"    dst-addr {entry}",
        "    service Any",
        "  exit",
        "exit",
    )
