"""The sockets of a Linux host as scripts/look.sh tells them. Knows its records; must not know what a beacon is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

from tasks.facts import Connection, Unseen
from tasks.model import Remote
from tasks.transports.linux_net import Sight, merge, notation, orphans, owned, parse, talks
from tasks.transports.linux_proc import FIRST_PID_NAMESPACE
from tasks.transports.ssh_look_records import Ask, Record, first, of_kind, records, unseen

SECONDS = 60.0
_SCAN_SECONDS = 1
_ROW = re.compile(r"^\S*/net/(tcp|udp)6?:(.*)$", re.ASCII)
_HELD = re.compile(r"/(\d+)/fd/\d+ socket:\[(\d+)\]$", re.ASCII)
_INODE = re.compile(r"^socket (\d+) \S*/(\d+)/fd/\d+$", re.ASCII)
_BIG = re.compile(r"^(?:s390|ppc64$|ppc$|mips(?:64)?$|sparc|parisc|hppa|armeb|aarch64_be)")


def connections(ask: Ask) -> tuple[list[Connection], list[Unseen]]:
    """One sample of every TCP and UDP socket of the host, and, for root, of its containers' own networks; and what was left out.

    A socket that seems to be nobody's is looked at twice, the second time with the processes that hide from the listing.
    """
    at = time.time()
    found = records(ask, "connections", ["0"], SECONDS)
    sight = sighted(found, at)
    if orphans(sight):
        found = records(ask, "connections", [str(_SCAN_SECONDS)], SECONDS)
        sight = merge(sight, sighted(found, at))
    return list(owned(sight, first(found, "namespace") == FIRST_PID_NAMESPACE)), unseen(found)


def watch(ask: Ask, remote: Remote, seconds: float) -> tuple[Connection, ...]:
    """Live TCP sockets to the remote, each once, until one is caught with its owner or `seconds` are over."""
    port = f"{remote.port:04X}" if remote.port else "[0-9A-F]{4}"
    begin = r"^ *[0-9]+: [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{24})?"
    ends = "|".join({notation(remote.address, order) for order in "<>"})
    pattern = f"{begin}({ends}):{port} "
    found = records(ask, "watch", [str(max(1, round(seconds * 100))), pattern], seconds + 30)
    caught: dict[int, Connection] = {}
    for connection in owned(sighted(found, time.time()), all_visible=False):
        if talks(connection, remote) and connection.inode:
            held = caught.get(connection.inode)
            caught[connection.inode] = held if held and held.pid is not None else connection
    return tuple(caught.values())


def sighted(found: Sequence[Record], at: float) -> Sight:
    """The sockets of the records and who holds them."""
    order = ">" if _BIG.match(first(found, "machine")) else "<"
    sockets = tuple(dict.fromkeys(_sockets(found, at, order)))
    closed = any(record.words or record.lines() for record in of_kind(found, "closed"))
    return Sight(sockets, owners(found), not closed and not unseen(found))


def _sockets(found: Sequence[Record], at: float, order: str) -> Iterator[Connection]:
    rows = (_ROW.match(line) for record in of_kind(found, "tables") for line in record.lines())
    for row in filter(None, rows):
        yield from parse(row[2], row[1], at, order)


def owners(found: Sequence[Record]) -> dict[int, set[int]]:
    """Which processes hold which socket inode."""
    held: dict[int, set[int]] = {}
    for record in found:
        for pid, inode in _holders(record):
            held.setdefault(inode, set()).add(pid)
    return held


def _holders(record: Record) -> Iterator[tuple[int, int]]:
    if record.kind == "sockets":
        yield from ((int(m[1]), int(m[2])) for line in record.lines() if (m := _HELD.search(line)))
    elif record.kind == "inodes":
        yield from ((int(m[2]), int(m[1])) for line in record.lines() if (m := _INODE.search(line)))
