"""The kernel's socket tables of this host, paired with who holds the sockets. Knows /proc/net; must not know what a beacon is."""

from __future__ import annotations

import ipaddress
import re
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.facts import Confidence, Connection
from tasks.model import Address, Remote
from tasks.transports import local_proc as procfs

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
_TABLES = (("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"))
_SCAN_SECONDS = 1.0
_PAUSE = 0.002
_LINE = re.compile(
    r"^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2})"
    r" \S+ \S+ \S+ +\d+ +\d+ (\d+)"
)


@dataclass(frozen=True, slots=True)
class _Sight:
    """One look: the sockets, who holds which inode, and whether every process showed its descriptors."""

    sockets: tuple[Connection, ...]
    owners: dict[int, set[int]]
    whole: bool


def sample(at: float) -> tuple[Connection, ...]:
    """One sample of all TCP and UDP sockets of our network namespace; `at` is the sample's time.

    A socket that seems to be nobody's is looked at twice, the second time with the processes that hide from the
    listing: it may have been opened or closed between reading the table and reading the descriptors.
    """
    with procfs.uncovered() as proc:
        sight = _look(proc, at, procfs.listed(proc))
        if _orphans(sight):
            secret, _ = procfs.hidden(proc, _SCAN_SECONDS)
            again = _look(proc, at, procfs.listed(proc) | secret.keys())
            sight = _merge(sight, again)
    return tuple(_owned(sight, procfs.all_pids_visible()))


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
    end = f"{_notation(remote.address)}:" + (f"{remote.port:04X} " if remote.port else "")
    for name in ("tcp", "tcp6") if remote.address.version == 4 else ("tcp6",):
        with suppress(FileNotFoundError):
            text = (folder / name).read_text()
            if end in text:
                yield from (c for c in parse(text, "tcp", time.time()) if _talks(c, remote) and c.inode)


def _talks(connection: Connection, remote: Remote) -> bool:
    return connection.remote == str(remote.address) and remote.port in (None, connection.remote_port)


def _held(proc: Path, socket: Connection) -> Connection:
    """The socket with the first process that holds it: the newest processes are asked first, for time is short."""
    for pid in sorted(procfs.listed(proc), reverse=True):
        if procfs.holds(proc, pid, socket.inode):
            return replace(socket, pid=pid, owner="high")
    return replace(socket, owner="low")


def _look(proc: Path, at: float, pids: set[int]) -> _Sight:
    sockets = tuple(read_tables(proc / "self" / "net", at))
    owners, whole = procfs.socket_owners(proc, pids)
    return _Sight(sockets, owners, whole)


def _orphans(sight: _Sight) -> set[int]:
    return {c.inode for c in sight.sockets if c.inode and c.inode not in sight.owners}


def _merge(first: _Sight, second: _Sight) -> _Sight:
    """Both looks together; an orphan of the first that is gone in the second was about to close: it lost its inode."""
    there = {c.inode for c in second.sockets}
    unsure = _orphans(first) - there
    sockets = [
        replace(c, inode=None) if c.inode in unsure and c.inode not in second.owners else c for c in first.sockets
    ]
    known = {_ends(c) for c in first.sockets}
    late = [c for c in second.sockets if _ends(c) not in known and c.inode in second.owners]
    owners = {i: first.owners.get(i, set()) | second.owners.get(i, set()) for i in first.owners | second.owners}
    return _Sight((*sockets, *late), owners, first.whole and second.whole)


def _ends(c: Connection) -> tuple[str, str, int, str, int, int | None]:
    return c.proto, c.local, c.local_port, c.remote, c.remote_port, c.inode


def _owned(sight: _Sight, all_visible: bool) -> Iterator[Connection]:
    nobody: Confidence = "none" if sight.whole and all_visible else "low"
    for socket in sight.sockets:
        holders = sight.owners.get(socket.inode, set()) if socket.inode else set()
        for pid in sorted(holders):
            yield replace(socket, pid=pid, owner="high")
        if not holders:
            yield replace(socket, owner=nobody if socket.inode else "none")


def read_tables(folder: Path, at: float) -> Iterator[Connection]:
    """The sockets in tcp, tcp6, udp and udp6 below `folder`; a kernel without IPv6 has two of them only."""
    for name, proto in _TABLES:
        try:
            text = (folder / name).read_text()
        except FileNotFoundError:
            continue
        yield from parse(text, proto, at)


def parse(text: str, proto: str, at: float) -> Iterator[Connection]:
    """The lines of one table (Documentation/networking/proc_net_tcp.rst); what is no such line is left out."""
    for line in text.splitlines()[1:]:
        if match := _LINE.match(line):
            local, local_port, remote, remote_port, state, inode = match.groups()
            yield Connection(
                at,
                proto,
                address(local),
                int(local_port, 16),
                address(remote),
                int(remote_port, 16),
                _state(proto, int(state, 16)),
                inode=int(inode) or None,
            )


def _state(proto: str, number: int) -> str:
    if proto == "udp" and number == 7:
        return "NONE"
    return _STATES.get(number, str(number))


def _notation(wanted: Address) -> str:
    """The end of every notation of this address in the kernel's tables (an IPv4 one may be mapped into IPv6)."""
    packed = wanted.packed
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))


def address(digits: str) -> str:
    """An address as the kernel prints it: 32-bit words in the machine's own byte order. IPv4-mapped IPv6 becomes IPv4."""
    words = [int(digits[i : i + 8], 16) for i in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return str(ipaddress.IPv4Address(packed))
    six = ipaddress.IPv6Address(packed)
    return str(six.ipv4_mapped or six)
