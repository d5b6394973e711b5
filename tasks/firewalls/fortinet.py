"""Fortinet FortiGate: an address group behind the first policy. Knows the words; must not know who says them.

FortiOS CLI Reference, `config firewall address`, `addrgrp`, `address6`, `addrgrp6`, `policy`. Fortinet Technical Tip 197205, "Useful
multi-option values CLI commands": `append` and `unselect` change one member, `set` would replace the list. A group that has no member is
refused ("Attribute 'member' MUST be set"), so it keeps a dummy from TEST-NET-1. `diagnose sys session clear` ends every session that the
filter of this login names, and all of them without one: it is said only after the filter was taken, and a refused filter stops it.
`end` writes to disk at once; there is no candidate, and no lock. IPv6 has objects and groups of its own: NAME-6. The object's
comment carries the incident. There are no timed addresses: hemostat ends the block itself. FortiOS 6.4 and later, where one policy
holds both families. Where paging is on, netmiko's driver takes it out of the configuration at login, and the session puts it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import TargetError

platform = "fortinet"
driver = "fortinet"
channel: Channel = "cli"
prompt = r"[\r\n]{base} ?(?:\([^)\r\n]*\) )?[#$] ?$"
failures = (  # the reason stands before the return code, so it is looked for first
    r"^Unknown action.*",
    r"^(?:command|value) parse error.*",
    r"^entry (?:is )?not found.*",
    r"^object (?:set|check) operator error.*",
    r"^node_check_object fail.*",
    r"^Attribute '.*' MUST be set.*",
    r"^The entry is used by .*",
    r"^(?:incomplete|ambiguous) command.*",
    r"^Command fail\..*",
)
ports = False
changes_at_login = True
timed = False

EVERYTHING = {"service": '"ALL"', "schedule": '"always"', "srcintf": '"any"', "dstintf": '"any"'}
NARROWER = ("groups", "users", "fsso-groups", "internet-service", "internet-service-src")
DUMMY4, DUMMY6 = "192.0.2.1 255.255.255.255", "2001:db8::1/128"
ABSENT = r"not found in (?:table|datasource)|entry not found"


def _six(entry: Entry) -> str:
    return "" if entry.address.version == 4 else "6"


def _group(entry: Entry) -> str:
    return entry.name if entry.address.version == 4 else f"{entry.name}-6"


def _object(entry: Entry) -> str:
    return f"hemostat-{entry.address}".replace(":", "_")


def _value(entry: Entry) -> str:
    net = ip_network(entry.address)
    return f"set subnet {entry.address} {net.netmask}" if net.version == 4 else f"set ip6 {net}"


def look(entry: Entry) -> tuple[Command, ...]:
    return (
        Command(f"show firewall addrgrp{_six(entry)} {_group(entry)}", tolerate=ABSENT),
        Command(f"show firewall address{_six(entry)} {_object(entry)}", tolerate=ABSENT),
        Command("show firewall policy"),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    group, address, policies = answers
    for answer, name in ((group, _group(entry)), (address, _object(entry))):
        if f'edit "{name}"' not in answer and not re.search(ABSENT, answer):
            raise TargetError(f"read {name}", f"the device answered {answer!r}", "look at the device by hand")
    found = re.search(r"^\s+set member (.*)$", group, re.M)
    members = re.findall(r"\"([^\"]*)\"|(\S+)", found.group(1)) if found else []
    names = [quoted or bare for quoted, bare in members]
    number = _denied_first(entry, policies)
    enforced = bool(names) and number != ""
    comment = re.search(r"^\s+set comment \"?([^\"\r\n]+)", address, re.M)
    return Listing(
        present=_object(entry) in names and _value(entry) in " ".join(address.split()),
        enforced=enforced,
        seen=f"{len(names)} members, "
        + (f"denied first by policy {number}" if number else "no policy denies it first"),
        missing=() if enforced else _provision(entry.name, entry.address.version),
        note=comment.group(1) if comment else "",
    )


def _denied_first(entry: Entry, policies: str) -> str:
    """The policy that denies the group before any other lets something pass."""
    key = f"dstaddr{_six(entry)}"
    for number, settings in _policies(policies):
        if settings.get("status") == "disable":
            continue
        if settings.get("action", "deny") != "deny":
            return ""
        whole = (
            all(settings.get(k) == v for k, v in EVERYTHING.items())
            and settings.get(f"srcaddr{_six(entry)}") == '"all"'
        )
        turned = any("negate" in setting and value == "enable" for setting, value in settings.items())
        turned = turned or any(key in settings for key in NARROWER)
        if whole and not turned and f'"{_group(entry)}"' in settings.get(key, "").split():
            return number
    return ""


def _policies(shown: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each policy's number and settings, in the order in which they are tried. `show` leaves out what is the default."""
    _, *parts = re.split(r"^\s+edit (\d+)\s*$", shown, flags=re.M)
    for number, rest in zip(parts[::2], parts[1::2], strict=True):
        body, *ended = re.split(r"^\s+next\s*$", rest, maxsplit=1, flags=re.M)
        if ended:
            yield number, {key: value.rstrip() for key, value in re.findall(r"^\s+set (\S+) (.*)$", body, re.M)}


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    six, name = _six(entry), _object(entry)
    return _say(
        f"config firewall address{six}",
        f"edit {name}",
        _value(entry),
        f"set comment {entry.incident}",
        "end",
        f"config firewall addrgrp{six}",
        f"edit {_group(entry)}",
        f"append member {name}",
        "end",
    )


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    six, name = _six(entry), _object(entry)
    return _say(
        f"config firewall addrgrp{six}",
        f"edit {_group(entry)}",
        f"unselect member {name}",
        "end",
        f"config firewall address{six}",
        f"delete {name}",
        "end",
    )


