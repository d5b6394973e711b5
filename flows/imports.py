"""`hemostat import`: judges output that a person pasted from a host that no one can reach. Knows text and judges; opens no incident."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from flows.cli_out import AsJson, SiteFolder, console, facts
from flows.console import line
from tasks import collectors, site
from tasks.beacon import attribute
from tasks.facts import Connection, Process, Snapshot, Unseen
from tasks.facts_windows import Preflight, Windows
from tasks.model import ConfigError, Finding, Json, Remote
from tasks.settings import KnownGood, Network, Policy
from tasks.windows import pasted

# A documentation address (RFC 5737): the remote of a paste that no alert belongs to.
NOBODY = Remote.parse("192.0.2.254")
UNSEEN = tuple(
    Unseen(what, "no console output tells it")
    for what in (
        "signatures and hashes",
        "services' libraries, tasks, registry and WMI",
        "files and hidden processes",
        "drivers",
    )
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("import")(import_)


def import_(
    kind: Annotated[str, typer.Argument(help="netstat: also tasklist and wmic, as they stand in one paste.")],
    file: Annotated[Path, typer.Argument(help="The pasted output, UTF-8, UTF-16 or GBK; - reads standard input.")],
    remote: Annotated[str, typer.Option(help="The alert's address, IP or IP:PORT.")] = "",
    site_folder: SiteFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Judge pasted output of netstat -ano, tasklist /v or wmic process from a Windows host that no one can reach."""
    if kind != "netstat":
        raise ConfigError(
            f"import {kind}", "it is no kind of paste that is understood", "say `hemostat import netstat FILE`"
        )
    read = pasted.read(_bytes(file), time.time())
    internal, good = _ours(site_folder)
    indicator = Remote.parse(remote) if remote else NOBODY
    found = judged(read, indicator, good)
    abroad = list(outside(read.connections, internal))
    if as_json:
        facts(_told(read, found, abroad))
    else:
        _show(read, found, abroad)


def _bytes(file: Path) -> bytes:
    try:
        with typer.get_binary_stream("stdin") if str(file) == "-" else file.open("rb") as stream:
            return stream.read(pasted.MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"read {file}", error.strerror or str(error), "name a readable file, or -") from None


def _ours(folder: Path) -> tuple[tuple[Network, ...], tuple[KnownGood, ...]]:
    """The policy's networks, where the folder is a site's; a paste can be read without one."""
    if not (folder / "inventory").is_dir():
        return Policy().inside, ()
    policy = site.load(folder).policy
    today = datetime.now(UTC).date()
    return policy.inside, tuple(k for k in policy.known_good if k.counts(today))


def judged(read: pasted.Pasted, remote: Remote, good: tuple[KnownGood, ...]) -> list[Finding]:
    """What the collectors find in it; most of what they look at is not in a paste, and is told as unseen."""
    now = time.time()
    preflight = Preflight("none", False, False, "", "", 0, "", "", 0.0, now)
    snapshot = Snapshot(
        "pasted", now, 0.0, read.connections, read.processes, unseen=tuple(unseen(read)), windows=Windows(preflight)
    )
    suspects = attribute([list(read.connections)], remote, read.processes)
    context = collectors.Context(remote, suspects, good, now=now)
    return collectors.judge(("connections", "processes"), snapshot, context)


def outside(connections: Iterable[Connection], internal: Iterable[Network]) -> Iterator[Connection]:
    """The sockets whose far end is neither ours nor this machine itself."""
    networks = tuple(internal)
    for connection in connections:
        far = ipaddress.ip_address(connection.remote) if connection.remote else None
        if far is None or not connection.remote_port or far.is_loopback or far.is_unspecified or far.is_link_local:
            continue
        if not any(far in network for network in networks):
            yield connection


def unseen(read: pasted.Pasted) -> Iterator[Unseen]:
    """What no console output tells, and what this paste does not: "not looked at" must not read as "nothing there"."""
    if read.unread:
        why = f"{read.unread} row(s) of netstat could not be read: with names instead of numbers? Say netstat -ano"
        yield Unseen("some sockets", why)
    if "netstat" not in read.read:
        yield Unseen("sockets", "no netstat -ano is in the paste")
    if not read.processes:
        yield Unseen("processes", "neither tasklist /v nor wmic process is in the paste")
    elif "wmic" not in read.read:
        yield Unseen("paths, command lines and parents of processes", "no wmic process is in the paste")
    yield from UNSEEN


def _told(read: pasted.Pasted, found: list[Finding], abroad: list[Connection]) -> dict[str, Json]:
    missed = list(unseen(read))
    return {"read": read.read, "findings": found, "outside": abroad, "processes": len(read.processes), "unseen": missed}


def _show(read: pasted.Pasted, found: list[Finding], abroad: list[Connection]) -> None:
    out = console()
    out.print(line("read " + ", ".join(f"{n} rows of {tool}" for tool, n in read.read.items()), "bold"))
    by_pid = {p.pid: p for p in read.processes}
    if abroad:
        out.print(_table(abroad, by_pid))
    if "netstat" in read.read:
        out.print(line(f"{len(abroad)} sockets to addresses that are not yours", "bold"))
    for finding in found:
        out.print(line(f"{finding.score:>3} {finding.what}", "red" if finding.score >= 50 else ""))
        out.print(line(f"    {finding.where}: {finding.why}", "dim"))
    for missed in unseen(read):
        out.print(line(f"not looked at: {missed.what} ({missed.why})", "yellow"))


def _table(abroad: list[Connection], by_pid: dict[int, Process]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("proto", "local", "remote", "state", "pid", "process"):
        table.add_column(column, overflow="fold")
    for c in sorted(abroad, key=lambda c: (c.remote, c.remote_port, c.local_port)):
        process = by_pid.get(c.pid or 0)
        name = (process.exe or process.name) if process else "not in the paste"
        cells = (c.proto, f"{c.local}:{c.local_port}", f"{c.remote}:{c.remote_port}", c.state, str(c.pid or "?"), name)
        table.add_row(*map(line, cells))
    return table
