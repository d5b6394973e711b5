"""Looking at a Linux host through scripts/look.sh: the reading verbs of `Hands`. Knows what to ask; must not know how the host is reached.

Every function takes `ask` (verb, arguments, seconds → what the verb printed) and gives the facts that a local look gives. Reading a file
there sets its time of access, as any reading does on a host that keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.facts import Autostart as Entry
from tasks.facts import Connection, FileSeen, Process, System, Unseen
from tasks.model import Remote
from tasks.transports import ssh_look_autostarts as starts
from tasks.transports import ssh_look_files as walking
from tasks.transports import ssh_look_processes as running
from tasks.transports import ssh_look_sockets as sockets
from tasks.transports import ssh_look_system as around
from tasks.transports.linux_files import WRITABLE
from tasks.transports.ssh_look_records import Ask, records


def boot_time(ask: Ask) -> float:
    """Seconds since the epoch at which the host's kernel started."""
    return running.clock(records(ask, "boot_time", [], 20.0))[0]


def homes(ask: Ask, root: str = "/") -> list[str]:
    """The home folders of the host's users, as real paths."""
    return starts.homes(ask, root)


def blind(ask: Ask) -> list[Unseen]:
    """What this way of looking cannot see on the host as a whole."""
    return running.search(ask)


def connections(ask: Ask) -> tuple[list[Connection], list[Unseen]]:
    """One sample of every TCP and UDP socket, with its owner where it can be seen, and what was left out."""
    return sockets.connections(ask)


def watch(ask: Ask, remote: Remote, seconds: float) -> tuple[Connection, ...]:
    """Look often for sockets to the remote, up to the first owned one."""
    return sockets.watch(ask, remote, seconds)


def processes(ask: Ask, pids: Sequence[int] | None = None) -> tuple[list[Process], list[Unseen]]:
    """All processes (or these, if they live), also those that hide, programs hashed; and what was left out."""
    return running.processes(ask, pids)


def details(ask: Ask, pid: int) -> dict[str, bytes]:
    """Volatile texts of one process by name."""
    return running.details(ask, pid)


def autostarts(ask: Ask, root: str = "/") -> tuple[list[Entry], list[Unseen]]:
    """Every persistence entry that can be read, and what could not be."""
    return starts.autostarts(ask, root)


def files(ask: Ask, since: float, root: str = "/") -> tuple[list[FileSeen], list[Unseen]]:
    """Files changed after `since` in writable folders and homes, and hidden programs there."""
    folders = [f"{root.rstrip('/')}{folder}" for folder in WRITABLE]
    return walking.recent(ask, [*folders, *homes(ask, root)], since, root)


def system(
    ask: Ask, parts: Sequence[str], since: float, begun: Sequence[float], exes: Sequence[str], root: str = "/"
) -> System:
    """The system around the processes: those of `parts` (modules, privileges, packages, logins, logs)."""
    return around.system(ask, parts, since, begun, exes, root)
