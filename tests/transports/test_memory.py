"""The memory of a real process: what it holds is found at its own address, and nobody else's is ever read."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.facts import Start
from tasks.memory import PAGE, core_header, regions
from tasks.model import Refused, TargetError
from tasks.transports.hands import Fetched, Hands
from tasks.transports.local import LocalHands
from tests.transports.ways import WAYS, by

# The marker is made in the process itself, so it is on no command line and in no file.
HOLDER = """
import ctypes, hashlib, sys
print("ready", flush=True)
seed = sys.stdin.readline().strip()
marker = hashlib.sha256(seed.encode()).hexdigest().encode()
held = ctypes.create_string_buffer(marker)
print(ctypes.addressof(held), flush=True)
sys.stdin.readline()
"""


def loads(core: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Flags, file offset, address, bytes in the file and bytes in memory of each PT_LOAD, as elf(5) says."""
    assert core[:5] == b"\x7fELF\x02"
    kind, _, _, _, start = struct.unpack_from("<HHIQQ", core, 16)
    assert kind == 4, "it is no core file"
    (count,) = struct.unpack_from("<H", core, 56)
    for number in range(count):
        entry, flags, offset, address, _, held, size, _ = struct.unpack_from("<IIQQQQQQ", core, start + 56 * number)
        assert entry == 1
        yield flags, offset, address, held, size


def at(core: bytes, address: int, length: int) -> bytes:
    """What the core file says stands at that address of the process."""
    for _, offset, start, held, _ in loads(core):
        if start <= address < start + held:
            return core[offset + address - start :][:length]
    return b""


def dumped(hands: Hands, pid: int, limit: int = 1 << 30) -> tuple[bytes, Fetched]:
    (process,) = hands.processes([pid])
    into = io.BytesIO()
    fetched = hands.memory(pid, process.start, into, limit)
    return into.getvalue(), fetched


@pytest.fixture
def holder(python: Callable) -> tuple[int, int, bytes]:
    """A process that holds a random marker: pid, address, marker."""
    seed = secrets.token_hex(16)
    child = python(HOLDER)
    child.stdin.write(f"{seed}\n")
    child.stdin.flush()
    address = int(child.stdout.readline())
    return child.pid, address, hashlib.sha256(seed.encode()).hexdigest().encode()


@pytest.mark.parametrize("way", WAYS)
def test_a_marker_is_found_at_its_own_address(
    request: pytest.FixtureRequest, way: str, holder: tuple[int, int, bytes]
) -> None:
    """What only the process knows is in the copy, where an analyst's tools look for it; the hash is that of the file."""
    pid, address, marker = holder
    with by(request, way, Path("/")) as hands:
        core, fetched = dumped(hands, pid)
    assert at(core, address, len(marker)) == marker
    assert (fetched.size, fetched.sha256) == (len(core), hashlib.sha256(core).hexdigest())
    assert not fetched.cut
    assert any("kernel's own" in gap for gap in fetched.gaps), fetched.gaps


def test_the_limit_keeps_what_the_process_wrote(holder: tuple[int, int, bytes]) -> None:
    """Mapped files, which stand on the disk too, go first; what is left out is told."""
    pid, address, marker = holder
    wrote = sum(size for _, _, _, held, size in loads(dumped(LocalHands(), pid)[0]) if held) // 2
    core, fetched = dumped(LocalHands(), pid, limit=wrote)
    assert at(core, address, len(marker)) == marker
    assert fetched.cut
    assert any("over the size limit" in gap for gap in fetched.gaps)
    assert sum(held for *_, held, _ in loads(core)) <= wrote


