"""One exec channel as a stream that ends: every read has a deadline and every flood a limit. Knows channels; must not know what is said."""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections.abc import Iterator

import paramiko

from tasks.model import TargetError, Unreachable, inert

CHUNK = 256 * 1024
# What a program says on standard error is for people: more than this is no message.
ERROR_LIMIT = 4 << 20


class Late(TargetError):
    """The deadline is over."""

    def __init__(self, where: str) -> None:
        super().__init__(f"wait for {where}", "the deadline is over", "is it overloaded? try again")


class Wire:
    """An exec channel of an open connection.

    Args:
        transport: an authenticated connection.
        command: a fixed text; all data goes by standard input.
        where: the host's name, for messages.
        deadline: by when (time.monotonic) the channel must be open.

    Raises:
        Unreachable: the connection broke, or the host opens no more channels.
    """

    def __init__(self, transport: paramiko.Transport, command: str, where: str, deadline: float) -> None:
        self.where, self.errors, self._transport = where, bytearray(), transport
        self.mark, self._before = b"", bytearray()
        with self._bounded(deadline), broken(where):
            self.channel = transport.open_session(timeout=self._left(deadline))
            self.channel.exec_command(command)

    def close(self) -> None:
        """Let go of it; the program at the other end sees the end of its input."""
        with contextlib.suppress(
            paramiko.SSHException, OSError, EOFError
        ):  # it says good-bye on a wire that may be gone
            self.channel.close()

    def send(self, data: bytes, deadline: float) -> None:
        """Write all of it.

        Raises:
            Late: the host took too long to read it.
            Unreachable: the connection broke.
        """
        sent = 0
        with self._bounded(deadline), broken(self.where):
            while sent < len(data):
                self.channel.settimeout(self._left(deadline))
                with contextlib.suppress(TimeoutError):
                    sent += self.channel.send(data[sent : sent + CHUNK])

    def end(self) -> None:
        """No more input follows."""
        with broken(self.where):
            self.channel.shutdown_write()

    def read(self, deadline: float) -> bytes:
        """The next bytes of standard output after `mark`, empty at its end; what comes on standard error meanwhile is kept aside.

        Raises:
            Late: nothing came until the deadline.
            TargetError: standard error is flooded.
            Unreachable: the connection broke.
        """
        part = self._part(deadline)
        while part and self.mark not in self._before:
            self._before = self._before[-len(self.mark) :] + part
            part = bytes(self._before.partition(self.mark)[2]) or self._part(deadline)
        return bytes(part)

    def _part(self, deadline: float) -> bytes:
        while not self.ready(deadline):
            pass
        with broken(self.where):
            self.channel.settimeout(self._left(deadline))
            part = self.channel.recv(CHUNK)
        if not part and self.channel.exit_status == -1 and not self._transport.is_active():
            raise Unreachable(f"talk to {self.where}", "the connection broke", "is it up? try again")
        return part

    def ready(self, deadline: float) -> bool:
        """Wait for anything, and say whether standard output has more, or has ended; errors as `read`."""
        with broken(self.where):
            waiting = select.poll()  # a select fails beyond 1024 descriptors
            waiting.register(self.channel.fileno(), select.POLLIN)
            waiting.poll(1000 * self._left(deadline))
            self._errors()
            return bool(self.channel.recv_ready() or self.channel.eof_received or self.channel.closed)

    def status(self, deadline: float) -> int:
        """The exit status, once the output has ended; -1 where the host tells none."""
        with broken(self.where):
            self.channel.status_event.wait(self._left(deadline))
            self._errors()
            return self.channel.exit_status if self.channel.status_event.is_set() else -1

    def words(self) -> bytes:
        """What came on standard error after `mark`, where one was set and came: before it stands what the login's own files say."""
        errors = bytes(self.errors)
        at = errors.find(self.mark)
        return errors if at < 0 else errors[at + len(self.mark) :]

    def said(self) -> str:
        """The end of what came on standard error, harmless and on one line."""
        words = self.words()[-4096:].decode("utf-8", "replace").split("\n")
        return inert("; ".join(filter(None, (word.strip() for word in words))), 500)

    def _errors(self) -> None:
        while self.channel.recv_stderr_ready():
            self.errors += self.channel.recv_stderr(CHUNK)
            if len(self.errors) > ERROR_LIMIT:
                seen = f"it floods standard error: {len(self.errors)} bytes"
                raise TargetError(f"listen to {self.where}", seen, "look at it by hand")

    @contextlib.contextmanager
    def _bounded(self, deadline: float) -> Iterator[None]:
        """End the connection at the deadline: paramiko waits for ever for a word on a command, and for a full wire to become free."""
        timer = threading.Timer(self._left(deadline), self._transport.close)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Unreachable:
            if time.monotonic() >= deadline:
                raise Late(self.where) from None
            raise
        finally:
            timer.cancel()

    def _left(self, deadline: float) -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Late(self.where)
        return left


@contextlib.contextmanager
def broken(where: str) -> Iterator[None]:
    """Say what a broken connection means."""
    try:
        yield
    except paramiko.ChannelException as error:
        raise Unreachable(
            f"open a channel on {where}", f"it refused: {inert(error, 200)}", "raise MaxSessions in its sshd_config"
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise Unreachable(
            f"talk to {where}",
            f"the connection broke: {inert(error, 200) or type(error).__name__}",
            "is it up? try again",
        ) from None
