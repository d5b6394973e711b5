"""What an SRX shows in operational mode. Knows the words of each command; changes no configuration."""

from __future__ import annotations

import re

from lab.cli import Ask, Denied, Dialogue, Gone, Invalid, Word
from lab.device import Conn
from lab.devices.juniper_junos.box import PAIR, Srx, cli, network_of, policies, values
from lab.statements import lines
from lab.words import number_of


@cli.command("set cli screen-width COLUMNS", "operational")
def width(session: Srx, columns: Word) -> str:
    return f"Screen width set to {number_of(columns, 0, 1024)}"


@cli.command("set cli screen-length LINES", "operational")
def length(session: Srx, count: Word) -> str:
    session.page = number_of(count, 0, 1024)
    return f"Screen length set to {session.page}"


@cli.command("set cli complete-on-space off", "operational")
def complete(session: Srx) -> str:
    return "Disabling complete-on-space"


@cli.command("exit", "operational")
@cli.command("quit", "operational")
def leave(session: Srx) -> str:
    raise Gone


@cli.command("show version", "operational")
def version(session: Srx) -> str:
    return f"Hostname: {session.device.hostname}\nModel: vsrx\nJunos: 21.4R3-S1.5 (hemostat laboratory, not a real SRX)"


@cli.command("show configuration", "operational")
@cli.command("show configuration ...", "operational")
def configuration(session: Srx, *words: Word) -> str:
    """The running configuration below a path, as set lines."""
    text = " ".join(words)
    path, *pipes = [part.strip() for part in re.split(r"(?:^|\s)\|\s(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", text)]
    if not pipes or pipes.pop(0) != "display set":
        raise Denied("error: the laboratory prints configuration with `| display set` only")
    wanted = tuple(path.split())
    found = lines([s for s in session.device.running if s[: len(wanted)] == wanted])
    for pipe in pipes:
        found = _match(pipe, found, words[0])
    return found


def _match(pipe: str, text: str, word: Word) -> str:
    verb, _, pattern = pipe.partition(" ")
    if verb != "match" or not pattern:
        raise Invalid(word.column)
    return "\n".join(line for line in text.splitlines() if re.search(pattern.strip('"'), line, re.I))


@cli.command("show security policies", "operational")
def all_policies(session: Srx) -> str:
    return _policies(session, "")


@cli.command("show security policies policy-name NAME", "operational")
def one_policy(session: Srx, name: Word) -> str:
    return _policies(session, name)


def _policies(session: Srx, wanted: str) -> str:
    running = session.device.running
    pairs = dict.fromkeys((s[3], s[5]) for s in running if s[:3] == PAIR)
    shown: list[str] = []
    for source, target in pairs:
        names = policies(running, source, target)
        if not wanted or wanted in names:
            shown.append(f"From zone: {source}, To zone: {target}")
        shown += [
            _policy(session, source, target, name, number)
            for number, name in enumerate(names, 1)
            if wanted in ("", name)
        ]
    return "\n".join(shown)


def _policy(session: Srx, source: str, target: str, name: str, number: int) -> str:
    running = session.device.running
    head = (*PAIR, source, "to-zone", target, "policy", name, "then")
    action = next((s[-1] for s in running if s[:-1] == head), "none")
    sources, targets, services = (
        ", ".join(values(running, source, target, name, key))
        for key in ("source-address", "destination-address", "application")
    )
    return (
        f"  Policy: {name}, State: enabled, Index: {number + 3}, Scope Policy: 0, Sequence number: {number}\n"
        f"    Source addresses: {sources}\n    Destination addresses: {targets}\n"
        f"    Applications: {services}\n    Action: {action}"
    )


@cli.command("show security flow session", "operational")
def flows(session: Srx) -> str:
    return _flows(session.device.conns.of())


@cli.command("show security flow session destination-prefix PREFIX", "operational")
def flows_to(session: Srx, prefix: Word) -> str:
    return _flows(_to(session, prefix))


def _to(session: Srx, prefix: Word) -> list[Conn]:
    wanted = network_of(prefix)
    return [conn for conn in session.device.conns.of() if conn.flow.target in wanted]


def _flows(conns: list[Conn]) -> str:
    return "\n".join([*(_flow(number, conn) for number, conn in enumerate(conns, 1)), f"Total sessions: {len(conns)}"])


def _flow(number: int, conn: Conn) -> str:
    flow = conn.flow
    here, there = f"{flow.source}/{flow.source_port}", f"{flow.target}/{flow.target_port}"
    return (
        f"Session ID: {number}, Policy name: permit-all/5, Timeout: 1794, Valid\n"
        f"  In: {here} --> {there};tcp, Conn Tag: 0x0, If: ge-0/0/1.0, Pkts: 12, Bytes: {conn.octets},\n"
        f"  Out: {there} --> {here};tcp, Conn Tag: 0x0, If: ge-0/0/0.0, Pkts: 9, Bytes: {conn.octets},"
    )


@cli.command("clear security flow session all", "operational")
def clear_all(session: Srx) -> str:
    return f"{session.device.conns.cut()} active sessions cleared"


@cli.command("clear security flow session destination-prefix PREFIX", "operational")
def clear_to(session: Srx, prefix: Word) -> str:
    doomed = _to(session, prefix)
    for conn in doomed:
        session.device.conns.remove(conn)
        conn.end()
    return f"{len(doomed)} active sessions cleared"


@cli.command("request system reboot", "operational")
def reboot(session: Srx) -> Dialogue:
    sure = yield Ask("Reboot the system ? [yes,no] (no) ")
    if sure.strip() != "yes":
        return ""
    session.device.reboot()
    raise Gone
