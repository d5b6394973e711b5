"""The memory of one process of this host, read through /proc/PID/mem while it runs. Knows no format (tasks.memory) and no incident."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tasks.facts import Start
from tasks.memory import PAGE, Region, core_header, gaps, regions
from tasks.model import TargetError
from tasks.transports import local_proc as procfs
from tasks.transports.hands import Fetched
from tasks.transports.local_change import inside, refusals, spare_ourselves

CHUNK = 256 * PAGE


def dump(root: str, pid: int, start: Start, into: BinaryIO, limit: int) -> Fetched:
    """Copy it as an ELF core file; see tasks.transports.hands.

    Whose memory it is is asked before and after: a descriptor of /proc/PID/mem stays with the process that it was opened for
    (proc_pid_mem(5)), so a pid that is used again in between gives nothing of the other one.
    """
    with refusals(f"read the memory of process {pid}"), procfs.uncovered() as proc:
        folder = proc / str(pid)
        program = _same(proc, pid, start)
        spare_ourselves(proc, pid)
        inside(proc, pid, root)
        with (folder / "mem").open("rb", buffering=0) as memory:
            known = regions((folder / "maps").read_text(errors="replace"), limit)
            fetched = _copy(memory.fileno(), known, into)
        if _same(proc, pid, start) != program:
            raise TargetError(
                f"read the memory of process {pid}", "it runs another program now", "redo triage, then collect"
            )
    return fetched


def _same(proc: Path, pid: int, start: Start) -> str:
    """The file that it runs, when it still is the process that started then."""
    try:
        if not procfs.ended(proc, pid) and procfs.start(proc, pid).same(start):
            return str((proc / str(pid) / "exe").readlink())
    except FileNotFoundError:  # no such process; or no program: a kernel thread
        pass
    raise TargetError(f"read the memory of process {pid}", "the process is gone, or has no program of its own")


def _copy(memory: int, known: list[Region], into: BinaryIO) -> Fetched:
    head = core_header(known, platform.machine())
    digest, size, unread = hashlib.sha256(head), len(head), 0
    into.write(head)
    for data, missing in (part for region in known for part in _parts(memory, region)):
        digest.update(data)
        into.write(data)
        size += len(data)
        unread += missing
    cut = any(region.take < region.size and not region.why for region in known)
    return Fetched(size, digest.hexdigest(), cut, gaps(known, unread))


def _parts(memory: int, region: Region) -> Iterator[tuple[bytes, int]]:
    """The bytes of a region, and how many pages of each part could not be read."""
    for at in range(region.start, region.start + region.take, CHUNK):
        length = min(CHUNK, region.start + region.take - at)
        data = _read(memory, at, length)
        if len(data) == length:
            yield data, 0
            continue
        pages = [_read(memory, page, PAGE) for page in range(at, at + length, PAGE)]
        yield b"".join(page.ljust(PAGE, b"\0") for page in pages), sum(len(page) < PAGE for page in pages)


def _read(memory: int, at: int, length: int) -> bytes:
    try:
        return os.pread(memory, length, at)
    except OSError:  # EIO: mapped, but nothing can be read there (past the end of a mapped file, a guard page)
        return b""
