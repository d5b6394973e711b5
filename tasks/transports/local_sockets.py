"""The kernel's socket tables of this host, paired with who holds the sockets. Knows /proc/net; must not know what a beacon is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tasks.facts import Connection
from tasks.model import Remote
from tasks.transports import local_proc as procfs
from tasks.transports.linux_net import Sight, merge, notation, orphans, owned, parse, talks

_TABLES = (("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"))
_SCAN_SECONDS = 1.0
_PAUSE = 0.002


def sample(at: float) -> tuple[Connection, ...]:
    """One sample of all TCP and UDP sockets of our network namespace; `at` is the sample's time.

    A socket that seems to be nobody's is looked at twice, the second time with the processes that hide from the
    listing: it may have been opened or closed between reading the table and reading the descriptors.
    """
    with procfs.uncovered() as proc:
        sight = _look(proc, at, procfs.listed(proc))
        if orphans(sight):
            secret, _ = procfs.hidden(proc, _SCAN_SECONDS)
            again = _look(proc, at, procfs.listed(proc) | secret.keys())
            sight = merge(sight, again)
    return tuple(owned(sight, procfs.all_pids_visible()))


def watch(remote: Remote, seconds: float) -> tuple[Connection, ...]:
    """Live TCP sockets to the remote, each once, until one is caught with its owner or `seconds` are over.

    Reads the kernel's tables every few milliseconds, but rests four times as long as a look takes: a host with very many
    sockets is looked at less often, not loaded.
    """
    deadline = time.monotonic() + seconds
    caught: dict[int | None, Connection] = {}
    with procfs.uncovered() as proc:
        while (left := deadline - time.monotonic()) > 0:
            began = time.monotonic()
            caught |= {c.inode: _held(proc, c) for c in _live(proc / "self" / "net", remote)}
            if any(c.pid is not None for c in caught.values()):
                break
            time.sleep(min(left, max(_PAUSE, 4 * (time.monotonic() - began))))
    return tuple(caught.values())


def _live(folder: Path, remote: Remote) -> Iterator[Connection]:
    end = f"{notation(remote.address)}:" + (f"{remote.port:04X} " if remote.port else "")
    for name in ("tcp", "tcp6") if remote.address.version == 4 else ("tcp6",):
        with suppress(FileNotFoundError):
            text = (folder / name).read_text()
            if end in text:
                yield from (c for c in parse(text, "tcp", time.time()) if talks(c, remote) and c.inode)


def _held(proc: Path, socket: Connection) -> Connection:
    """The socket with the first process that holds it: the newest processes are asked first, for time is short."""
    for pid in sorted(procfs.listed(proc), reverse=True):
        if procfs.holds(proc, pid, socket.inode):
            return replace(socket, pid=pid, owner="high")
    return replace(socket, owner="low")


def _look(proc: Path, at: float, pids: set[int]) -> Sight:
    folders = [proc / "self" / "net", *_contained(proc, pids)]
    sockets = tuple(dict.fromkeys(c for folder in folders for c in read_tables(folder, at)))
    owners, whole = procfs.socket_owners(proc, pids)
    return Sight(sockets, owners, whole)


def _contained(proc: Path, pids: set[int]) -> Iterator[Path]:
    """The tables of the containers' own networks, each through one process in it; only root sees them."""
    known = {_network(proc / "self")}
    for pid in sorted(pids):
        network = _network(proc / str(pid))
        if network and network not in known and procfs.container(proc, pid):
            known.add(network)
            yield proc / str(pid) / "net"


def _network(process: Path) -> str:
    try:
        return str((process / "ns" / "net").readlink())
    except OSError:
        return ""


def read_tables(folder: Path, at: float) -> Iterator[Connection]:
    """The sockets in tcp, tcp6, udp and udp6 below `folder`; a kernel without IPv6 has two of them only."""
    for name, proto in _TABLES:
        try:
            text = (folder / name).read_text()
        except OSError:  # no IPv6, or the process whose network it is has ended
            continue
        yield from parse(text, proto, at)
