"""What a Huawei USG can be told in user view and in system view. Knows its words and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address

from lab.cli import Ask, Denied, Dialogue, Gone, Incomplete, Invalid, Word
from lab.device import Conn
from lab.devices.huawei.box import Item, Vrp, cli
from tasks.model import Address

WRONG = "Error: Wrong parameter found at '^' position."
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17}


@cli.command("system-view", "user")
def system_view(session: Vrp) -> str:
    session.mode = "system"
    return "Enter system view, return user view with Ctrl+Z."


@cli.command("return", "system")
@cli.command("quit", "system")
def user_view(session: Vrp) -> str:
    session.mode = "user"
    return ""


@cli.command("quit", "user")
def leave(session: Vrp) -> str:
    raise Gone


@cli.command("screen-length LINES temporary", "user")
def screen_length(session: Vrp, lines: Word) -> str:
    session.page = int(_number(lines, 0, 512))
    return "Info: The configuration takes effect on the current user terminal interface only."


@cli.command("save", "user")
def save(session: Vrp) -> Dialogue:
    said = yield Ask("The current configuration will be written to the device.\nAre you sure to continue?[Y/N]")
    if said.strip().lower() != "y":
        return ""
    session.device.startup = session.device.saved()
    return "Now saving the current configuration to the slot 0.\nInfo: Save the configuration successfully."


@cli.command("firewall blacklist enable", "system")
def enable(session: Vrp) -> str:
    session.device.enabled = True
    return ""


@cli.command("undo firewall blacklist enable", "system")
def disable(session: Vrp) -> str:
    session.device.enabled = False
    return ""


@cli.command("firewall blacklist item ...", "system")
def add_item(session: Vrp, *words: Word) -> str:
    session.device.add(_item(words, timed=True))
    return ""


@cli.command("undo firewall blacklist item ...", "system")
def remove_item(session: Vrp, *words: Word) -> str:
    if list(words) == ["all"]:
        session.device.items.clear()
        return ""
    if session.device.items.pop(_item(words, timed=False).key, None) is None:
        raise Denied("Error: The blacklist item does not exist.")
    return ""


def _item(words: Sequence[Word], timed: bool) -> Item:
    left = list(words)
    kind = _take(left)
    if kind not in ("destination-ip", "source-ip"):
        raise Invalid(kind.column)
    item = Item(kind.removesuffix("-ip"), _address(_take(left)))
    if left and left[0] == f"{item.side}-port":
        left.pop(0)
        item.port = _number(_take(left), 1, 65535)
    if left and left[0] == "protocol":
        left.pop(0)
        item.protocol = _protocol(_take(left))
    if timed and left and left[0] == "timeout":
        left.pop(0)
        item.minutes = int(_number(_take(left), 1, 1000))
    if left:
        raise Invalid(left[0].column)
    if item.port != "any" and item.protocol not in ("tcp", "udp"):
        raise Denied("Error: The port can be specified only when the protocol is TCP or UDP.")
    return item


def _take(words: list[Word]) -> Word:
    if not words:
        raise Incomplete
    return words.pop(0)


def _number(word: Word, low: int, high: int) -> str:
    if not (word.isascii() and word.isdigit() and low <= int(word) <= high):
        raise Denied(f"{' ' * word.column}^\n{WRONG}")
    return str(int(word))


def _protocol(word: Word) -> str:
    if word in NUMBERS:
        return str(word)
    return next((n for n, i in NUMBERS.items() if str(i) == word), _number(word, 1, 255))


def _address(word: Word) -> Address:
    try:
        return ip_address(word)
    except ValueError:
        raise Denied(f"{' ' * word.column}^\n{WRONG}") from None


@cli.command("display version", "user", "system")
def show_version(session: Vrp) -> str:
    return "Huawei Versatile Routing Platform Software\nVRP (R) Software, Version 5.170 (hemostat laboratory, not a real USG)"


@cli.command("display current-configuration", "user", "system")
def show_config(session: Vrp) -> str:
    return f"#\nsysname {session.device.hostname}\n#\n{session.device.saved()}#\nreturn"


@cli.command("display firewall blacklist item", "user", "system")
def show_items(session: Vrp) -> str:
    rows = [item.row() for item in session.device.items.values()]
    head = [_now(), f" Current items: {len(rows)}", " IP /Port /Protocol    Reason    Insert-time    Age-time Hit"]
    return "\n".join([*head, *rows])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.000 ")


@cli.command("display firewall session table SIDE inside ADDRESS", "user", "system")
def show_sessions(session: Vrp, side: Word, address: Word) -> str:
    return _table(_found(session, 4, side, address), ":")


@cli.command("display firewall ipv6 session table SIDE inside ADDRESS", "user", "system")
def show_sessions6(session: Vrp, side: Word, address: Word) -> str:
    return _table(_found(session, 6, side, address), ".")


def _table(conns: list[Conn], sign: str) -> str:
    flows = [c.flow for c in conns]
    rows = [
        f" tcp  VPN: public --> public  {f.source}{sign}{f.source_port} --> {f.target}{sign}{f.target_port}"
        for f in flows
    ]
    return "\n".join([_now(), f" Current Total Sessions : {len(rows)}", *rows])


def _found(session: Vrp, version: int, side: Word, address: Word) -> list[Conn]:
    wanted = _address(address)
    if side not in ("source", "destination"):
        raise Invalid(side.column)
    if wanted.version != version:
        raise Denied(f"{' ' * address.column}^\n{WRONG}")
    conns = session.device.conns.of(wanted)
    return [c for c in conns if (c.flow.target if side == "destination" else c.flow.source) == wanted]


@cli.command("reset firewall session table SIDE inside ADDRESS", "user")
def reset_sessions(session: Vrp, side: Word, address: Word) -> Dialogue:
    return _reset(session, _found(session, 4, side, address))


@cli.command("reset firewall ipv6 session table SIDE inside ADDRESS", "user")
def reset_sessions6(session: Vrp, side: Word, address: Word) -> str:
    _end(session, _found(session, 6, side, address))
    return ""


def _reset(session: Vrp, conns: list[Conn]) -> Dialogue:
    """The v4 command asks, the v6 one does not, so that both ways are tried."""
    said = yield Ask("Warning: Resetting session table will affect the system's normal service.\nContinue? [Y/N]:")
    if said.strip().lower() == "y":
        _end(session, conns)
    return ""


def _end(session: Vrp, conns: list[Conn]) -> None:
    for conn in conns:
        session.device.conns.remove(conn)
        conn.end()
