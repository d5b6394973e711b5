"""Palo Alto PAN-OS: a tagged address object, a dynamic group behind the first rule. Knows the words; must not know who says them.

PAN-OS Administrator's Guide, "Use Dynamic Address Groups in Policy": a group whose filter is a tag takes in every address object that
bears it, so a block adds one object and touches no list and no rule. Registering the address without a commit would be faster still and
would time out by itself, but that is said by the XML API (`uid-message`), not by the command line, where only `show object registered-ip`
and `debug object registered-ip clear` are documented. "Commit Selective Configuration Changes": `commit partial admin NAME` commits what
that administrator changed and leaves the others' pending changes pending; `revert config partial admin NAME` takes ours back after a
refusal. So hemostat logs in with an account of its own. A commit takes a minute and more. "Lock Configurations": another's lock refuses.
`show object dynamic-address-group` and `show running security-policy` tell what is in force, not the candidate. There are no timed
objects: hemostat ends the block itself. A commit writes to disk, so there is nothing to save.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import TargetError

platform = "paloalto_panos"
driver = "paloalto_panos"
channel: Channel = "cli"
prompt = r"[\r\n]{base}[>#] ?$"
failures = (  # the reason stands before "Commit failed", so it is looked for first
    r"^\s*Error: .*",
    r"^\s*Validation Error.*\s*.*",
    r"^\s*Server error ?:.*",
    r"^\s*Invalid syntax\..*",
    r"^\s*Unknown command:.*",
    r"^\s*Incomplete command.*",
    r"^\s*Commit failed.*",
    r"(?i)^.*(?:commit|validat\w+) is in progress\. (?!Use Ctrl).*",
)
ports = False
timed = False

COMMIT = 300.0  # seconds
ABSENT = r"(?i)(?:does not|doesn't) exist|not (?:found|present)"
EVERYTHING = (
    r"^\s+from any;",
    r"^\s+to any;",
    r"^\s+source any;",
    r"^\s+user any;",
    r"^\s+category any;",
    r"^\s+application/service\s+(?:\d+:)?any/any/any/any;",
    r"^\s+action (?:deny|drop|reset-\w+);",
)


def _object(entry: Entry) -> str:
    return f"hemostat-{entry.address}".replace(":", "_")  # a name may hold letters, digits, space, dot, - and _


def look(entry: Entry) -> tuple[Command, ...]:
    return (
        Command(f"show object dynamic-address-group name {entry.name}", tolerate=ABSENT),
        Command("show running security-policy"),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    group, policy = answers
    if "filter:" not in group and not re.search(ABSENT, group):
        raise TargetError("read the dynamic group", f"the device answered {group!r}", "look at the device by hand")
    members = re.findall(r"^\s+(\S+) \([ORDS]\)\s*$", group, re.M)
    first, body = next(_rules(policy), ("", ""))
    whole = all(re.search(wanted, body, re.M) for wanted in EVERYTHING)
    enforced = first == entry.name and whole and "filter:" in group
    return Listing(
        present=bool({_object(entry), str(entry.address)} & set(members)),
        enforced=enforced,
        seen=f"{len(members)} members, "
        + (
            "denied by the first rule"
            if enforced
            else f"the first rule is {first or 'none'}, or it denies less than all"
        ),
        missing=() if enforced else provision(entry.name),
    )


def _rules(policy: str) -> Iterator[tuple[str, str]]:
    """Name and text of each rule in force, first one first."""
    for part in re.split(r"^\}", policy, flags=re.M)[:-1]:
        if head := re.search(r"^\"?([^\"{;\r\n]+?)(?:; index: \d+)?\"? \{", part, re.M):
            yield head[1], part[head.end() :]


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    name = _object(entry)
    return _configure(
        Command(f"set address {name} ip-netmask {ip_network(entry.address)}"),
        Command(f"set address {name} description {entry.incident}"),
        Command(f"set address {name} tag {entry.name}"),
    )


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _configure(Command(f"delete address {_object(entry)}", tolerate=ABSENT))


def _configure(*said: Command) -> tuple[Command, ...]:
    return (
        Command("configure"),
        *said,
        Command("commit partial admin {user}", patience=COMMIT),
        Command("exit"),
    )


def cut(entry: Entry) -> tuple[Command, ...]:
    # Without a filter this would end every session; the address is an IPv4Address or IPv6Address, never text.
    return (Command(f"clear session all filter destination {entry.address}"),)


def sessions(entry: Entry) -> tuple[Command, ...]:
    return (Command(f"show session all filter count yes destination {entry.address}"),)


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return sum(map(int, re.findall(r"sessions that match filter: (\d+)", answers[0])))


def save() -> tuple[Command, ...]:
    return ()


def leave() -> tuple[Command, ...]:
    # In operational mode the first is unknown and the second, which would log out, is not said any more.
    return (Command("revert config partial admin {user}", patience=60), Command("exit"))


def provision(name: str) -> tuple[str, ...]:
    rule = f"set rulebase security rules {name}"
    return (
        f"set tag {name}",
        f"set address-group {name} dynamic filter \"'{name}'\"",
        f"{rule} from any",
        f"{rule} to any",
        f"{rule} source any",
        f"{rule} destination {name}",
        f"{rule} application any",
        f"{rule} service any",
        f"{rule} action deny",
        f"move rulebase security rules {name} top",
    )
