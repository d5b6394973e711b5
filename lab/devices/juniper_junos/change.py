"""An SRX's configuration mode: candidates, commit, rollback. Knows what it refuses, and in which words."""

from __future__ import annotations

from lab.cli import Ask, Denied, Dialogue, Incomplete, Invalid, Word
from lab.devices.juniper_junos.box import SCHEMA, Srx, candidate, cli
from lab.statements import Statements, lines


@cli.command("configure", "operational")
def configure(session: Srx) -> str:
    session.mode = "config"
    changed = session.device.shared != session.device.running
    return "Entering configuration mode" + ("\nThe configuration has been changed but not committed" if changed else "")


@cli.command("configure private", "operational")
def configure_private(session: Srx) -> str:
    if session.device.shared != session.device.running:
        raise Denied(
            "error: shared configuration database modified\n\nPlease temporarily use 'configure shared' to commit\n"
            "outstanding changes in the shared database, exit,\nand return to configuration mode using 'configure private'"
        )
    session.data["base"] = list(session.device.running)
    session.data["candidate"] = list(session.device.running)
    session.mode = "config"
    return "warning: uncommitted changes will be discarded on exit\nEntering configuration mode"


@cli.command("set ...", "config")
def set_(session: Srx, *words: Word) -> str:
    SCHEMA.set(candidate(session), words)
    return ""


@cli.command("delete ...", "config")
def delete(session: Srx, *words: Word) -> str:
    return "" if SCHEMA.delete(candidate(session), words) else "warning: statement not found"


@cli.command("insert security policies from-zone SOURCE to-zone TARGET policy NAME before policy OTHER", "config")
def insert(session: Srx, source: Word, target: Word, name: Word, other: Word) -> str:
    statements = candidate(session)
    head = ("security", "policies", "from-zone", str(source), "to-zone", str(target), "policy")
    moved = [s for s in statements if s[:8] == (*head, name)]
    place = next((i for i, s in enumerate(statements) if s[:8] == (*head, other)), None)
    if not moved or place is None:
        raise Denied("error: statement not found")
    rest = [s for s in statements[:place] if s not in moved]
    statements[:] = [*rest, *moved, *(s for s in statements[place:] if s not in moved)]
    return ""


@cli.command("commit", "config")
@cli.command("commit ...", "config")
def commit(session: Srx, *words: Word) -> str:
    quits = _options(words)
    device = session.device
    before: Statements = session.data.get("base", device.running)
    device.commit(list(before), list(candidate(session)))
    if "candidate" in session.data:
        session.data["base"], session.data["candidate"] = list(device.running), list(device.running)
    return "commit complete" + (f"\n{_out(session)}" if quits else "")


def _options(words: tuple[Word, ...]) -> bool:
    """`comment TEXT` and `and-quit`, in any order; is the second there?"""
    rest, quits = list(words), False
    while rest:
        word = rest.pop(0)
        if word == "and-quit":
            quits = True
        elif word == "comment":
            if not rest:
                raise Incomplete
            rest.pop(0)
        else:
            raise Invalid(word.column)
    return quits


@cli.command("rollback", "config")
@cli.command("rollback 0", "config")
def rollback(session: Srx) -> str:
    candidate(session)[:] = session.device.running
    return "load complete"


@cli.command("show | compare", "config")
def compare(session: Srx) -> str:
    new, old = candidate(session), session.device.running
    return lines([s for s in old if s not in new]).replace("set ", "- ") + lines([s for s in new if s not in old])


@cli.command("exit", "config")
@cli.command("quit", "config")
@cli.command("exit configuration-mode", "config")
def leave(session: Srx) -> Dialogue:
    if candidate(session) != session.device.running:
        ask = "Discard uncommitted changes" if "candidate" in session.data else "Exit with uncommitted changes"
        sure = yield Ask(f"The configuration has been changed but not committed\n{ask}? [yes,no] (yes) ")
        if sure.strip() not in ("", "y", "yes"):
            return ""
    return _out(session)


def _out(session: Srx) -> str:
    session.data.clear()
    session.mode = "operational"
    return "Exiting configuration mode"
