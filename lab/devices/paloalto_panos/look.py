"""What a PAN-OS firewall shows in operational mode. Knows the words of each command; changes no configuration."""

from __future__ import annotations

from lab.cli import Ask, Dialogue, Gone, Word
from lab.device import Conn
from lab.devices.paloalto_panos.box import KEYS, Pan, cli, group, networks, rules, values
from lab.words import address_of, number_of

RULER = "-" * 80


@cli.command("set cli scripting-mode on", "operational")
@cli.command("set cli scripting-mode off", "operational")
def scripting(session: Pan) -> str:
    return ""


@cli.command("set cli pager off", "operational")
def pager(session: Pan) -> str:
    session.page = 0
    return ""


@cli.command("set cli terminal width COLUMNS", "operational")
def width(session: Pan, columns: Word) -> str:
    number_of(columns, 1, 500)
    return ""


@cli.command("show system info", "operational")
def info(session: Pan) -> str:
    return (
        f"\nhostname: {session.device.hostname}\nmodel: PA-VM\nsw-version: 10.2.4\n"
        "serial: hemostat laboratory, not a real firewall\nmulti-vsys: off\noperational-mode: normal\n"
    )


@cli.command("exit", "operational")
@cli.command("quit", "operational")
def leave(session: Pan) -> str:
    raise Gone


@cli.command("show object dynamic-address-group all", "operational")
def all_groups(session: Pan) -> str:
    names = [s[1] for s in session.device.running if s[0] == "address-group" and s[2] == "dynamic"]
    return _groups(session, names)


@cli.command("show object dynamic-address-group name NAME", "operational")
def one_group(session: Pan, name: Word) -> str:
    found = [s[1] for s in session.device.running if s[:3] == ("address-group", name, "dynamic")]
    return _groups(session, found) if found else f"Dynamic address group {name} does not exist"


def _groups(session: Pan, names: list[str]) -> str:
    head = (
        "\nDynamic address groups in vsys vsys1:\n"
        + "-" * 52
        + "\n\n----------------defined in vsys --------------------"
    )
    shown = "".join(f"\n{_group(session, name)}" for name in names)
    return f"{head}{shown}\n\nO: address object; R: registered ip; D: dynamic group; S: static group\n"


def _group(session: Pan, name: str) -> str:
    running = session.device.running
    text = next(s[4] for s in running if s[:4] == ("address-group", name, "dynamic", "filter"))
    used = any(s[:3] == ("rulebase", "security", "rules") and s[-1] == name for s in running)
    members = group(running, name)
    listed = "".join(f"\n                {member} (O)" for member in members)
    return f'{name}\n        filter: "{text}"\n        members: ' + (
        f"total {len(members)}{listed}" if used else "(not in use)"
    )


@cli.command("show running security-policy", "operational")
def policy(session: Pan) -> str:
    running = session.device.running
    return "\n\n".join(_rule(session, name, number) for number, name in enumerate(rules(running), 1))


def _rule(session: Pan, name: str, number: int) -> str:
    running = session.device.running
    shown = {key: values(running, name, key) for key in (*KEYS, "action")}
    targets = [
        str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)
        for target in shown["destination"]
        for net in networks(running, target)
    ]
    return (
        f'"{name}; index: {number}" {{\n        from {_some(shown["from"])};\n        source {_some(shown["source"])};\n'
        f"        source-region none;\n        to {_some(shown['to'])};\n        destination {_some(targets)};\n"
        "        destination-region none;\n        user any;\n        category any;\n"
        f"        application/service {_some(shown['application'])}/any/any/{_some(shown['service'])};\n"
        f"        action {_some(shown['action'])};\n        icmp-unreachable: no\n        terminal yes;\n}}"
    )


def _some(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    return f"[ {' '.join(words)} ]" if words else "any"


@cli.command("show session all", "operational")
def sessions(session: Pan) -> str:
    return _table(session.device.conns.of())


@cli.command("show session all filter destination ADDRESS", "operational")
def sessions_to(session: Pan, address: Word) -> str:
    return _table(_to(session, address))


@cli.command("show session all filter count yes destination ADDRESS", "operational")
def session_count(session: Pan, address: Word) -> str:
    return f"\nNumber of sessions that match filter: {len(_to(session, address))}\n"


def _to(session: Pan, address: Word) -> list[Conn]:
    wanted = address_of(address)
    return [conn for conn in session.device.conns.of() if conn.flow.target == wanted]


def _table(conns: list[Conn]) -> str:
    if not conns:
        return "\nNo Active Sessions\n"
    head = (
        f"{RULER}\nID          Application    State   Type Flag  Src[Sport]/Zone/Proto (translated IP[Port])\n{RULER}"
    )
    return "\n".join([head, *(_row(number, conn) for number, conn in enumerate(conns, 1))])


def _row(number: int, conn: Conn) -> str:
    flow = conn.flow
    return (
        f"{number:<12} ssl            ACTIVE  FLOW       {flow.source}[{flow.source_port}]/trust/6\n"
        f"vsys1                                          {flow.target}[{flow.target_port}]/untrust"
    )


@cli.command("clear session all", "operational")
def clear_all(session: Pan) -> str:
    session.device.conns.cut()
    return "\nsessions cleared\n"


@cli.command("clear session all filter destination ADDRESS", "operational")
def clear_to(session: Pan, address: Word) -> str:
    for conn in _to(session, address):
        session.device.conns.remove(conn)
        conn.end()
    return "\nsessions cleared\n"


@cli.command("request restart system", "operational")
def restart(session: Pan) -> Dialogue:
    sure = yield Ask("Executing this command will disconnect the current session. Do you want to continue? (y or n) ")
    if sure.strip() != "y":
        return ""
    session.device.reboot()
    raise Gone
