"""What a Hillstone firewall shows, and the sessions that it ends. Knows its words; changes no configuration."""

from __future__ import annotations

from ipaddress import ip_address

from lab.cli import Invalid, Word
from lab.device import Conn
from lab.devices.hillstone_stoneos.box import StoneOs, cli


@cli.command("show version", "exec")
def show_version(session: StoneOs) -> str:
    return "Hillstone Networks StoneOS software, Version 5.5\nhemostat laboratory, not a real Hillstone"


@cli.command("show configuration", "exec")
def show_configuration(session: StoneOs) -> str:
    return f"Building configuration.\nRunning configuration:\n!\nVersion 5.5R12\n{session.device.config()}"


@cli.command("show configuration address", "exec")
def show_book(session: StoneOs) -> str:
    return "\n".join(line for entry in session.device.book.values() for line in entry.lines())


@cli.command("show configuration policy", "exec")
def show_policy(session: StoneOs) -> str:
    return "\n".join(["policy-global", *(line for rule in session.device.rules for line in rule.lines())])


@cli.command("show policy hit-count", "exec")
def show_hits(session: StoneOs) -> str:
    columns = ("src-zone", "dst-zone", "src-addr", "dst-addr", "service")
    rows = [
        " ".join(
            [
                str(n),
                str(r.number),
                *(r.words.get(c, "Any").strip('"') for c in columns),
                r.words.get("action", ""),
                str(r.hits),
            ]
        )
        for n, r in enumerate(session.device.rules, 1)
    ]
    head = [
        "Most hit policy rules:",
        "=" * 78,
        "No. Id Src-zone Dst-zone Src-addr Dst-addr Service Action Hit-count",
        "-" * 78,
    ]
    return "\n".join([*head, *rows, "=" * 78])


@cli.command("show session SIDE ADDRESS", "exec")
def show_sessions(session: StoneOs, side: Word, address: Word) -> str:
    conns = _found(session, side, address)
    rows = [
        f"session: id {n}, proto 6, flag 0, flag1 20000, flag2 0, flag3 0, created 630348, life 1800, policy 1, app 7(HTTPS) flag 0x0\n"
        f"  flow0(33(ethernet0/3)/40200810): {c.flow.source}:{c.flow.source_port}->{c.flow.target}:{c.flow.target_port}"
        for n, c in enumerate(conns, 1)
    ]
    used = len(session.device.conns.of())
    return "\n".join([f"session: alloc {used}, deny session 0, free {3825000 - used}, tunnel 0, alloc failed 0", *rows])


@cli.command("clear session SIDE ADDRESS", "exec")
def clear_sessions(session: StoneOs, side: Word, address: Word) -> str:
    for conn in _found(session, side, address):
        session.device.conns.remove(conn)
        conn.end()
    return ""


def _found(session: StoneOs, side: Word, address: Word) -> list[Conn]:
    if side not in ("src-ip", "dst-ip"):
        raise Invalid(side.column)
    try:
        wanted = ip_address(address)
    except ValueError:
        raise Invalid(address.column) from None
    conns = session.device.conns.of(wanted)
    return [c for c in conns if (c.flow.target if side == "dst-ip" else c.flow.source) == wanted]
