"""The journal keeps what was written, names what was changed, and survives power cuts, full disks and Ctrl-C."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.journal import GENESIS, NAME, BrokenChain, Journal, read, torn_bytes
from tasks.model import HemostatError, Refused, Remote

LINES = 12
Values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def written(folder: Path, lines: int = LINES) -> Path:
    """A journal of some lines; its path."""
    journal = Journal(folder)
    for number in range(lines):
        journal.append("note", about=f"line {number}", text="a\r\nb\u2028c\udc80 é" * (number % 3))
    journal.close()
    return folder / NAME


@given(data=st.dictionaries(st.text(min_size=1), Values, max_size=4))
@settings(max_examples=60)
def test_what_was_appended_is_read_again(tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]) -> None:
    """Any JSON value comes back as the same record, from a line that jq can read; NaN and infinity as strings."""
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder)
    record = journal.append("note", about=data)
    journal.close()
    assert list(read(folder / NAME)) == [record]
    json.loads((folder / NAME).read_bytes(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_nouns_become_plain_data(tmp_path: Path) -> None:
    """Addresses, bytes and times are written as strings, the same in memory as on the disk."""
    journal = Journal(tmp_path)
    remote = Remote.parse("[2001:db8::1]:443")
    record = journal.append("note", remote=remote, raw=b"\x00\xff", when=journal._clock())
    assert record.data["remote"] == {"address": "2001:db8::1", "port": 443}
    assert record == next(read(journal.path))
    journal.close()


def test_the_chain_begins_at_genesis_and_the_head_is_the_last_hash(tmp_path: Path) -> None:
    """Each line has the hash of the one before; sequence numbers are their own."""
    path = written(tmp_path)
    records = list(read(path))
    assert [r.prev for r in records] == [GENESIS, *(r.hash for r in records[:-1])]
    assert [r.seq for r in records] == list(range(LINES))
    journal = Journal(tmp_path)
    assert journal.head == records[-1].hash
    journal.close()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """The folder is 0700 and the file 0600, whatever the umask says."""
    path = written(tmp_path / "incident")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("bit", [0, 5])
def test_any_flipped_byte_is_named_by_its_line(tmp_path: Path, bit: int) -> None:
    """Every single byte of the file, the last line's end as well."""
    path = written(tmp_path, 4)
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        path.write_bytes(changed)
        with pytest.raises(BrokenChain) as error:
            list(read(path))
        line = whole[:place].count(b"\n") + 1
        assert error.value.line == line, f"byte {place}: line {line} was changed, line {error.value.line} is named"


def test_a_changed_last_end_is_not_healed_away(tmp_path: Path) -> None:
    """A power cut leaves less than a line, never more than a record: opening refuses, and cuts nothing off."""
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\x0b")
    with pytest.raises(BrokenChain, match=f"line {LINES}"):
        Journal(tmp_path)
    assert path.stat().st_size == len(whole)
    path.write_bytes(whole[:-1])
    assert len(list(read(path))) == LINES - 1
    assert torn_bytes(path) == len(whole.splitlines()[-1])


def without(lines: list[bytes]) -> list[bytes]:
    return lines[:4] + lines[5:]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


def doubled(lines: list[bytes]) -> list[bytes]:
    return [*lines[:5], lines[4], *lines[5:]]


def spaced(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4].replace(b'":', b'": ', 1), *lines[5:]]


def emptied(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], b"\n", *lines[4:]]


def of_another(lines: list[bytes]) -> list[bytes]:
    body = json.loads(lines[4]) | {"data": {"about": "nothing", "text": "happened"}}
    return [*lines[:4], json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n", *lines[5:]]


@pytest.mark.parametrize(
    ("change", "line"),
    [(without, 5), (swapped, 5), (doubled, 6), (spaced, 5), (emptied, 5), (of_another, 5)],
    ids=lambda c: getattr(c, "__name__", ""),
)
def test_a_changed_order_is_named_by_its_line(tmp_path: Path, change: object, line: int) -> None:
    """Missing, moved, repeated, reformatted, empty and rewritten lines."""
    path = written(tmp_path)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(BrokenChain, match=f"line {line}"):
        list(read(path))
    with pytest.raises(BrokenChain, match=f"line {line}"):
        Journal(tmp_path)


@given(cut=st.integers(1, 150))
@settings(max_examples=30)
def test_a_torn_last_line_is_healed_noticed_and_kept(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """After a power cut the journal opens again, says so in a record, and the torn bytes stay for whoever wants them."""
    folder = tmp_path_factory.mktemp("journal")
    path = written(folder, 3)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    cut = min(cut, len(last) - 1)
    path.write_bytes(whole[:-cut])
    journal = Journal(folder)
    assert [r.kind for r in journal.records] == ["note", "note", "journal.healed"]
    assert journal.records[-1].data == {"lost_bytes": len(last) - cut, "kept_in": "journal.torn"}
    assert (folder / "journal.torn").read_bytes() == last[:-cut]
    journal.append("note", about="later", text="")
    journal.close()
    assert len(list(read(path))) == 4


def test_a_torn_first_line_leaves_an_empty_journal(tmp_path: Path) -> None:
    """Nothing stands of an incident whose opening was cut off: its first record is still to come."""
    path = written(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-40])
    journal = Journal(tmp_path)
    assert journal.records == []
    assert journal.append("incident.opened").prev == GENESIS
    journal.close()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """In this process and in another one; after a close, and after any death, the next one may."""
    first = Journal(tmp_path)
    with pytest.raises(Refused, match="another process works"):
        Journal(tmp_path)
    code = f"from pathlib import Path; from tasks.journal import Journal; Journal(Path({str(tmp_path)!r}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert "Refused" in other.stderr
    first.close()
    first.close()
    Journal(tmp_path).close()


def test_threads_write_whole_lines_in_one_chain(tmp_path: Path) -> None:
    """Devices journal from their own threads."""
    journal = Journal(tmp_path)
    threads = [
        threading.Thread(target=lambda n=n: [journal.append("note", about=n, text="x" * 500) for _ in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert len(list(read(journal.path))) == 80


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    """The kernel takes half a line and no more (RLIMIT_FSIZE): the half goes, and later lines follow the whole ones."""
    journal = Journal(tmp_path)
    journal.append("note", about="before", text="")
    size = journal.path.stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))
    try:
        with pytest.raises(HemostatError, match="make room"):
            journal.append("note", about="too long", text="x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert journal.path.stat().st_size == size
    journal.append("note", about="after", text="")
    journal.close()
    assert [r.data["about"] for r in read(journal.path)] == ["before", "after"]


class Interrupted(Journal):
    """A journal during whose every write somebody presses Ctrl-C."""

    def _write(self, line: bytes) -> None:
        super()._write(line)
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_in_the_middle_of_a_line_comes_after_it(tmp_path: Path) -> None:
    """The line and what this process knows of it stay one; then Ctrl-C does what it always does."""
    journal = Interrupted(tmp_path)
    for number in range(2):
        with pytest.raises(KeyboardInterrupt):
            journal.append("note", about=number, text="")
    journal.close()
    assert list(read(journal.path)) == journal.records
    assert len(journal.records) == 2
