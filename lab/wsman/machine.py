"""What stands behind the WS-Management server: programs with three streams. Knows no HTTP, no SOAP and no Windows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

PENDING = 4 << 20


class Stopped(Exception):
    """The shell was deleted or the command terminated: whatever the program does next is for nobody."""


@dataclass(frozen=True, slots=True)
class Shell:
    """One remote shell. `codepage` is the console's, `language` PowerShell's language mode, `clock` the host's clock's error in seconds."""

    id: str
    user: str
    codepage: int = 437
    language: str = "FullLanguage"
    clock: float = 0.0


@dataclass(frozen=True, slots=True)
class Output:
    """What one Receive takes along. `code` is None while the program runs or has more to say."""

    out: bytes
    err: bytes
    code: int | None


class Pipes:
    """A program's stdin, stdout and stderr. Output waits when nobody fetches it, as a console's pipe does."""

    def __init__(self, rewrite: Callable[[bytes], bytes] = bytes) -> None:
        self._rewrite = rewrite
        self._change = threading.Condition()
        self._in, self._out, self._err = bytearray(), bytearray(), bytearray()
        self._ended = self._stopped = False
        self._code: int | None = None

    def stdin(self) -> bytes:
        """All of standard input; waits for its end. Stopped when that never comes."""
        with self._change:
            self._change.wait_for(lambda: self._ended or self._stopped)
            if self._stopped:
                raise Stopped
            return bytes(self._in)

    def out(self, data: bytes) -> None:
        """Print; Stopped when the command was terminated meanwhile."""
        self._put(self._out, self._rewrite(data))

    def err(self, data: bytes) -> None:
        self._put(self._err, data)

    def _put(self, stream: bytearray, data: bytes) -> None:
        with self._change:
            self._change.wait_for(lambda: self._stopped or len(stream) < PENDING)
            if self._stopped:
                raise Stopped
            stream += data
            self._change.notify_all()

    def sleep(self, seconds: float) -> None:
        """Do nothing for a while; Stopped when the command was terminated meanwhile."""
        with self._change:
            if self._change.wait_for(lambda: self._stopped, seconds):
                raise Stopped

    def feed(self, data: bytes, end: bool) -> bool:
        """More of standard input; False when it or the program has ended before."""
        with self._change:
            if self._ended or self._code is not None:
                return False
            self._in += data
            self._ended = end
            self._change.notify_all()
            return True

    def finish(self, code: int) -> None:
        with self._change:
            self._code = code
            self._change.notify_all()

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def take(self, limit: int, seconds: float) -> Output | None:
        """Up to `limit` bytes of both streams; waits for the first of them at most `seconds`, else None."""
        until = time.monotonic() + seconds
        with self._change:
            if not self._change.wait_for(self._ready, seconds):
                return None
            self._gather(limit, until)
            out = self._cut(self._out, limit)
            err = self._cut(self._err, limit - len(out))
            left = self._out or self._err
            self._change.notify_all()
            return Output(out, err, None if left else self._code)

    def _ready(self) -> bool:
        return bool(self._out or self._err) or self._code is not None

    def _gather(self, limit: int, until: float) -> None:
        """Wait a moment for more, so that a chatty program does not cost one request a line."""
        while len(self._out) + len(self._err) < limit and self._code is None and not self._stopped:
            if time.monotonic() > until or not self._change.wait(0.02):
                return

    @staticmethod
    def _cut(stream: bytearray, limit: int) -> bytes:
        piece = bytes(stream[:limit])
        del stream[:limit]
        return piece


Program = Callable[[Pipes], int]


class Machine(Protocol):
    """A simulated host."""

    def start(self, shell: Shell, command: str, arguments: Sequence[str]) -> Program:
        """The program that this command line means; called in a thread of its own, it returns the exit code.

        Args:
            shell: whose shell, with which code page and language mode.
            command: as it was sent, for cmd.
            arguments: as they were sent, unquoted.
        """


def run(program: Program, pipes: Pipes) -> None:
    """Run a program in a thread until it returns; a program that is stopped has no exit code that anyone reads."""

    def work() -> None:
        try:
            code = program(pipes)
        except Stopped:
            code = 1
        pipes.finish(code)

    threading.Thread(target=work, name="lab-program", daemon=True).start()
