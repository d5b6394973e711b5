"""Which parts of a process's memory are worth a copy, and how they stand in an ELF core file. Pure; reads no process.

proc_pid_maps(5) gives the mappings; the file is that of elf(5): ET_CORE with one PT_LOAD a mapping, so that gdb, readelf and Volatility
find every address again. A mapping that is left out, or cut at the limit, has a p_filesz below its p_memsz.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

PAGE = 4096
# The kernel's own pages in every process: nothing of the process is in them, and some cannot be read (vdso(7)).
_KERNEL = ("[vvar]", "[vvar_vclock]", "[vsyscall]")
_EHDR, _PHDR = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ")
_MACHINES = {"x86_64": 62, "aarch64": 183, "riscv64": 243, "ppc64le": 21, "i686": 3, "armv7l": 40}
# `start-end rights offset device inode path`; the path may hold spaces, so it is the rest.
_MAPPING = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16}) (\S+) \S+ \S+ \S+ *(.*)")
_MOST = 65_000  # program headers; elf(5): e_phnum is 16 bits wide


@dataclass(frozen=True, slots=True)
class Region:
    """One mapping: from address to address, the bytes of it that go into the copy, and why the rest does not."""

    start: int
    end: int
    rights: str
    path: str
    take: int = 0
    why: str = ""

    @property
    def size(self) -> int:
        return self.end - self.start


def regions(maps: str, limit: int) -> list[Region]:
    """The mappings of one process in their order, with what is taken of each under the limit.

    What the process wrote (its data, heap, stacks) has the first claim on the limit, the small before the large, so that a huge empty
    mapping hides nothing; mapped files, which also stand on the disk, have the last.

    Args:
        maps: the text of /proc/PID/maps.
        limit: bytes that may be taken, all together.
    """
    known = [_judged(r) for r in map(_parsed, maps.splitlines()) if r][:_MOST]
    left, taken = limit // PAGE * PAGE, [0] * len(known)
    for place, region in sorted(enumerate(known), key=lambda each: _claim(each[1])):
        taken[place] = 0 if region.why else min(region.size, left)
        left -= taken[place]
    return [replace(region, take=take) for region, take in zip(known, taken, strict=True)]


def _claim(region: Region) -> tuple[bool, int]:
    return region.path.startswith("/") and "w" not in region.rights, region.size


def _parsed(line: str) -> Region | None:
    found = _MAPPING.fullmatch(line)
    if not found or int(found[1], 16) >= int(found[2], 16):
        return None
    return Region(int(found[1], 16), int(found[2], 16), found[3], found[4])


def _judged(region: Region) -> Region:
    why = ""
    if "r" not in region.rights:
        why = "not readable"
    elif region.path in _KERNEL:
        why = "the kernel's own"
    elif region.path.startswith(("/dev/", "/sys/")) and not region.path.startswith(("/dev/shm/", "/dev/zero")):  # noqa: S108
        why = "a device: reading it may do something"
    return Region(region.start, region.end, region.rights, region.path, why=why)


def core_header(known: Sequence[Region], machine: str) -> bytes:
    """The ELF header and program headers, padded to a page; the bytes of the regions follow in their order."""
    size = padded(_EHDR.size + _PHDR.size * len(known))
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = _EHDR.pack(
        ident, 4, _MACHINES.get(machine, 0), 1, 0, _EHDR.size, 0, 0, _EHDR.size, _PHDR.size, len(known), 0, 0, 0
    )
    offset = size
    for region in known:
        head += _PHDR.pack(1, _flags(region.rights), offset, region.start, 0, region.take, region.size, PAGE)
        offset += region.take
    return head.ljust(size, b"\0")


def _flags(rights: str) -> int:
    return sum(bit for letter, bit in (("r", 4), ("w", 2), ("x", 1)) if letter in rights)


def padded(size: int) -> int:
    """The next whole page."""
    return -(-size // PAGE) * PAGE


def gaps(known: Iterable[Region], unread: int) -> tuple[str, ...]:
    """What is not in the copy, in words.

    Args:
        unread: pages that could not be read although they are mapped; they stand as zeros.
    """
    found: dict[str, list[int]] = {}
    for region in known:
        if region.take < region.size:
            found.setdefault(region.why or "over the size limit", []).append(region.size - region.take)
    told = [f"{len(sizes)} mapping(s), {sum(sizes)} bytes: {why}" for why, sizes in found.items()]
    return (*told, *([f"{unread} page(s) could not be read and stand as zeros"] if unread else []))
