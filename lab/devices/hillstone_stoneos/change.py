"""What a Hillstone firewall can be told to change: modes, the address book, rules, what is saved. Knows what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from lab.cli import Ask, Denied, Dialogue, Gone, Incomplete, Invalid, Word
from lab.devices.hillstone_stoneos.box import Entry, Rule, StoneOs, cli
from tasks.settings import Network

BUILT_IN = ("any", "ipv6-any")


def bare(word: str) -> str:
    return word.strip('"')


@cli.command("configure", "exec")
def configure(session: StoneOs) -> str:
    session.mode = "config"
    return ""


@cli.command("end", "config")
def end(session: StoneOs) -> str:
    session.mode = "exec"
    return ""


@cli.command("exit", "exec", "config", "addr", "policy", "rule")
def leave(session: StoneOs) -> str:
    above = {"config": "exec", "addr": "config", "policy": "config", "rule": "policy"}
    if session.mode == "exec":
        raise Gone
    session.mode = above[session.mode]
    return ""


@cli.command("terminal length LINES", "exec")
def terminal_length(session: StoneOs, lines: Word) -> str:
    if not lines.isdigit():
        raise Invalid(lines.column)
    session.page = int(lines)
    return ""


@cli.command("save all", "exec")
def save(session: StoneOs) -> Dialogue:
    said = yield Ask("Save configuration for all VSYS, are you sure? [y]/n: ")
    if said.strip().lower() not in ("", "y"):
        return ""
    session.device.startup = session.device.config()
    return "Saving configuration...\nSave configuration is successful"


@cli.command("address NAME", "config")
def address(session: StoneOs, name: Word) -> str:
    return _enter(session, bare(name), 4)


@cli.command("address NAME ipv6", "config")
def address6(session: StoneOs, name: Word) -> str:
    return _enter(session, bare(name), 6)


def _enter(session: StoneOs, name: str, version: int) -> str:
    entry = session.device.book.setdefault(name, Entry(name, version))
    if entry.version != version:
        raise Denied("Error: This address entry is of the other IP version")
    session.mode, session.context = "addr", name
    return ""


@cli.command("no address NAME", "config")
def no_address(session: StoneOs, name: Word) -> str:
    users = session.device.users(bare(name))
    if bare(name) not in session.device.book:
        raise Denied(f"Error: Address {bare(name)} is not found")
    if users:
        raise Denied(f'Error: This address entry is used by policy "{users[0].number}" and cannot be deleted')
    del session.device.book[bare(name)]
    return ""


@cli.command("ip ADDRESS", "addr")
def add_member(session: StoneOs, address: Word) -> str:
    entry, limit = session.device.book[session.context], session.device.faults.full
    member = _network(address, entry.version)
    if member in entry.members:
        raise Denied("Error: This member already exists in the address entry")
    if limit is not None and len(entry.members) >= limit:
        raise Denied("Error: The number of members has reached the maximum")
    entry.members.append(member)
    return ""


@cli.command("no ip ADDRESS", "addr")
def remove_member(session: StoneOs, address: Word) -> str:
    entry = session.device.book[session.context]
    member = _network(address, entry.version)
    if member not in entry.members:
        raise Denied("Error: This member is not found in the address entry")
    entry.members.remove(member)
    return ""


def _network(word: Word, version: int) -> Network:
    try:
        network = ip_network(word)
    except ValueError:
        network = None
    if network is None or network.version != version or "/" not in word:
        raise Invalid(word.column)
    return network


@cli.command("policy-global", "config")
def policy_global(session: StoneOs) -> str:
    session.mode = "policy"
    return ""


@cli.command("rule ...", "policy")
def rule(session: StoneOs, *words: Word) -> str:
    number, name, top = _rule_words(words)
    rules = session.device.rules
    known = next((r for r in rules if r.number == number or (name and r.words.get("name") == f'"{name}"')), None)
    if known is None:
        known = Rule(number or max((r.number for r in rules), default=0) + 1)
        rules.insert(0 if top else len(rules), known)
        session.terminal.write(f"Rule id {known.number} is created.\n")
    if name:
        known.words["name"] = f'"{name}"'
    session.mode, session.context = "rule", str(known.number)
    return ""


def _rule_words(words: Sequence[Word]) -> tuple[int | None, str, bool]:
    left, number, name, top = list(words), None, "", False
    while left:
        word = left.pop(0)
        if word in ("id", "name") and not left:
            raise Incomplete
        if word == "id" and left[0].isdigit():
            number = int(left.pop(0))
        elif word == "name":
            name = bare(left.pop(0))
        elif word == "top":
            top = True
        else:
            raise Invalid(word.column)
    return number, name, top


@cli.command("no rule id NUMBER", "policy")
def no_rule(session: StoneOs, number: Word) -> str:
    kept = [r for r in session.device.rules if str(r.number) != number]
    if len(kept) == len(session.device.rules):
        raise Denied(f"Error: Rule {number} is not found in this context")
    session.device.rules = kept
    return ""


def here(session: StoneOs) -> Rule:
    return next(r for r in session.device.rules if str(r.number) == session.context)


@cli.command("action WHAT", "rule")
def action(session: StoneOs, what: Word) -> str:
    if what not in ("permit", "deny"):
        raise Invalid(what.column)
    here(session).words["action"] = str(what)
    return ""


@cli.command("src-addr NAME", "rule")
def src_addr(session: StoneOs, name: Word) -> str:
    return _address(session, "src-addr", name)


@cli.command("dst-addr NAME", "rule")
def dst_addr(session: StoneOs, name: Word) -> str:
    return _address(session, "dst-addr", name)


def _address(session: StoneOs, key: str, name: Word) -> str:
    if bare(name).lower() not in BUILT_IN and bare(name) not in session.device.book:
        raise Denied(f"Error: Address {bare(name)} is not found")
    here(session).words[key] = f'"{bare(name)}"'
    return ""


@cli.command("service NAME", "rule")
def service(session: StoneOs, name: Word) -> str:
    here(session).words["service"] = f'"{bare(name)}"'
    return ""


@cli.command("src-zone NAME", "rule")
def src_zone(session: StoneOs, name: Word) -> str:
    here(session).words["src-zone"] = f'"{bare(name)}"'
    return ""


@cli.command("name NAME", "rule")
def name_rule(session: StoneOs, name: Word) -> str:
    here(session).words["name"] = f'"{bare(name)}"'
    return ""


@cli.command("disable", "rule")
def disable(session: StoneOs) -> str:
    here(session).off = True
    return ""
