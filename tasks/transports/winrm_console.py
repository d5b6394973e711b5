"""What Windows' console tools show where no script can run: sockets and processes, nothing else. Knows fixed commands."""

from __future__ import annotations

from tasks.facts import Connection, Process, Unseen
from tasks.facts_windows import Preflight
from tasks.model import ConfigError, TargetError
from tasks.transports.winrm import Client
from tasks.windows import pasted
from tasks.windows.pasted import Pasted

PREFLIGHT = Preflight("none", False, False, "", "", 0, "", "", 0.0, 0.0)
_WHY = "no script can run there (constrained language, or no PowerShell): only netstat and tasklist looked"
UNSEEN = tuple(
    Unseen(what, _WHY)
    for what in (
        "paths, command lines and parents of processes",
        "signatures and hashes",
        "services, tasks, registry, WMI subscriptions and drivers",
        "files",
        "hidden processes",
        "events",
    )
)


def connections(client: Client, at: float) -> list[Connection]:
    """The sockets as netstat -ano shows them; `at` is the time of the look, in seconds since the epoch."""
    return list(_pasted(client, "netstat.exe -ano", at).connections)


def processes(client: Client) -> list[Process]:
    """The processes as tasklist /v shows them: pid, name and user."""
    return list(_pasted(client, "tasklist.exe /v", 0.0).processes)


def _pasted(client: Client, command: str, at: float) -> Pasted:
    ran = client.run_console(command)
    try:
        return pasted.read(ran.out, at)
    except ConfigError as error:
        raise TargetError(f"run {command} on {client.host.name}", error.seen, "look at the host by hand") from None
