"""What an H3C firewall shows, and the sessions that it ends. Knows its words; changes no configuration."""

from __future__ import annotations

from lab.cli import Denied, Invalid, Word
from lab.device import Conn
from lab.devices.hp_comware.box import Comware, cli
from lab.devices.hp_comware.change import VIEWS, address_of, family_word

ANY = ("user", *VIEWS)


@cli.command("screen-length disable", "user")
def screen_length(session: Comware) -> str:
    session.page = 0
    return ""


@cli.command("display version", *ANY)
def show_version(session: Comware) -> str:
    return "H3C Comware Software, Version 7.1.064, Release 9524\nhemostat laboratory, not a real H3C"


@cli.command("display current-configuration", *ANY)
def show_config(session: Comware) -> str:
    text = session.device.config().replace(" quit\n", "#\n")
    return f"#\n version 7.1.064, Release 9524\n#\n sysname {session.device.hostname}\n#\n{text}return"


@cli.command("display object-group FAMILY address name NAME", *ANY)
def show_group(session: Comware, family: Word, name: Word) -> str:
    group = session.device.groups.get((family_word(family), name.lower()))
    if group is None:
        raise Denied("The object group does not exist.")
    kind = "IP" if group.family == "ip" else "IPv6"
    used = "in use" if session.device.users(group) else "out of use"
    head = f"{kind} address object group {group.name}: {len(group.objects)} objects({used})"
    return "\n".join([head, *(f" {line}" for line in group.lines())])


@cli.command("display security-policy FAMILY", *ANY)
def show_policy(session: Comware, family: Word) -> str:
    rules = session.device.rules[family_word(family)]
    return "\n".join([f"Security-policy {family}", "", *(f" {line}" for rule in rules for line in rule.lines())])


@cli.command("display security-policy statistics FAMILY", *ANY)
def show_statistics(session: Comware, family: Word) -> str:
    rules = [rule for rule in session.device.rules[family_word(family)] if "counting enable" in rule.words]
    rows = [
        f"rule {r.number} name {r.name}\n action: {r.action} ({r.packets} packets, {r.packets * 60} bytes)"
        for r in rules
    ]
    return "\n".join([f"IPv{4 if family == 'ip' else 6} security policy rules:", *rows])


@cli.command("display session table ipv4 SIDE ADDRESS", *ANY)
def show_sessions(session: Comware, side: Word, address: Word) -> str:
    return _table(_found(session, "ip", side, address))


@cli.command("display session table ipv6 SIDE ADDRESS", *ANY)
def show_sessions6(session: Comware, side: Word, address: Word) -> str:
    return _table(_found(session, "ipv6", side, address))


@cli.command("reset session table ipv4 SIDE ADDRESS", "user")
def reset_sessions(session: Comware, side: Word, address: Word) -> str:
    return _end(session, _found(session, "ip", side, address))


@cli.command("reset session table ipv6 SIDE ADDRESS", "user")
def reset_sessions6(session: Comware, side: Word, address: Word) -> str:
    return _end(session, _found(session, "ipv6", side, address))


def _found(session: Comware, family: str, side: Word, address: Word) -> list[Conn]:
    if side not in ("source-ip", "destination-ip"):
        raise Invalid(side.column)
    wanted = address_of(address, family)
    conns = session.device.conns.of(wanted)
    return [c for c in conns if (c.flow.target if side == "destination-ip" else c.flow.source) == wanted]


def _table(conns: list[Conn]) -> str:
    rows = [
        "Initiator:\n"
        f"  Source      IP/port: {c.flow.source}/{c.flow.source_port}\n"
        f"  Destination IP/port: {c.flow.target}/{c.flow.target_port}\n"
        "  VPN instance/VLAN ID/Inline ID: -/-/-\n  Protocol: TCP(6)\n  Source security zone: Trust"
        for c in conns
    ]
    return "\n".join(["Slot 1:", *rows, f"Total sessions found: {len(conns)}"])


def _end(session: Comware, conns: list[Conn]) -> str:
    for conn in conns:
        session.device.conns.remove(conn)
        conn.end()
    return ""
