"""PAN-OS's configuration mode: the candidate, commit, revert. Knows what it refuses, and in which words."""

from __future__ import annotations

from lab.cli import Denied, Word
from lab.devices.paloalto_panos.box import RULES, SCHEMA, Pan, cli
from lab.statements import lines


@cli.command("configure", "operational")
def configure(session: Pan) -> str:
    session.mode = "config"
    return "Entering configuration mode"


@cli.command("exit", "config")
@cli.command("quit", "config")
def leave(session: Pan) -> str:
    session.mode = "operational"
    return "Exiting configuration mode"


@cli.command("set ...", "config")
def set_(session: Pan, *words: Word) -> str:
    before = list(session.device.candidate)
    SCHEMA.set(session.device.candidate, words)
    session.device.note(before, session.user)
    return ""


@cli.command("delete ...", "config")
def delete(session: Pan, *words: Word) -> str:
    before = list(session.device.candidate)
    if not SCHEMA.delete(session.device.candidate, words):
        raise Denied("\nServer error : Object doesn't exist")
    session.device.note(before, session.user)
    return ""


@cli.command("move rulebase security rules NAME top", "config")
def move(session: Pan, name: Word) -> str:
    statements = session.device.candidate
    moved = [s for s in statements if s[:4] == (*RULES, name)]
    if not moved:
        raise Denied("\nServer error : Object doesn't exist")
    statements[:] = [*moved, *(s for s in statements if s not in moved)]
    return ""


@cli.command("commit", "config")
def commit(session: Pan) -> str:
    return _commit(session, "")


@cli.command("commit partial admin NAME", "config")
def commit_partial(session: Pan, name: Word) -> str:
    return _commit(session, name)


def _commit(session: Pan, user: str) -> str:
    device = session.device
    if not any(user in ("", who) for who in device.changes.values()):
        return "\nThere are no changes to commit."
    device.jobs += 1
    head = f"\nCommit job {device.jobs} is in progress. Use Ctrl+C to return to command prompt\n"
    try:
        device.commit(user)
    except Denied as error:
        raise Denied(f"{head}..........55%.\n{error}") from None
    return f"{head}..........55%...75%.98%................100%\nConfiguration committed successfully"


@cli.command("revert config partial admin NAME", "config")
def revert(session: Pan, name: Word) -> str:
    session.device.revert(name)
    return "\nConfig reverted"


@cli.command("show ...", "config")
def show(session: Pan, *words: Word) -> str:
    """The candidate below a path, as `set cli config-output-format set` prints it."""
    return lines([s for s in session.device.candidate if s[: len(words)] == tuple(words)])
