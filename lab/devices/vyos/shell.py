"""What a VyOS router can be told, in operational and in configuration mode. Knows its words and what it refuses."""

from __future__ import annotations

import shlex
from ipaddress import ip_address

from lab.cli import Denied, Gone, Invalid, Word
from lab.device import Conn
from lab.devices.vyos.box import Vyos, cli
from lab.devices.vyos.tree import BadPath, Leaf, Path, Tree, compare, read
from tasks.model import Address

TOOL = "conntrack v1.4.7 (conntrack-tools)"


def working(session: Vyos) -> Tree:
    tree: Tree = session.data["working"]
    return tree


@cli.command("configure", "op")
def configure(session: Vyos) -> str:
    if session.device.faults.refuse_config:
        raise Denied("\n  Invalid command: [configure]\n")
    session.mode = "config"
    _begin(session)
    return ""


def _begin(session: Vyos) -> None:
    session.data["base"], session.data["working"] = session.device.active, session.device.active.copy()


@cli.command("exit", "config")
def exit_config(session: Vyos) -> str:
    if working(session) != session.data["base"]:
        raise Denied("Cannot exit: configuration modified.\nUse 'exit discard' to discard the changes and exit.")
    session.mode = "op"
    return "exit"


@cli.command("exit discard", "config")
def exit_discard(session: Vyos) -> str:
    session.mode = "op"
    return "exit"


@cli.command("exit", "op")
@cli.command("logout", "op")
def leave(session: Vyos) -> str:
    session.terminal.write("logout\n")
    raise Gone


@cli.command("set ...", "config")
def set_path(session: Vyos, *words: Word) -> str:
    path, leaf = _path(words, "Set")
    if path in working(session).paths:
        return f"\n  Configuration path: [{' '.join(path)}] already exists\n"
    working(session).add(path, leaf)
    return ""


@cli.command("delete ...", "config")
def delete_path(session: Vyos, *words: Word) -> str:
    path, leaf = _path(words, "Delete")
    if not working(session).remove(path):
        return f"\n  Nothing to delete (the specified {'value' if leaf and leaf.value else 'node'} does not exist)\n"
    return ""


def _path(words: tuple[Word, ...], verb: str) -> tuple[Path, Leaf | None]:
    try:
        return read(shlex.split(" ".join(words)))
    except (BadPath, ValueError) as error:
        raise Denied(f"\n  {error}\n  {verb} failed\n") from None


@cli.command("compare", "config")
def compare_working(session: Vyos) -> str:
    lines = compare(session.data["base"], working(session))
    return "\n".join(lines) + "\n\n" if lines else "No changes between working and active configurations.\n\n"


@cli.command("discard", "config")
def discard(session: Vyos) -> str:
    changed = working(session) != session.data["base"]
    _begin(session)
    return "\n  Changes have been discarded\n" if changed else "\n  No changes have been discarded\n"


@cli.command("commit", "config")
@cli.command("commit comment ...", "config")
def commit(session: Vyos, *comment: Word) -> str:
    device, base, mine = session.device, session.data["base"], working(session)
    if mine == base:
        return "No configuration changes to commit"
    if device.faults.locked:
        raise Denied("Configuration system temporarily locked due to another commit in progress")
    merged = _merged(device.active, base, mine)
    wrong = ["out of memory"] if device.faults.refuse_commit else merged.faults()
    if wrong:
        raise Denied("\n".join([*wrong, "", "[[firewall]] failed", "Commit failed"]))
    device.active = merged
    device.comments_of_commits.append(" ".join(comment).strip('"'))
    _begin(session)
    return ""


def _merged(active: Tree, base: Tree, mine: Tree) -> Tree:
    """This session's changes, applied to what is active now: others may have committed meanwhile."""
    merged = active.copy()
    for path in base.paths:
        if path not in mine.paths:
            merged.remove(path)
    for path in mine.paths:
        if path not in base.paths:
            merged.add(*read(path))
    return merged


