"""What an IOS router can be told to change: lists, bindings, what is saved. Knows what it refuses, and in which words."""

from __future__ import annotations

from typing import Literal

from lab.cli import Ask, Denied, Dialogue, Gone, Word
from lab.devices.cisco_ios.box import Box, Ios, cli, here, interface_of
from lab.devices.cisco_ios.text import Ace, read_ace
from lab.words import number_of

MOST = 2147483647


@cli.command("ip access-list extended NAME", "config")
def list4(session: Ios, name: Word) -> str:
    return _enter(session, "acl4", 4, name)


@cli.command("ipv6 access-list NAME", "config")
def list6(session: Ios, name: Word) -> str:
    return _enter(session, "acl6", 6, name)


def _enter(session: Ios, mode: str, version: Literal[4, 6], name: str) -> str:
    other = 6 if version == 4 else 4
    if (other, name) in session.device.lists:
        raise Denied(f"% Access list {name} already exists with a different type")
    session.device.lists.setdefault((version, name), {})
    session.mode, session.context = mode, name
    return ""


@cli.command("no ip access-list extended NAME", "config")
def no_list4(session: Ios, name: Word) -> str:
    session.device.lists.pop((4, name), None)
    return ""


@cli.command("no ipv6 access-list NAME", "config")
def no_list6(session: Ios, name: Word) -> str:
    session.device.lists.pop((6, name), None)
    return ""


@cli.command("ip access-list resequence NAME START STEP", "config")
def resequence(session: Ios, name: Word, start: Word, step: Word) -> str:
    first, by = number_of(start, 1, MOST), number_of(step, 1, MOST)
    entries = session.device.lists.get((4, name))
    if entries is None:
        raise Denied(f"% Access list {name} does not exist")
    session.device.lists[4, name] = {first + i * by: entries[n] for i, n in enumerate(sorted(entries))}
    return ""


@cli.command("NUMBER permit ...", "acl4")
def permit4(session: Ios, number: Word, *words: Word) -> str:
    return _add(session, number_of(number, 1, MOST), read_ace(4, "permit", words))


@cli.command("NUMBER deny ...", "acl4")
def deny4(session: Ios, number: Word, *words: Word) -> str:
    return _add(session, number_of(number, 1, MOST), read_ace(4, "deny", words))


@cli.command("sequence NUMBER permit ...", "acl6")
def permit6(session: Ios, number: Word, *words: Word) -> str:
    return _add(session, number_of(number, 1, MOST), read_ace(6, "permit", words))


@cli.command("sequence NUMBER deny ...", "acl6")
def deny6(session: Ios, number: Word, *words: Word) -> str:
    return _add(session, number_of(number, 1, MOST), read_ace(6, "deny", words))


@cli.command("permit ...", "acl4", "acl6")
def permit_last(session: Ios, *words: Word) -> str:
    return _append(session, read_ace(_version(session), "permit", words))


@cli.command("deny ...", "acl4", "acl6")
def deny_last(session: Ios, *words: Word) -> str:
    return _append(session, read_ace(_version(session), "deny", words))


def _version(session: Ios) -> Literal[4, 6]:
    return 4 if session.mode == "acl4" else 6


def _append(session: Ios, ace: Ace) -> str:
    """Without a number an entry goes to the end, ten after the last."""
    return _add(session, max(here(session), default=0) + 10, ace)


def _add(session: Ios, number: int, ace: Ace) -> str:
    entries = here(session)
    if any(other.words == ace.words for other in entries.values()):
        return ""  # an equal entry changes nothing
    if number in entries:
        raise Denied("% Duplicate sequence number")
    entries[number] = ace
    return ""


@cli.command("no NUMBER", "acl4")
@cli.command("no sequence NUMBER", "acl6")
def no_number(session: Ios, number: Word) -> str:
    here(session).pop(number_of(number, 1, MOST), None)
    return ""


@cli.command("no permit ...", "acl4", "acl6")
def no_permit(session: Ios, *words: Word) -> str:
    return _remove(session, read_ace(_version(session), "permit", words))


@cli.command("no deny ...", "acl4", "acl6")
def no_deny(session: Ios, *words: Word) -> str:
    return _remove(session, read_ace(_version(session), "deny", words))


def _remove(session: Ios, ace: Ace) -> str:
    entries = here(session)
    for number in [n for n, other in entries.items() if other.words == ace.words]:
        del entries[number]
    return ""


@cli.command("interface NAME", "config")
def interface(session: Ios, name: Word) -> str:
    session.mode, session.context = "interface", interface_of(name)
    return ""


@cli.command("ip access-group NAME in", "interface")
def group_in(session: Ios, name: Word) -> str:
    return _bind(session, 4, "in", name)


@cli.command("ip access-group NAME out", "interface")
def group_out(session: Ios, name: Word) -> str:
    return _bind(session, 4, "out", name)


@cli.command("ipv6 traffic-filter NAME in", "interface")
def filter_in(session: Ios, name: Word) -> str:
    return _bind(session, 6, "in", name)


@cli.command("ipv6 traffic-filter NAME out", "interface")
def filter_out(session: Ios, name: Word) -> str:
    return _bind(session, 6, "out", name)


def _bind(session: Ios, version: int, way: str, name: str) -> str:
    session.device.interfaces[session.context].lists[version, way] = str(name)
    return ""


@cli.command("no ip access-group NAME in", "interface")
def no_group_in(session: Ios, name: Word) -> str:
    session.device.interfaces[session.context].lists.pop((4, "in"), None)
    return ""


@cli.command("write", "priv")
@cli.command("write memory", "priv")
def write(session: Ios) -> str:
    return save(session.device)


@cli.command("copy running-config startup-config", "priv")
def copy(session: Ios) -> Dialogue:
    yield Ask("Destination filename [startup-config]? ")
    return save(session.device)


def save(device: Box) -> str:
    """Make the running configuration the startup configuration."""
    device.startup = device.config()
    return "Building configuration...\n[OK]"


@cli.command("reload", "priv")
def reload(session: Ios) -> Dialogue:
    if session.device.startup != session.device.config():
        wanted = yield Ask("\nSystem configuration has been modified. Save? [yes/no]: ")
        if wanted.lower().startswith("y"):
            yield save(session.device) + "\n"
    sure = yield Ask("Proceed with reload? [confirm]")
    if sure.strip().lower() not in ("", "y"):
        return ""
    session.device.reboot()
    raise Gone