def test_pages_that_cannot_be_read_are_told(python: Callable, tmp_path: Path) -> None:
    """A file that was cut under its mapping: the page is there in the map, and nothing can be read of it."""
    path = tmp_path / "mapped"
    path.write_bytes(b"x" * 4 * PAGE)
    code = f"""import mmap
file = open({str(path)!r}, "r+b")
mapped = mmap.mmap(file.fileno(), 0)
file.truncate({PAGE})
print("ready", flush=True)
input()"""
    core, fetched = dumped(LocalHands(), python(code).pid)
    assert any(gap.startswith("3 page(s) could not be read") for gap in fetched.gaps), fetched.gaps
    assert b"x" * PAGE in core


REFUSED = {"itself": os.getpid, "its parent": os.getppid, "init": lambda: 1, "a kernel thread": lambda: 2}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: others' processes")
@pytest.mark.parametrize("pid", REFUSED.values(), ids=REFUSED)
def test_nobody_of_ours_and_no_kernel_thread(pid: Callable[[], int]) -> None:
    """hemostat's own memory holds secrets; a kernel thread has none of its own."""
    into = io.BytesIO()
    (process,) = LocalHands().processes([pid()])
    with pytest.raises((Refused, TargetError)):
        LocalHands().memory(pid(), process.start, into, 1 << 20)
    assert into.getvalue() == b""


def test_another_start_is_another_process(holder: tuple[int, int, bytes]) -> None:
    """The pid alone is used again."""
    into = io.BytesIO()
    with pytest.raises(TargetError, match="gone"):
        LocalHands().memory(holder[0], Start(1.0), into, 1 << 20)
    assert into.getvalue() == b""


def test_the_fence_holds(holder: tuple[int, int, bytes], tmp_path: Path) -> None:
    """A drill reads the memory of nobody outside its laboratory."""
    hands = LocalHands(str(tmp_path))
    (process,) = hands.processes([holder[0]])
    with pytest.raises(Refused, match="fence"):
        hands.memory(holder[0], process.start, io.BytesIO(), 1 << 20)


MAPS = """\
00400000-00401000 r-xp 00000000 08:01 12 /usr/bin/a file
00601000-00603000 rw-p 00000000 00:00 0
7f0000000000-7f0000001000 ---p 00000000 00:00 0
7f0000001000-7f0000003000 rw-s 00000000 00:06 99 /dev/mem
7f0000003000-7f0000004000 rw-s 00000000 00:05 98 /dev/shm/x
7ffc00000000-7ffc00001000 r--p 00000000 00:00 0 [vvar]
garbage
"""


def test_what_is_taken_of_which_mapping() -> None:
    """Devices, the kernel's own and closed pages are left; under a limit the written ones come first."""
    taken = {r.path or hex(r.start): r.take for r in regions(MAPS, 3 * PAGE)}
    assert taken == {
        "/usr/bin/a file": 0,
        "0x601000": 2 * PAGE,
        "0x7f0000000000": 0,
        "/dev/mem": 0,
        "/dev/shm/x": PAGE,
        "[vvar]": 0,
    }
    assert len(core_header(regions(MAPS, 1 << 20), "x86_64")) == PAGE


def test_a_huge_empty_mapping_hides_nothing() -> None:
    """Terabytes that were only reserved, at the lowest address: the heap behind them still has its place under the limit."""
    maps = "10000-f0000010000 rw-p 00000000 00:00 0\n7f0000000000-7f0000002000 rw-p 00000000 00:00 0 [heap]\n"
    assert [r.take for r in regions(maps, 3 * PAGE)] == [PAGE, 2 * PAGE]


def test_a_list_that_lies_does_not_lift_the_limit() -> None:
    """One address told twice, an end before its start, numbers that are none: never more than the limit, and never an error."""
    lies = "1000-2000 rw-p 0 0 0\n" * 99 + "1000-ffff0000 rw-p 0 0 0\n5000-3000 rw-p 0 0 0\nzz-1 rw-p 0 0 0\n"
    lies += f"{'f' * 30}-1 rw-p 0 0 0\n"
    taken = regions(lies, 200 * PAGE)
    assert sum(r.take for r in taken) == 200 * PAGE
    assert core_header(taken, "x86_64")
