"""The memory of one process over SSH, read there by dd from /proc/PID/mem while it runs. Knows no format (tasks.memory), no incident."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from tasks.memory import PAGE, Region, core_header, gaps, regions
from tasks.model import TargetError
from tasks.transports.hands import Fetched
from tasks.transports.ssh_session import OUTPUT_LIMIT, understood
from tasks.transports.ssh_stream import SLOWEST, STALLED, complaint, instruct
from tasks.transports.ssh_wire import Wire

_TOLD = re.compile(rb"^(after|whole) ([0-9a-f]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Whose:
    """Exactly one process: the fence, its pid and its start as the scripts take it."""

    root: str
    pid: int
    start: str

    @property
    def words(self) -> tuple[str, str, str]:
        return self.root, str(self.pid), self.start


def dump(channel: Callable[[], Wire], whose: Whose, into: BinaryIO, limit: int) -> Fetched:
    """Copy it as an ELF core file; see Hands.memory.

    Args:
        channel: opens a shell that runs scripts/session.sh's `obey_once`.

    Raises:
        Refused: it is not to be touched.
        TargetError: it is not that process any more, or the kernel does not let us.
        Unreachable: the connection broke.
    """
    tried = f"read the memory of process {whose.pid}"
    with closing(channel()) as wire:
        machine, program, maps = _maps(wire, whose, tried)
    known = regions(maps, limit)
    with closing(channel()) as wire:
        ranges = [f"{r.start // PAGE}:{r.take // PAGE}" for r in known if r.take]
        instruct(wire, "memory", (*whose.words, program, *ranges), time.monotonic() + STALLED)
        return _copied(wire, core_header(known, machine), known, into, tried)


def _maps(wire: Wire, whose: Whose, tried: str) -> tuple[str, str, str]:
    instruct(wire, "maps", whose.words, time.monotonic() + STALLED)
    out, deadline = bytearray(), time.monotonic() + STALLED
    while part := wire.read(deadline):
        out += part
        if len(out) > OUTPUT_LIMIT:
            raise TargetError(tried, f"its list of mappings has {len(out)} bytes and no end", "look at it by hand")
    if error := complaint(wire, _TOLD, tried):
        raise error
    with understood(tried):
        machine, program, maps = bytes(out).split(b"\n", 2)
    return machine.decode("ascii", "replace"), program.decode("utf-8", "surrogateescape"), maps.decode(errors="replace")


def _copied(wire: Wire, head: bytes, known: list[Region], into: BinaryIO, tried: str) -> Fetched:
    wanted = sum(region.take for region in known)
    digest, body, size, begun = hashlib.sha256(head), hashlib.sha256(), 0, time.monotonic()
    into.write(head)
    while part := wire.read(min(time.monotonic() + STALLED, begun + 4 * STALLED + size / SLOWEST)):
        size += len(part)
        if size > wanted:
            raise TargetError(tried, "the host sends more than was asked for", "look at it by hand")
        digest.update(part)
        body.update(part)
        into.write(part)
    if error := complaint(wire, _TOLD, tried):
        raise error
    told = {key.decode(): value.decode() for key, value in _TOLD.findall(bytes(wire.errors))}
    if size != wanted or told.get("after") != body.hexdigest():
        raise TargetError(tried, f"{size} of {wanted} bytes arrived as they were read there", "try again")
    with understood(tried):
        unread = wanted // PAGE - int(told.get("whole", "0"))
    cut = any(region.take < region.size and not region.why for region in known)
    return Fetched(len(head) + size, digest.hexdigest(), cut, gaps(known, unread))