@cli.command("save", "config")
def save(session: Vyos) -> str:
    session.device.startup = session.device.config()
    return "Saving configuration to '/config/config.boot'...\nDone"


@cli.command("run show configuration commands", "config")
@cli.command("show configuration commands", "op")
def show_commands(session: Vyos) -> str:
    return session.device.config()


@cli.command("show version", "op")
def show_version(session: Vyos) -> str:
    return "Version:          VyOS 1.4.0\nRelease train:    sagitta\nHardware model:   hemostat laboratory, not a real VyOS"


@cli.command("show system commit", "op")
def show_commits(session: Vyos) -> str:
    return "\n".join(f"{n}   {c}" for n, c in enumerate(reversed(session.device.comments_of_commits)))


@cli.command("set terminal length LINES", "op")
def set_length(session: Vyos, lines: Word) -> str:
    if not lines.isdigit():
        raise Invalid(lines.column)
    session.page = int(lines)
    return ""


@cli.command("set terminal width COLUMNS", "op")
def set_width(session: Vyos, columns: Word) -> str:
    if not columns.isdigit():
        raise Invalid(columns.column)
    return ""


@cli.command("show firewall ipv4 forward filter", "op")
def show_filter4(session: Vyos) -> str:
    return _filter(session, 4)


@cli.command("show firewall ipv6 forward filter", "op")
def show_filter6(session: Vyos) -> str:
    return _filter(session, 6)


def _filter(session: Vyos, version: int) -> str:
    device = session.device
    rows = [
        (str(number), next(iter(rule.get("action", {""}))), device.hits.get(f"{version} {number}", 0))
        for number, rule in device.active.rules(version).items()
        if "disable" not in rule
    ]
    rows.append(("default", "accept", device.hits.get(f"{version} default", 0)))
    table = [f"{n:<7}  {action:<8}  {'all':<8}  {hits:>9}  {hits * 60:>7}" for n, action, hits in rows]
    head = [
        "Rule     Action    Protocol      Packets    Bytes  Conditions",
        "-------  --------  ----------  ---------  -------  ----------",
    ]
    return "\n".join(
        ["Ruleset Information", "", "-" * 33, f'ipv{version} Firewall "forward filter"', "", *head, *table, ""]
    )


@cli.command("sudo conntrack VERB -f FAMILY SIDE ADDRESS", "op")
def conntrack(session: Vyos, verb: Word, family: Word, side: Word, address: Word) -> str:
    wanted = _wanted(verb, family, side, address)
    found = [c for c in session.device.conns.of(wanted) if (c.flow.target if side == "-d" else c.flow.source) == wanted]
    if verb == "-D":
        for conn in found:
            session.device.conns.remove(conn)
            conn.end()
    done = "deleted" if verb == "-D" else "shown"
    return "\n".join([*map(_flow, found), f"{TOOL}: {len(found)} flow entries have been {done}."])


def _wanted(verb: Word, family: Word, side: Word, address: Word) -> Address:
    if verb not in ("-L", "-D") or family not in ("ipv4", "ipv6") or side not in ("-d", "-s"):
        raise Denied(f"{TOOL}: Bad parameter\nTry `conntrack -h' or 'conntrack --help' for more information.")
    try:
        wanted = ip_address(address)
    except ValueError:
        wanted = None
    if wanted is None or f"ipv{wanted.version}" != family:
        raise Denied(f"{TOOL}: Invalid IP address: {address}\nTry `conntrack -h' for more information.")
    return wanted


def _flow(conn: Conn) -> str:
    flow = conn.flow
    there = f"src={flow.source} dst={flow.target} sport={flow.source_port} dport={flow.target_port}"
    back = f"src={flow.target} dst={flow.source} sport={flow.target_port} dport={flow.source_port}"
    return f"tcp      6 431999 ESTABLISHED {there} {back} [ASSURED] mark=0 use=1"
