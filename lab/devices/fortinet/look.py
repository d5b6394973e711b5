"""What a FortiGate shows and diagnoses. Knows the words of each command; changes no configuration."""

from __future__ import annotations

from lab.cli import Ask, Denied, Dialogue, Gone, Invalid, Word
from lab.device import Conn
from lab.devices.fortinet.box import Fgt, cli
from lab.devices.fortinet.tables import TABLES, table_text
from lab.words import address_of


@cli.command("exit", "root")
def leave(session: Fgt) -> str:
    raise Gone


@cli.command("get system status", "root")
def status(session: Fgt) -> str:
    return (
        "Version: FortiGate-VM64 v7.4.1,build2463,230830 (GA.F)\nSerial-Number: hemostat laboratory, not a real FortiGate\n"
        f"Hostname: {session.device.hostname}\nOperation Mode: NAT\nVirtual domain configuration: disable\n"
    )


@cli.command("get system console", "root")
def console(session: Fgt) -> str:
    return f"mode                : line \nbaudrate            : 9600 \noutput              : {'more' if session.page else 'standard'} "


@cli.command("show firewall TABLE", "root")
def show_table(session: Fgt, table: Word) -> str:
    path = _path(table)
    return table_text(path, session.device.mine(path))


@cli.command("show firewall TABLE NAME", "root")
def show_row(session: Fgt, table: Word, name: Word) -> str:
    path, chosen = _path(table), name.strip('"')
    rows = session.device.tables[path]
    if chosen not in rows:
        raise Denied("entry is not found in table\nCommand fail. Return code -3\n")
    return table_text(path, {chosen: rows[chosen]})


def _path(table: Word) -> str:
    if f"firewall {table}" not in TABLES:
        raise Invalid(table.column)
    return f"firewall {table}"


@cli.command("show", "root")
def show_all(session: Fgt) -> str:
    return session.device.config()


@cli.command("diagnose sys session filter clear", "root")
def filter_clear4(session: Fgt) -> str:
    return _filter(session, 4, None)


@cli.command("diagnose sys session6 filter clear", "root")
def filter_clear6(session: Fgt) -> str:
    return _filter(session, 6, None)


@cli.command("diagnose sys session filter dst ADDRESS", "root")
def filter_dst4(session: Fgt, address: Word) -> str:
    return _filter(session, 4, address)


@cli.command("diagnose sys session6 filter dst ADDRESS", "root")
def filter_dst6(session: Fgt, address: Word) -> str:
    return _filter(session, 6, address)


def _filter(session: Fgt, version: int, address: Word | None) -> str:
    session.data[f"filter{version}"] = None if address is None else address_of(address, version)
    return ""


@cli.command("diagnose sys session list", "root")
def list4(session: Fgt) -> str:
    return _list(session, 4)


@cli.command("diagnose sys session6 list", "root")
def list6(session: Fgt) -> str:
    return _list(session, 6)


@cli.command("diagnose sys session clear", "root")
def clear4(session: Fgt) -> str:
    return _clear(session, 4)


@cli.command("diagnose sys session6 clear", "root")
def clear6(session: Fgt) -> str:
    return _clear(session, 6)


def _chosen(session: Fgt, version: int) -> list[Conn]:
    """What the filter of this login names; without one, everything."""
    wanted = session.data.get(f"filter{version}")
    conns = [conn for conn in session.device.conns.of() if conn.flow.target.version == version]
    return [conn for conn in conns if wanted in (None, conn.flow.target)]


def _list(session: Fgt, version: int) -> str:
    conns = _chosen(session, version)
    return "\n".join([*(_session(conn, version) for conn in conns), f"total session {len(conns)}"])


def _session(conn: Conn, version: int) -> str:
    flow = conn.flow
    here, there = f"{flow.source}:{flow.source_port}", f"{flow.target}:{flow.target_port}"
    return (
        f"session{'6' if version == 6 else ''} info: proto=6 proto_state=01 duration=8 expire=3591 timeout=3600 flags=00000000\n"
        f"statistic(bytes/packets/allow_err): org={conn.octets}/12/1 reply={conn.octets}/9/1 tuples=2\n"
        f"hook=pre dir=org act=noop {here}->{there}(0.0.0.0:0)\n"
        f"hook=post dir=reply act=noop {there}->{here}(0.0.0.0:0)\nmisc=0 policy_id=2 auth_info=0 chk_client_info=0 vd=0"
    )


def _clear(session: Fgt, version: int) -> str:
    for conn in _chosen(session, version):
        session.device.conns.remove(conn)
        conn.end()
    return ""


@cli.command("execute reboot", "root")
def reboot(session: Fgt) -> Dialogue:
    sure = yield Ask("This operation will reboot the system !\nDo you want to continue? (y/n)")
    if sure.strip() != "y":
        return ""
    session.device.reboot()
    raise Gone
