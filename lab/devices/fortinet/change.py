"""A FortiGate's configuration: tables, rows, their fields. Knows what it refuses, and in which words."""

from __future__ import annotations

from lab.cli import Denied, Incomplete, Invalid, Word
from lab.devices.fortinet.box import Fgt, cli
from lab.devices.fortinet.tables import TABLES, Fields, good, table_text


@cli.command("config firewall TABLE", "root")
def config(session: Fgt, table: Word) -> str:
    return _enter(session, f"firewall {table}", table)


@cli.command("config system console", "root")
def console(session: Fgt) -> str:
    session.mode = "console"
    return ""


@cli.command("set output standard", "console")
def output_standard(session: Fgt) -> str:
    session.data["page"] = 0
    return ""


@cli.command("set output more", "console")
def output_more(session: Fgt) -> str:
    session.data["page"] = 24
    return ""


@cli.command("end", "console")
def end_console(session: Fgt) -> str:
    # The device's own setting: it is every login's from now on.
    session.page = session.device.page = session.data.get("page", session.device.page)
    session.mode = "root"
    return ""


def _enter(session: Fgt, path: str, word: Word) -> str:
    if path not in TABLES:
        raise Invalid(word.column)
    session.data["table"] = path
    session.mode, session.context = "table", str(word)
    return ""


@cli.command("edit NAME", "table")
def edit(session: Fgt, name: Word) -> str:
    path, chosen = session.data["table"], name.strip('"')
    rows = session.device.tables[path]
    if TABLES[path].numbered:
        if not (chosen.isascii() and chosen.isdigit()):
            raise Invalid(name.column)
        chosen = chosen if int(chosen) else str(max((int(n) for n in rows), default=0) + 1)
    # A copy: what two administrators edit at once, the later `end` decides.
    session.data["row"] = {key: list(values) for key, values in rows.get(chosen, {}).items()}
    session.mode, session.context = "entry", chosen
    return "" if chosen in rows else f"new entry '{chosen}' added"


@cli.command("delete NAME", "table")
def delete(session: Fgt, name: Word) -> str:
    path, chosen = session.data["table"], name.strip('"')
    device = session.device
    if chosen not in device.tables[path]:
        raise Denied("entry is not found in table\nCommand fail. Return code -3\n")
    users = device.users(path, chosen)
    if users:
        raise Denied(f"The entry is used by other {users} entries\nCommand fail. Return code -23\n")
    del device.tables[path][chosen]
    device.startup = device.config()
    return ""


@cli.command("move NAME before OTHER", "table")
def move(session: Fgt, name: Word, other: Word) -> str:
    rows = session.device.tables[session.data["table"]]
    if name not in rows or other not in rows:
        raise Denied("entry is not found in table\nCommand fail. Return code -3\n")
    moved = rows.pop(name)
    after = {n: rows.pop(n) for n in list(rows)[list(rows).index(other) :]}
    rows[str(name)] = moved
    rows.update(after)
    session.device.startup = session.device.config()
    return ""


@cli.command("set FIELD ...", "entry")
def set_(session: Fgt, name: Word, *words: Word) -> str:
    row, values = _checked(session, name, words)
    row[str(name)] = values
    return ""


@cli.command("append FIELD ...", "entry")
def append(session: Fgt, name: Word, *words: Word) -> str:
    row, values = _checked(session, name, words)
    _many(session, name)
    row[str(name)] = [*row.get(name, []), *(v for v in values if v not in row.get(name, []))]
    return ""


@cli.command("unselect FIELD ...", "entry")
def unselect(session: Fgt, name: Word, *words: Word) -> str:
    _many(session, name)
    row: Fields = session.data["row"]
    for word in words:
        value = word.strip('"')
        if value not in row.get(name, []):
            raise Denied(
                f"entry not found in datasource\n\nvalue parse error before '{value}'\nCommand fail. Return code -3\n"
            )
        row[str(name)].remove(value)
    return ""


@cli.command("unset FIELD", "entry")
def unset(session: Fgt, name: Word) -> str:
    _kind(session, name)
    session.data["row"].pop(name, None)
    return ""


def _kind(session: Fgt, name: Word) -> str:
    fields = TABLES[session.data["table"]].fields
    if name not in fields:
        raise Invalid(name.column)
    return fields[name]


def _many(session: Fgt, name: Word) -> None:
    if _kind(session, name) != "names":
        raise Invalid(name.column)


def _checked(session: Fgt, name: Word, words: tuple[Word, ...]) -> tuple[Fields, list[str]]:
    """The row, and the values if they are good ones that exist."""
    if not words:
        raise Incomplete
    values = [word.strip('"') for word in words]
    if not good(_kind(session, name), values):
        raise Denied(
            f"node_check_object fail! for {name} {values[0]}\n\nvalue parse error before '{values[0]}'\nCommand fail. Return code -8\n"
        )
    kinds = TABLES[session.data["table"]].refers.get(name, ())
    for value in values if kinds else ():
        if not any(value in session.device.tables[kind] for kind in kinds):
            raise Denied(
                f"entry not found in datasource\n\nvalue parse error before '{value}'\nCommand fail. Return code -3\n"
            )
    return session.data["row"], values


@cli.command("next", "entry")
def next_(session: Fgt) -> str:
    name = session.context
    session.mode, session.context = "table", session.data["table"].split()[-1]
    session.device.put(session.data["table"], name, session.data["row"])
    return ""


@cli.command("end", "entry", "table")
def end(session: Fgt) -> str:
    mode, name = session.mode, session.context
    session.mode, session.context = "root", ""
    if mode == "entry":
        session.device.put(session.data["table"], name, session.data["row"])
    return ""


@cli.command("abort", "entry", "table")
def abort(session: Fgt) -> str:
    session.mode, session.context = "root", ""
    return ""


@cli.command("show", "entry")
def show(session: Fgt) -> str:
    return table_text(session.data["table"], {session.context: session.data["row"]})
