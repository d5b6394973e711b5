"""What samples of a host's sockets tell of a beacon: who holds it, how often it calls. Pure; must not know a host or a clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from tasks.facts import Confidence, Connection, Process
from tasks.model import Address, ConfigError, Remote, parse_address

Sample = Sequence[Connection]
_RANK: dict[Confidence, int] = {"none": 0, "low": 1, "medium": 2, "high": 3}
_MAX_CHAIN = 64
_COLONS = re.compile(r"(?<![\w.:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f:.]*(?!\w)")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A process that may be the beacon. `created` is 0.0 when only its pid was seen; `reasons` are for a person."""

    pid: int
    created: float
    confidence: Confidence
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """How often the beacon calls, in seconds; None when the samples do not show it. `how` says what it was learnt from."""

    seconds: float | None
    how: str


def talks(connection: Connection, remote: Remote) -> bool:
    """Is the far end the remote? Listening sockets have no far end."""
    port = remote.port in (None, connection.remote_port)
    return port and connection.remote == str(remote.address)


def settle(samples: Sequence[Sample]) -> list[list[Connection]]:
    """The samples, with owners carried over: a socket without an owner gets the one that it had in another sample.

    It is the same socket if both ends are the same and no two inodes contradict it (TIME_WAIT has none any more). A
    carried owner is of medium confidence.
    """
    owned = [c for sample in samples for c in sample if c.pid is not None]
    known: dict[tuple[object, ...], list[Connection]] = {}
    for connection in owned:
        known.setdefault(_ends(connection), []).append(connection)
    return [[_carried(c, known.get(_ends(c), [])) for c in sample] for sample in samples]


def _carried(connection: Connection, owned: Sequence[Connection]) -> Connection:
    if connection.pid is not None:
        return connection
    same = [o for o in owned if connection.inode is None or o.inode in (None, connection.inode)]
    if not same:
        return connection
    nearest = min(same, key=lambda o: abs(o.at - connection.at))
    return replace(connection, pid=nearest.pid, owner="medium")


def _ends(c: Connection) -> tuple[object, ...]:
    return c.proto, c.local, c.local_port, c.remote, c.remote_port


def attribute(samples: Sequence[Sample], remote: Remote, processes: Iterable[Process] = ()) -> tuple[Suspect, ...]:
    """The processes that talk to the remote, the surest first.

    high: an open descriptor of the process was on a socket to the remote. medium: its socket was seen with it in another
    sample. low: no socket, but its command line names the remote (an administrator's may, too).
    """
    by_pid = {p.pid: p for p in processes}
    seen: dict[int, dict[int, list[Connection]]] = {}
    for number, connection in ((n, c) for n, sample in enumerate(settle(samples)) for c in sample if talks(c, remote)):
        if connection.pid is not None:
            seen.setdefault(connection.pid, {}).setdefault(number, []).append(connection)
    found = [_suspect(pid, sockets, remote, len(samples), by_pid.get(pid)) for pid, sockets in seen.items()]
    found += [_named(p, remote) for p in by_pid.values() if p.pid not in seen and names(p.cmdline, remote)]
    return tuple(sorted(found, key=lambda s: (-_RANK[s.confidence], s.pid)))


def _suspect(
    pid: int, seen: Mapping[int, Sequence[Connection]], remote: Remote, samples: int, process: Process | None
) -> Suspect:
    """`seen` are its sockets by the sample's number: one sample may look more than once."""
    sockets = [c for sample in seen.values() for c in sample]
    surest = max((c.owner for c in sockets), key=_RANK.__getitem__)
    ports = len({c.local_port for c in sockets})
    reasons = [f"it held {ports} socket(s) to {remote}, seen in {len(seen)} of {samples} samples"]
    if surest != "high":
        reasons.append("its socket was ownerless when seen, but was its own in another sample")
    return Suspect(pid, process.created if process else 0.0, surest, tuple(reasons))


def _named(process: Process, remote: Remote) -> Suspect:
    reason = f"its command line names {remote.address}, but no socket of it was seen"
    return Suspect(process.pid, process.created, "low", (reason,))


def names(words: Iterable[str], remote: Remote) -> bool:
    """Does any of the words contain the remote's address as a whole (10.0.0.1 is not in 10.0.0.12), however it is spelled?"""
    address = re.compile(rf"(?<![\w.:]){re.escape(str(remote.address))}(?![\w.]|:[0-9a-f]*:)")
    return any(address.search(word) or remote.address in _spelled(word) for word in words)


def _spelled(word: str) -> Iterator[Address]:
    """The IPv6 addresses in a text: in capitals, with all their zeros, IPv4-mapped, with a port or a full stop behind them."""
    for found in _COLONS.findall(word):
        for text in dict.fromkeys((found, found.rstrip(".:"), found.rpartition(":")[0])):
            with suppress(ConfigError):
                yield parse_address(text)


def learn_interval(samples: Sequence[Sample], remote: Remote) -> Interval:
    """How often new sockets to the remote appear: the median gap between their first sights.

    Sockets of the first sample may be of any age and only count as known. Several new ones in one gap between samples are
    spread evenly over it, so that sparse samples still show the rate. One standing socket shows no interval.
    """
    births = _births(samples, remote)
    if len(births) >= 2:
        gaps = [later - earlier for earlier, later in pairwise(births)]
        return Interval(median(gaps), f"the median gap between {len(births)} new sockets")
    if births:
        return Interval(None, "only one new socket appeared while we looked")
    if any(talks(c, remote) for sample in samples for c in sample):
        return Interval(None, "one connection stands; when it speaks does not show in samples")
    return Interval(None, "no socket to the remote was seen")


def _births(samples: Sequence[Sample], remote: Remote) -> list[float]:
    ordered = sorted((s for s in samples if s), key=lambda s: max(c.at for c in s))
    births: list[float] = []
    # A first sample without any socket has no time, but tells that what comes later is new.
    known: set[tuple[object, ...]] | None = set() if samples and not samples[0] else None
    before: float | None = None
    for sample in ordered:
        ends, at = {_ends(c) for c in sample if talks(c, remote)}, max(c.at for c in sample)
        fresh = len(ends - known) if known is not None else 0
        if fresh:
            births += [at] if before is None else [before + (at - before) * (n + 1) / fresh for n in range(fresh)]
        known, before = (known or set()) | ends, at
    return births


def chain(processes: Iterable[Process], pid: int) -> tuple[Process, ...]:
    """The process and its ancestors. A parent counts only if it is not younger than its child: its pid may be used again."""
    by_pid = {p.pid: p for p in processes}
    line: list[Process] = []
    while (process := by_pid.get(pid)) and process not in line and len(line) < _MAX_CHAIN:
        if line and process.start.after(line[-1].start):
            break
        line.append(process)
        pid = process.ppid
    return tuple(line)


def tree(processes: Iterable[Process], pid: int) -> tuple[Process, ...]:
    """The process and its descendants, parents before children; the same rule of age."""
    everyone = list(processes)
    found = [p for p in everyone if p.pid == pid]
    for parent in found:  # grows while we walk
        found += [p for p in everyone if p.ppid == parent.pid and not parent.start.after(p.start) and p not in found]
    return tuple(found)