def _say(*lines: str) -> tuple[Command, ...]:
    # What is gone already may be taken back once more: after a connection that broke between the group and the object.
    gone = ("unselect", "delete")
    return tuple(Command(line, tolerate=ABSENT if line.startswith(gone) else "") for line in lines)


def _filtered(entry: Entry, verb: str) -> tuple[Command, ...]:
    kind = f"diagnose sys session{_six(entry)}"
    return _say(f"{kind} filter clear", f"{kind} filter dst {entry.address}", f"{kind} {verb}", f"{kind} filter clear")


def cut(entry: Entry) -> tuple[Command, ...]:
    return _filtered(entry, "clear")


def sessions(entry: Entry) -> tuple[Command, ...]:
    return _filtered(entry, "list")


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return len(re.findall(r"^session6? info: ", answers[2], re.M))


def save() -> tuple[Command, ...]:
    return ()


def leave() -> tuple[Command, ...]:
    return (Command("abort"),)


def provision(name: str) -> tuple[str, ...]:
    return (*_provision(name, 4), *_provision(name, 6))


def _provision(name: str, version: int) -> tuple[str, ...]:
    six, group = ("", name) if version == 4 else ("6", f"{name}-6")
    value = f"subnet {DUMMY4}" if version == 4 else f"ip6 {DUMMY6}"
    return (
        f"config firewall address{six}",
        f"edit hemostat-dummy{six}",
        f"set {value}",
        "end",
        f"config firewall addrgrp{six}",
        f"edit {group}",
        f"append member hemostat-dummy{six}",
        "end",
        "config firewall policy",
        "edit 0",
        f"set name {group}",
        "set srcintf any",
        "set dstintf any",
        f"set srcaddr{six} all",
        f"set dstaddr{six} {group}",
        "set action deny",
        "set schedule always",
        "set service ALL",
        "end",
        "# then, in `config firewall policy`: move ITS-NUMBER before FIRST-NUMBER",
    )
