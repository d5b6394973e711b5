"""The verbs that have an exec channel for themselves: a program with its own input and output, and a file that may be large."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import BinaryIO

from tasks.model import Refused, TargetError, Unreachable, inert
from tasks.transports import ssh_text
from tasks.transports.hands import Fetched, Ran
from tasks.transports.ssh_session import OUTPUT_LIMIT, Answer, said_no
from tasks.transports.ssh_wire import Late, Wire

Open = Callable[[], Wire]
# A copy that stands still is taken up again; one that is slower than a poor line all the while is given up.
STALLED, SLOWEST, FIRST, TRIES = 30.0, 32 * 1024, 120.0, 5
_DIGEST = re.compile(rb"^(before|after) ([0-9a-f]{64})$", re.MULTILINE)


def run(wire: Wire, argv: Sequence[str], stdin: bytes, timeout: float) -> Ran:
    """Run a program by its argument vector; see Hands.run. A signal that ended it shows as 128 and its number.

    Raises:
        TargetError: there is no such program, it did not end in time (it is killed there), or it printed too much.
        Unreachable: the connection broke; whether it ran is not known.
    """
    tried, begun = f"run {inert(argv[0])}", time.monotonic()
    deadline = begun + timeout + 5  # the host's own clock ends it first
    with closing(wire):
        instruct(wire, "run", (str(max(1, math.ceil(timeout))), *argv), deadline)
        wire.send(stdin, deadline)
        wire.end()
        out = bytearray()
        while part := wire.read(deadline):
            out += part
            if len(out) > OUTPUT_LIMIT:
                raise TargetError(tried, f"it printed {len(out)} bytes and did not end", "look at the host by hand")
        status = wire.status(deadline)
    _, found, err = wire.words().partition(b"found\n")
    if not found:
        raise TargetError(tried, wire.said() or f"it could not be started (status {status})")
    if status == 137 and time.monotonic() - begun >= timeout:
        raise TargetError(tried, f"it did not end within {timeout:.0f} s")
    return Ran(status, bytes(out), err)


def fetch(channel: Open, path: str, into: BinaryIO, limit: int) -> Fetched:
    """Copy a file, hashed there while it is read and here as it arrives; after a cut it goes on where it stood.

    Args:
        channel: opens a shell that runs scripts/session.sh's `obey_once`, on a connection that holds.

    Raises:
        TargetError: the host refuses, the copy is not what was read there, or the host is far too slow.
        Unreachable: the connection broke again and again.
    """
    copy = _Copy(path, into, limit)
    for attempt in range(TRIES):
        try:
            with closing(channel()) as wire:
                return copy.take(wire)
        except Unreachable as error:
            last = error
        if attempt and not copy.moved:  # the second time without one more byte
            break
    raise last


class _Copy:
    """What has arrived so far of one file."""

    def __init__(self, path: str, into: BinaryIO, limit: int) -> None:
        self.path, self.into, self.limit = path, into, limit
        self.digest, self.size, self.begun, self.moved = hashlib.sha256(), 0, time.monotonic(), False

    def take(self, wire: Wire) -> Fetched:
        """Receive the rest, and hold it against what the host says that it read."""
        before, self.moved = self.digest.hexdigest() if self.size else "", False
        instruct(wire, "fetch", (self.path, str(self.limit), str(self.size)), time.monotonic() + STALLED)
        rest, cut = hashlib.sha256(), False
        while part := self._next(wire):
            kept = part[: self.limit - self.size]
            cut = cut or len(kept) < len(part)
            self._keep(kept, rest)
        self._proved(wire, before, rest.hexdigest())
        return Fetched(self.size, self.digest.hexdigest(), cut)

    def _keep(self, part: bytes, rest: hashlib._Hash) -> None:
        self.digest.update(part)
        rest.update(part)
        self.into.write(part)
        self.size += len(part)
        self.moved = self.moved or bool(part)

    def _next(self, wire: Wire) -> bytes:
        slow = self.begun + FIRST + self.size / SLOWEST
        now = time.monotonic()
        if now > slow:
            raise TargetError(
                f"fetch {inert(self.path)}",
                f"{self.size} bytes in {now - self.begun:.0f} s: the host is far too slow",
                "take a picture of the disk instead, or try again",
            )
        try:
            return wire.read(min(now + STALLED, slow + 0.01))
        except Late:
            raise Unreachable(
                f"fetch {inert(self.path)}", "the copy stands still", "is the line that slow? try again"
            ) from None

    def _proved(self, wire: Wire, before: str, rest: str) -> None:
        tried = f"fetch {inert(self.path)}"
        if error := complaint(wire, _DIGEST, tried):
            raise error
        told = {key.decode(): value.decode() for key, value in _DIGEST.findall(bytes(wire.errors))}
        if "after" not in told:
            raise Unreachable(tried, "the copy was cut off", "try again")
        if told.get("before", "") != before:
            raise TargetError(tried, "it was changed while it was copied", "try again")
        if told["after"] != rest:
            raise TargetError(tried, "what arrived is not what the host read (SHA-256 differs)", "try again")


def complaint(wire: Wire, told: re.Pattern[bytes], tried: str) -> TargetError | Refused | None:
    """The error that its exit status, or words on standard error beyond what a verb tells there, stand for."""
    status = wire.status(time.monotonic() + STALLED)
    words = told.sub(b"", wire.words()).strip()
    if not status and not words:
        return None
    return said_no(Answer(status if status > 0 else 1, b"", words.decode("utf-8", "replace")), tried)


def instruct(wire: Wire, verb: str, arguments: Sequence[str], deadline: float) -> None:
    """Say what the channel is for."""
    nonce = secrets.token_hex(16)
    wire.mark = f"{nonce}\n".encode()
    wire.send(ssh_text.request(nonce, verb, arguments, 0), deadline)
