"""What an ASA can be told to change: configuration, connections, what is saved. Knows what it refuses, and in which words."""

from __future__ import annotations

import hashlib

from lab.acl import Ace, Group, Policy
from lab.cli import Ask, Denied, Dialogue, Gone, Word
from lab.devices.cisco_asa.box import HEAD, Asa, Box, cli, group_of, here, interface_of, list_of
from lab.devices.cisco_asa.text import member_words, read_ace, read_member
from lab.words import address_of


@cli.command("clear conn", "priv")
@cli.command("clear conn all", "priv")
def clear_conns(session: Asa) -> str:
    return f"{session.device.conns.cut()} connection(s) deleted."


@cli.command("clear conn address ADDRESS", "priv")
def clear_conns_of(session: Asa, address: Word) -> str:
    return f"{session.device.conns.cut(address_of(address))} connection(s) deleted."


@cli.command("write", "priv")
@cli.command("write memory", "priv")
def write_memory(session: Asa) -> str:
    return save(session.device)


def save(device: Box) -> str:
    """Make the running configuration the startup configuration."""
    text = device.startup = device.config()
    digest = hashlib.sha256(text.encode()).hexdigest()
    words = " ".join(digest[i : i + 8] for i in range(0, 32, 8))
    size = len(text) + len(HEAD)
    return f"Building configuration...\nCryptochecksum: {words}\n\n{size} bytes copied in 0.340 secs\n[OK]"


@cli.command("reload", "priv")
def reload(session: Asa) -> Dialogue:
    if session.device.startup != session.device.config():
        wanted = yield Ask("System config has been modified. Save? [Y]es/[N]o:")
        if wanted.lower().startswith("y"):
            yield save(session.device) + "\n"
    sure = yield Ask("Proceed with reload? [confirm]")
    if sure.strip().lower() not in ("", "y"):
        return ""
    session.device.reboot()
    raise Gone


@cli.command("object-group network NAME", "config")
def object_group(session: Asa, name: Word) -> str:
    session.device.policy.groups.setdefault(name, Group(str(name)))
    session.mode, session.context = "group", str(name)
    return ""


@cli.command("no object-group network NAME", "config")
def no_object_group(session: Asa, name: Word) -> str:
    group = group_of(session, name)
    if session.device.policy.users(group.name):
        raise Denied(f"Removing object-group ({name}) not allowed, it is being used.")
    del session.device.policy.groups[group.name]
    return ""


@cli.command("description ...", "group")
def description(session: Asa, *words: Word) -> str:
    here(session).description = " ".join(words)
    return ""


@cli.command("no description", "group")
def no_description(session: Asa) -> str:
    here(session).description = ""
    return ""


@cli.command("network-object ...", "group")
def network_object(session: Asa, *words: Word) -> str:
    group, member = here(session), read_member(words)
    limit = session.device.faults.full
    if member in group.members:
        raise Denied(
            f"Adding obj (network-object {member_words(member)}) to grp ({group.name}) failed; object already exists"
        )
    if limit is not None and len(group.members) >= limit:
        raise Denied("ERROR: Unable to add, access-list config limit reached")
    group.members[member] = member_words(member)
    return ""


@cli.command("no network-object ...", "group")
def no_network_object(session: Asa, *words: Word) -> str:
    group, member = here(session), read_member(words)
    if member not in group.members:
        raise Denied("obj does not exist in this group")
    if len(group.members) == 1 and session.device.policy.users(group.name):
        raise Denied(
            "Removing obj from object-group not allowed;\n"
            f"object-group ({group.name}),  being used in access-list, would become empty"
        )
    del group.members[member]
    return ""


@cli.command("access-list NAME ...", "config")
def access_list(session: Asa, name: Word, *words: Word) -> str:
    policy = session.device.policy
    line, ace = read_ace(policy, words)
    entries = policy.lists.get(name, [])
    if any(ace.words == other.words for other in entries if not ace.remark):
        return "WARNING: <" + str(name) + "> found duplicate element"
    entries.insert(len(entries) if line is None else line - 1, ace)
    policy.lists[str(name)] = entries
    return ""


@cli.command("no access-list NAME ...", "config")
def no_access_list(session: Asa, name: Word, *words: Word) -> str:
    policy = session.device.policy
    _, wanted = read_ace(policy, words)
    entries = list_of(session, name)
    kept = [ace for ace in entries if ace.words != wanted.words]
    if len(kept) == len(entries):
        raise Denied("Specified access-list does not exist")
    _replace(policy, str(name), kept)
    return ""


def _replace(policy: Policy, name: str, entries: list[Ace]) -> None:
    """An access list that loses its last entry is gone, and so is its binding."""
    policy.lists[name] = entries
    if not entries:
        del policy.lists[name]
        policy.bound = {interface: bound for interface, bound in policy.bound.items() if bound != name}


@cli.command("access-group NAME in interface INTERFACE", "config")
def access_group(session: Asa, name: Word, interface: Word) -> str:
    list_of(session, name)
    session.device.policy.bound[interface_of(interface)] = str(name)
    return ""


@cli.command("no access-group NAME in interface INTERFACE", "config")
def no_access_group(session: Asa, name: Word, interface: Word) -> str:
    if session.device.policy.bound.get(interface_of(interface)) != name:
        raise Denied(f"ERROR: access-group {name} is not bound to {interface}")
    del session.device.policy.bound[interface]
    return ""
