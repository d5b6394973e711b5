"""What a MikroTik router can be told: statements on one line, menus, print, add, remove. Knows its words and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable

from lab.cli import Gone, Word
from lab.device import Conn
from lab.devices.mikrotik_routeros.box import RouterOs, cli
from lab.devices.mikrotik_routeros.items import Item, Menu, Refused, meets, read_where, read_words


@cli.command("...", "root")
def console(session: RouterOs, *words: Word) -> str:
    """Statements, one after the other; a refusal ends the line."""
    said: list[str] = []
    try:
        for statement in _statements(" ".join(words)):
            said += [text] if (text := _do(session, statement)) else []
            if session.device.faults.drops(statement):
                raise Gone
    except Refused as error:
        said.append(str(error))
    return "\n".join(said)


def _statements(line: str) -> list[str]:
    parts = re.findall(r'(?:[^;"]|"(?:\\.|[^"\\])*")+', line)
    return [part.strip() for part in parts if part.strip()]


def _do(session: RouterOs, statement: str) -> str:
    if statement in ("quit", "/quit"):
        raise Gone
    for pattern, verb in VERBS:
        found = re.fullmatch(pattern, statement)
        if found:
            return verb(session, **found.groupdict())
    first = statement.split()[0]
    if not first.startswith(("/ip", "/ipv6", ":put")):
        raise Refused(f"bad command name {first.lstrip('/')} (line 1 column 1)")
    raise Refused("syntax error (line 1 column 2)")


def _put(session: RouterOs, first: str, second: str) -> str:
    return first + second


def _menu(session: RouterOs, v6: str, kind: str) -> Menu:
    return session.device.menus[6 if v6 else 4, kind]


def _may(session: RouterOs) -> None:
    if session.device.faults.refuse_config:
        raise Refused("not enough permissions (9)")


def _add(session: RouterOs, v6: str, kind: str, words: str) -> str:
    _may(session)
    if kind == "connection":
        raise Refused("bad command name add (line 1 column 25)")
    menu, limit = _menu(session, v6, kind), session.device.faults.full
    if limit is not None and len(menu.items) >= limit:
        raise Refused("failure: too many entries")
    menu.add(read_words(kind, words))
    return ""


def _remove(session: RouterOs, v6: str, kind: str, where: str) -> str:
    _may(session)
    tests = read_where(where)
    if kind == "connection":
        for conn in _connections(session, v6):
            if meets(tests, _ends(conn)):
                session.device.conns.remove(conn)
                conn.end()
        return ""
    menu = _menu(session, v6, kind)
    menu.all = [item for item in menu.items if item.dynamic or not meets(tests, _seen(item))]
    return ""


def _print(session: RouterOs, v6: str, kind: str, how: str, where: str | None) -> str:
    tests = read_where(where or "")
    if kind == "connection":
        rows = [("SAC", _ends(c)) for c in _connections(session, v6) if meets(tests, _ends(c))]
        return "\n".join(f"{n:>2}  {flags} {_pairs(words)}" for n, (flags, words) in enumerate(rows))
    menu = _menu(session, v6, kind)
    items = [item for item in menu.items if meets(tests, _seen(item))]
    if how.strip() == "stats":
        head = "Columns: CHAIN, ACTION, BYTES, PACKETS\n#  CHAIN       ACTION  BYTES  PACKETS\n"
        return head + "\n".join(
            f"{n}  {i.get('chain')}  {i.get('action')}    {i.packets * 60:,}    {i.packets:,}".replace(",", " ")
            for n, i in enumerate(items)
        )
    return "\n".join(f"{n:>2} {item.flags:<2} {item.terse()} " for n, item in enumerate(items))


def _seen(item: Item) -> dict[str, str]:
    return {name: item.get(name) for name in ("list", "address", "chain", "action", "dst-address-list", "comment")}


def _connections(session: RouterOs, v6: str) -> list[Conn]:
    return [c for c in session.device.conns.of() if c.flow.target.version == (6 if v6 else 4)]


def _ends(conn: Conn) -> dict[str, str]:
    flow = conn.flow
    shape = "[{}]:{}" if flow.target.version == 6 else "{}:{}"
    return {
        "protocol": "tcp",
        "src-address": shape.format(flow.source, flow.source_port),
        "dst-address": shape.format(flow.target, flow.target_port),
        "tcp-state": "established",
    }


def _pairs(words: dict[str, str]) -> str:
    return " ".join(f"{k}={v}" for k, v in words.items())


_MENU = r"/ip(?P<v6>v6|)[ /]firewall[ /](?P<kind>address-list|raw|filter|connection)[ /]"
VERBS: tuple[tuple[str, Callable[..., str]], ...] = (
    (r':put \("(?P<first>[^"]*)" \. "(?P<second>[^"]*)"\)', _put),
    (_MENU + r"add (?P<words>.+)", _add),
    (_MENU + r"remove \[find where (?P<where>.+)\]", _remove),
    (_MENU + r"print(?P<how> terse| stats|)(?: where (?P<where>.+))?", _print),
)
