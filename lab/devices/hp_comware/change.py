"""What an H3C firewall can be told to change: views, groups, rules, what is saved. Knows what it refuses, and in which words."""

from __future__ import annotations

from ipaddress import ip_address

from lab.cli import Denied, Gone, Invalid, Word
from lab.devices.hp_comware.box import Comware, Group, Rule, cli
from tasks.model import Address

GROUPS = ("ip-group", "ipv6-group")
POLICIES = ("ip-policy", "ipv6-policy")
RULES = ("ip-rule", "ipv6-rule")
VIEWS = ("system", *GROUPS, *POLICIES, *RULES)


def family_of(session: Comware) -> str:
    return session.mode.partition("-")[0]


def family_word(word: Word) -> str:
    if word not in ("ip", "ipv6"):
        raise Invalid(word.column)
    return str(word)


def address_of(word: Word, family: str) -> Address:
    try:
        address = ip_address(word)
    except ValueError:
        address = None
    if address is None or address.version != (4 if family == "ip" else 6):
        raise Denied(f"{' ' * word.column}^\n % Wrong parameter found at '^' position.")
    return address


def group_here(session: Comware) -> Group:
    return session.device.groups[family_of(session), session.context.lower()]


def rule_here(session: Comware) -> Rule:
    number = int(session.context.partition("-")[0])
    return next(rule for rule in session.device.rules[family_of(session)] if rule.number == number)


@cli.command("system-view", "user")
def system_view(session: Comware) -> str:
    session.mode = "system"
    return "System View: return to User View with Ctrl+Z."


@cli.command("return", *VIEWS)
def user_view(session: Comware) -> str:
    session.mode = "user"
    return ""


@cli.command("quit", "user", *VIEWS)
def leave(session: Comware) -> str:
    if session.mode == "user":
        raise Gone
    above = {"system": "user"} | {rule: rule.replace("rule", "policy") for rule in RULES}
    session.mode = above.get(session.mode, "system")
    return ""


@cli.command("save force", "user", *VIEWS)
def save(session: Comware) -> str:
    session.device.startup = session.device.config()
    return "Validating file. Please wait...\nConfiguration is saved to device successfully."


@cli.command("object-group FAMILY address NAME", "system")
def object_group(session: Comware, family: Word, name: Word) -> str:
    kind = family_word(family)
    session.device.groups.setdefault((kind, name.lower()), Group(kind, str(name)))
    session.mode, session.context = f"{kind}-group", str(name)
    return ""


@cli.command("undo object-group FAMILY address NAME", "system")
def undo_object_group(session: Comware, family: Word, name: Word) -> str:
    group = session.device.groups.get((family_word(family), name.lower()))
    if group is None:
        raise Denied("The object group does not exist.")
    if session.device.users(group):
        raise Denied("Failed to delete the object group: it is in use.")
    del session.device.groups[group.family, group.name.lower()]
    return ""


@cli.command("network host address ADDRESS", *GROUPS)
def add_host(session: Comware, address: Word) -> str:
    return _add(session, None, address)


@cli.command("NUMBER network host address ADDRESS", *GROUPS)
def add_numbered_host(session: Comware, number: Word, address: Word) -> str:
    if not number.isdigit():
        raise Invalid(number.column)
    return _add(session, int(number), address)


def _add(session: Comware, number: int | None, address: Word) -> str:
    group, limit = group_here(session), session.device.faults.full
    member = address_of(address, group.family)
    if member in group.objects.values():
        raise Denied("Failed to add the object: it already exists.")
    if limit is not None and len(group.objects) >= limit:
        raise Denied("The number of objects in the object group has reached the maximum.")
    last = max(group.objects, default=-10)
    group.objects[last + 10 - last % 10 if number is None else number] = member
    return ""


@cli.command("undo network host address ADDRESS", *GROUPS)
def remove_host(session: Comware, address: Word) -> str:
    group = group_here(session)
    member = address_of(address, group.family)
    if member not in group.objects.values():
        raise Denied("The object does not exist.")
    group.objects = {n: a for n, a in group.objects.items() if a != member}
    return ""


@cli.command("security-policy FAMILY", "system")
def security_policy(session: Comware, family: Word) -> str:
    session.mode = f"{family_word(family)}-policy"
    return ""


@cli.command("accelerate enhanced enable", *POLICIES)
def accelerate(session: Comware) -> str:
    return ""


@cli.command("rule name NAME", *POLICIES)
def new_rule(session: Comware, name: Word) -> str:
    rules = session.device.rules[family_of(session)]
    known = next((r for r in rules if r.name.lower() == name.lower()), None)
    return _enter(session, known.number if known else max((r.number for r in rules), default=-1) + 1, name)


@cli.command("rule NUMBER name NAME", *POLICIES)
def numbered_rule(session: Comware, number: Word, name: Word) -> str:
    if not number.isdigit():
        raise Invalid(number.column)
    return _enter(session, int(number), name)


def _enter(session: Comware, number: int, name: Word) -> str:
    rules = session.device.rules[family_of(session)]
    if not any(rule.number == number for rule in rules):
        rules.append(Rule(number, str(name)))
    session.mode, session.context = f"{family_of(session)}-rule", f"{number}-{name}"
    return ""


@cli.command("undo rule NUMBER", *POLICIES)
def undo_rule(session: Comware, number: Word) -> str:
    family = family_of(session)
    kept = [rule for rule in session.device.rules[family] if str(rule.number) != number]
    if len(kept) == len(session.device.rules[family]):
        raise Denied("The rule does not exist.")
    session.device.rules[family] = kept
    return ""


@cli.command("move rule NUMBER before OTHER", *POLICIES)
def move_rule(session: Comware, number: Word, other: Word) -> str:
    rules = session.device.rules[family_of(session)]
    found = {str(rule.number): rule for rule in rules}
    if number not in found or other not in found:
        raise Denied("The rule does not exist.")
    rules.remove(found[number])
    rules.insert(rules.index(found[other]), found[number])
    return ""


@cli.command("action WHAT", *RULES)
def action(session: Comware, what: Word) -> str:
    if what not in ("drop", "pass"):
        raise Invalid(what.column)
    rule_here(session).action = str(what)
    return ""


@cli.command("destination-ip NAME", *RULES)
def destination(session: Comware, name: Word) -> str:
    if (family_of(session), name.lower()) not in session.device.groups:
        raise Denied(f"The object group {name} does not exist.")
    return _say(session, f"destination-ip {name}")


@cli.command("source-zone ZONE", *RULES)
def source_zone(session: Comware, zone: Word) -> str:
    return _say(session, f"source-zone {zone}")


@cli.command("counting enable", *RULES)
def counting(session: Comware) -> str:
    return _say(session, "counting enable")


@cli.command("disable", *RULES)
def disable(session: Comware) -> str:
    return _say(session, "disable")


def _say(session: Comware, line: str) -> str:
    rule = rule_here(session)
    rule.words = [word for word in rule.words if word != line] + [line]
    return ""
