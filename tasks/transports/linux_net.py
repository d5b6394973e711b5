"""The kernel's socket tables as text, and how looks at them are put together. Knows /proc/net; must not know how it was read."""

from __future__ import annotations

import ipaddress
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tasks.facts import Confidence, Connection
from tasks.model import Address, Remote

# include/net/tcp_states.h, under psutil's names.
_STATES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN_RECV",
}
_LINE = re.compile(
    r"^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2})"
    r" \S+ \S+ \S+ +\d+ +\d+ (\d+)",
    re.ASCII,
)
# The byte order of the host whose tables are read, as struct writes it.
OWN_ORDER = "<" if sys.byteorder == "little" else ">"


@dataclass(frozen=True, slots=True)
class Sight:
    """One look: the sockets, who holds which inode, and whether every process showed its descriptors."""

    sockets: tuple[Connection, ...]
    owners: dict[int, set[int]]
    whole: bool


def orphans(sight: Sight) -> set[int]:
    """The inodes of the sockets that nobody was seen to hold."""
    return {c.inode for c in sight.sockets if c.inode and c.inode not in sight.owners}


def merge(first: Sight, second: Sight) -> Sight:
    """Both looks together; an orphan of the first that is gone in the second was about to close: it lost its inode."""
    there = {c.inode for c in second.sockets}
    unsure = orphans(first) - there
    sockets = [
        replace(c, inode=None) if c.inode in unsure and c.inode not in second.owners else c for c in first.sockets
    ]
    known = {_ends(c) for c in first.sockets}
    late = [c for c in second.sockets if _ends(c) not in known and c.inode in second.owners]
    owners = {i: first.owners.get(i, set()) | second.owners.get(i, set()) for i in first.owners | second.owners}
    return Sight((*sockets, *late), owners, first.whole and second.whole)


def _ends(c: Connection) -> tuple[str, str, int, str, int, int | None]:
    return c.proto, c.local, c.local_port, c.remote, c.remote_port, c.inode


def owned(sight: Sight, all_visible: bool) -> Iterator[Connection]:
    """The sockets with their owners, once for each; without `all_visible` an ownerless one may be that of a process out of sight."""
    nobody: Confidence = "none" if sight.whole and all_visible else "low"
    for socket in sight.sockets:
        holders = sight.owners.get(socket.inode, set()) if socket.inode else set()
        for pid in sorted(holders):
            yield replace(socket, pid=pid, owner="high")
        if not holders:
            yield replace(socket, owner=nobody if socket.inode else "none")


def talks(connection: Connection, remote: Remote) -> bool:
    """Is the far end the remote?"""
    return connection.remote == str(remote.address) and remote.port in (None, connection.remote_port)


def parse(text: str, proto: str, at: float, order: str = OWN_ORDER) -> Iterator[Connection]:
    """The lines of one table (Documentation/networking/proc_net_tcp.rst); what is no such line is left out."""
    for line in text.split("\n"):
        if match := _LINE.match(line):
            local, local_port, remote, remote_port, state, inode = match.groups()
            yield Connection(
                at,
                proto,
                address(local, order),
                int(local_port, 16),
                address(remote, order),
                int(remote_port, 16),
                _state(proto, int(state, 16)),
                inode=int(inode) or None,
            )


def _state(proto: str, number: int) -> str:
    if proto == "udp" and number == 7:
        return "NONE"
    return _STATES.get(number, str(number))


def notation(wanted: Address, order: str = OWN_ORDER) -> str:
    """The end of every notation of this address in the kernel's tables (an IPv4 one may be mapped into IPv6)."""
    packed = wanted.packed
    return "".join(f"{word:08X}" for word in struct.unpack(f"{order}{len(packed) // 4}I", packed))


def address(digits: str, order: str = OWN_ORDER) -> str:
    """An address as the kernel prints it: 32-bit words in the host's own byte order. IPv4-mapped IPv6 becomes IPv4."""
    words = [int(digits[i : i + 8], 16) for i in range(0, len(digits), 8)]
    packed = struct.pack(f"{order}{len(words)}I", *words)
    if len(packed) == 4:
        return str(ipaddress.IPv4Address(packed))
    six = ipaddress.IPv6Address(packed)
    return str(six.ipv4_mapped or six)
