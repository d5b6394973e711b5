"""Files of a Windows host, in checked pieces, resumed where a break left off. Knows two scripts; must not know what a file is for.

The copy grows in PATH.part: each piece carries its CRC-32 (gzip's trailer, RFC 1952), each one that is whole is on the disk before the
next. The whole is compared with the SHA-256 that the host took itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from tasks.model import TargetError, Unreachable, inert
from tasks.transports.winrm import Client
from tasks.transports.winrm_frame import shipped

# No limit: more than a file can have.
WHOLE = 1 << 62
# Of the file, in one line.
PIECE = 48 << 10
# Breaks in a row without a single whole piece between them.
BREAKS = 4
# No host that answers at all is slower than this.
SLOWEST = 256 << 10
LEAST = 60.0


@dataclass(frozen=True, slots=True)
class FileThere:
    """One file on the host, its first `hashed` bytes hashed there. Times are seconds since the epoch, `attributes` Windows' words."""

    path: str
    size: int
    hashed: int
    sha256: str
    modified: float
    created: float
    attributes: str


def stat(client: Client, path: str, limit: int = WHOLE, deadline: float = 300.0) -> FileThere:
    """Look at one file and hash its first `limit` bytes there.

    Raises:
        TargetError: there is no such file, or it may not be read.
        Unreachable: the host does not answer.
    """
    facts = _facts(client.run_script(shipped("stat"), _json(path=path, limit=limit), deadline))
    try:
        modified, created = (datetime.fromisoformat(facts[name]).timestamp() for name in ("modified", "created"))
        numbers = int(facts["size"]), int(facts["hashed"])
        return FileThere(facts["path"], *numbers, facts["sha256"], modified, created, facts["attributes"])
    except (KeyError, TypeError, ValueError):
        raise TargetError(f"look at {inert(path)}", "the answer lacks what was asked", "report this") from None


def fetch(client: Client, path: str, target: Path, limit: int = WHOLE) -> FileThere:
    """Copy a file, or its first `limit` bytes, to `target`, which appears there only when it is whole and its hash is the host's.

    Args:
        client: the host.
        path: there.
        target: on the runner; what an earlier, broken copy left in `target`.part is gone on with.
        limit: in bytes. `hashed` of the answer says how many it became; fewer than `size` means that the limit cut it.

    Raises:
        TargetError: it changed while it was copied, or came damaged.
        Unreachable: the connection broke again and again.
    """
    there = stat(client, path, limit)
    part = target.with_name(target.name + ".part")
    with _reopened(part, there.hashed) as file:
        try:
            _filled(client, there, file)
        finally:
            file.flush()
            os.fsync(file.fileno())
    if _sha256(part) != there.sha256:
        part.unlink()
        seen = "the copy's hash is not the host's: the file changes while it is read"
        raise TargetError(f"copy {inert(path)} from {client.host.name}", seen, "try again")
    part.replace(target)
    return there


def stream(client: Client, path: str, into: BinaryIO, limit: int = WHOLE) -> FileThere:
    """Append a file, or its first `limit` bytes, to an open file; after a break it goes on from what is there.

    Nothing of it is kept in memory. What stands in `into` afterwards has the hash that the host took.

    Raises:
        TargetError: it changed while it was copied, or came damaged; then what was written is not the file.
        Unreachable: the connection broke again and again.
    """
    there = stat(client, path, limit)
    counted = _Counted(into)
    _filled(client, there, counted)
    if counted.digest.hexdigest() != there.sha256:
        seen = "the copy's hash is not the host's: the file changes while it is read"
        raise TargetError(f"copy {inert(path)} from {client.host.name}", seen, "try again")
    return there


class _Counted:
    """A file of which we only know what we ourselves append."""

    def __init__(self, into: BinaryIO) -> None:
        self._into, self._at, self.digest = into, 0, hashlib.sha256()

    def tell(self) -> int:
        return self._at

    def write(self, piece: bytes) -> int:
        self._into.write(piece)
        self.digest.update(piece)
        self._at += len(piece)
        return len(piece)

    def flush(self) -> None:
        self._into.flush()


class _Growing(Protocol):
    """What pieces are appended to."""

    def tell(self) -> int: ...
    def write(self, piece: bytes, /) -> int: ...
    def flush(self) -> None: ...


def _reopened(part: Path, size: int) -> BinaryIO:
    """The partial copy, ready to be appended to; one that is longer than the file is another file's."""
    if part.exists() and part.stat().st_size > size:
        part.unlink()
    return part.open("ab")


def _filled(client: Client, there: FileThere, file: _Growing) -> None:
    """Append what is missing; after a break go on from what is whole."""
    idle = 0
    while (start := file.tell()) < there.hashed:
        try:
            _asked(client, there, file)
        except Unreachable:
            client.close()
            idle = idle + 1 if file.tell() == start else 0
            if idle >= BREAKS:
                raise
        else:
            if file.tell() == start:
                seen = f"it ends at {start} of {there.hashed} bytes"
                raise TargetError(f"copy {inert(there.path)}", seen, "it was cut there meanwhile: try again")


def _asked(client: Client, there: FileThere, file: _Growing) -> None:
    """One long command; each piece is on the disk when the next one comes."""

    def keep(line: bytes) -> None:
        piece = _piece(line, there.path)
        if file.tell() + len(piece) > there.hashed:
            raise TargetError(f"copy {inert(there.path)}", "more came than was asked for", "look at the host by hand")
        file.write(piece)
        file.flush()

    left = there.hashed - file.tell()
    arguments = _json(path=there.path, offset=file.tell(), limit=left)
    client.stream_script(shipped("chunks"), arguments, LEAST + left / SLOWEST, keep)


def _piece(line: bytes, path: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        piece = unpacker.decompress(base64.b64decode(line, validate=True), PIECE + 1)
    except (binascii.Error, zlib.error):
        piece = b""
    if not unpacker.eof or unpacker.unused_data or not 0 < len(piece) <= PIECE:
        raise TargetError(f"copy {inert(path)}", "a piece came damaged: its length or CRC-32 is wrong", "try again")
    return piece


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(**arguments: Any) -> bytes:
    return json.dumps(arguments).encode()


def _facts(answer: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(answer)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise TargetError("read a script's answer", "it is no JSON object", "report this with the journal")
    return facts
