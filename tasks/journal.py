"""The journal: append-only, hash-chained, fsynced lines of one incident. Knows files and hashes; must not know what a step means."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from pydantic_core import to_jsonable_python

from tasks.model import HemostatError, Json, Refused

_STOPS = (signal.SIGINT, signal.SIGTERM)
GENESIS = "0" * 64
NAME = "journal.jsonl"


class BrokenChain(HemostatError):
    """A line of the journal is not what was written. `line` is 1-based."""

    def __init__(self, path: Path, line: int, seen: str) -> None:
        self.line = line
        super().__init__(f"{path}, line {line}", seen, "compare with a copy from a backup; do not resume this incident")


@dataclass(frozen=True, slots=True)
class Record:
    """One line. `hash` covers all the others and `prev`, the hash of the line before (RFC 8785-like canonical JSON)."""

    seq: int
    at: str
    kind: str
    data: dict[str, Json]
    prev: str
    hash: str

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.at)


def digest(value: Json) -> str:
    """SHA-256 of the value's canonical JSON: sorted keys, no spaces, ASCII only."""
    return hexdigest(_canonical(value))


def hexdigest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _plain(value: Json) -> Json:
    # JSON has no word for NaN and infinity (RFC 8259 section 6): they are kept as strings, so that jq reads every line.
    return json.loads(json.dumps(to_jsonable_python(value, bytes_mode="base64")), parse_constant=str)


def pretty(value: Json) -> bytes:
    """JSON for a file that people read too: ASCII only, so that a name that is not UTF-8 (PEP 383) is written and read back exactly."""
    return json.dumps(_plain(value), indent=1, ensure_ascii=True).encode()


def _canonical(value: Json) -> bytes:
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """The open journal of one incident, held by one process (flock; freed by the kernel on any death).

    Args:
        folder: the incident's folder; created when it is missing.
        clock: gives the time of a record.

    Raises:
        Refused: another process holds this incident.
        BrokenChain: a line was changed, removed or put in between.
    """

    def __init__(self, folder: Path, clock: Callable[[], datetime] = _now) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / NAME
        self._clock = clock
        self._one_writer = threading.Lock()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _hold(self._file, folder)
            self.records = list(read(self.path))
            healed = _heal(self._file, self.path)
        except BaseException:
            os.close(self._file)
            raise
        self._size = os.fstat(self._file).st_size
        sync_folder(folder)
        sync_folder(folder.parent)
        # Of an incident whose opening was cut off nothing stands; its first record must be the opening.
        if healed and self.records:
            self.append("journal.healed", lost_bytes=healed, kept_in=_torn(self.path).name)

    def append(self, kind: str, **data: Json) -> Record:
        """Write one record and return once it is on the disk (fsync).

        Raises:
            HemostatError: the disk is full or broken. The journal is as it was before.
        """
        plain = _plain(data)
        with self._one_writer, _undisturbed():
            at = self._clock().isoformat()
            body = {"seq": len(self.records), "at": at, "kind": kind, "data": plain, "prev": self.head}
            record = Record(**body, hash=digest(body))
            line = _canonical(body | {"hash": record.hash}) + b"\n"
            try:
                self._write(line)
            except OSError as error:
                # A line that is there in part would spoil every later one.
                os.ftruncate(self._file, self._size)
                raise HemostatError(
                    f"write to {self.path}", error.strerror or str(error), "make room on this disk, then resume"
                ) from None
            self._size += len(line)
            self.records.append(record)
            return record

    def _write(self, line: bytes) -> None:
        if os.write(self._file, line) != len(line):
            raise OSError("the disk took only a part of a line")
        os.fdatasync(self._file)

    @property
    def head(self) -> str:
        """The hash of the last record: write it down elsewhere, and no one can shorten the journal unnoticed."""
        return self.records[-1].hash if self.records else GENESIS

    def close(self) -> None:
        """Give the incident free; a second call does nothing."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until file and memory agree again; Python raises them in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    # A handler that is None is not Python's, and could not be put back.
    usual = {number: found for number in _STOPS if (found := signal.getsignal(number)) is not None}
    try:
        for number in usual:
            signal.signal(number, lambda *seen: came.append(seen))
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
    for seen, frame in came:
        _pass_on(usual[signal.Signals(seen)], seen, frame)


def _pass_on(handler: object, number: int, frame: FrameType | None) -> None:
    if callable(handler):
        handler(number, frame)
    elif handler is signal.SIG_DFL:
        signal.raise_signal(number)


def read(path: Path) -> Iterator[Record]:
    """Read and check every complete line; a torn last line (a power cut: it stops before its end) is left out.

    Raises:
        BrokenChain: names the first line that is not what was written.
    """
    prev, lines, rest = GENESIS, *_split(path)
    for number, line in enumerate(lines, start=1):
        record = _parse(path, number, line)
        if record.seq != number - 1 or record.prev != prev:
            raise BrokenChain(
                path, number, "this line does not follow the one before it: a line is missing, moved or changed"
            )
        prev = record.hash
        yield record
    if _goes_on(rest):
        raise BrokenChain(path, len(lines) + 1, "this line was changed: it goes on behind its record")


def first_data(path: Path) -> dict[str, Json]:
    """What the first line says, without checking the chain; empty when it cannot be read. For look-ups over many incidents."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.readline())["data"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return data if isinstance(data, dict) else {}


def torn_bytes(path: Path) -> int:
    """How many bytes of an unfinished last line stand at the end of the file."""
    return len(_split(path)[1])


def _split(path: Path) -> tuple[list[bytes], bytes]:
    """The whole lines, and what stands behind the last one's end."""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(), data[end:]


def _goes_on(rest: bytes) -> bool:
    """No torn line has a byte behind its record but the line's end: so that byte was changed."""
    text = rest.decode("ascii", "replace")
    try:
        return json.JSONDecoder().raw_decode(text)[1] < len(text)
    except ValueError:
        return False


def _parse(path: Path, number: int, line: bytes) -> Record:
    try:
        body = json.loads(line)
        record = Record(**body)
        body.pop("hash")
    except (ValueError, TypeError, AttributeError) as error:
        raise BrokenChain(path, number, f"this line is not a journal record ({type(error).__name__})") from None
    if _canonical(body | {"hash": record.hash}) != line:
        raise BrokenChain(path, number, "this line was changed: it is not in the form that hemostat writes")
    if digest(body) != record.hash:
        raise BrokenChain(path, number, "this line was changed: its hash does not fit its content")
    return record


def _hold(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(
            "one-runner",
            f"another process works on the incident in {folder}",
            "wait for it to end (`hemostat show ID` reads along), then try again",
        ) from None


def _heal(file: int, path: Path) -> int:
    torn = torn_bytes(path)
    if torn:
        data = path.read_bytes()
        with _torn(path).open("ab") as kept:
            kept.write(data[-torn:])
        os.ftruncate(file, len(data) - torn)
        os.fsync(file)
    return torn


def _torn(path: Path) -> Path:
    return path.with_name("journal.torn")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
