"""A host that is an attacker's: whatever it sends, and however slowly, a call ends in its time and in bounded memory."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab.relay import Server
from tasks.model import TargetError
from tasks.transports.winrm_wire import LARGEST
from tests.transports.winrm_house import ECHO, client, inventory, listening

pytestmark = pytest.mark.lab


class Hostile(Server):
    """Answers every request by these pieces, until the client has had enough; counts what it could send."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]]) -> None:
        self.pieces, self.sent = pieces, 0
        super().__init__(("127.0.0.1", 0))

    def serve(self, client: socket.socket, peer: object) -> None:
        client.recv(65536)
        with suppress(OSError):
            for piece in self.pieces():
                client.sendall(piece)
                self.sent += len(piece)


def endless(head: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


def slow(head: bytes) -> Iterator[bytes]:
    yield head
    for _ in range(1200):
        time.sleep(0.1)
        yield b"x"


def slow_head(head: bytes, line: bytes) -> Iterator[bytes]:
    """One byte at a time of a head that has no end."""
    yield head
    for _ in range(200):
        for byte in line:
            time.sleep(0.05)
            yield bytes([byte])


SLOW = "did not end in the time given"
LOGIN = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\n"
CHUNKED, LONG = b"Transfer-Encoding: chunked\r\n\r\n", b"Content-Length: 99999999999\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "says"),
    [
        (lambda: endless(LOGIN + CHUNKED), "more than 8388608 bytes"),
        (lambda: endless(LOGIN + LONG), "more than 8388608 bytes"),
        (lambda: endless(b"HTTP/1.1 200 OK\r\n" + CHUNKED), "more than 8388608 bytes"),
        (lambda: endless(b"HTTP/1.1 500 No\r\n" + LONG), "more than 8388608 bytes"),
        (lambda: slow(b"HTTP/1.1 200 OK\r\n" + LONG), SLOW),
        (lambda: slow(LOGIN + LONG), SLOW),
        (lambda: slow_head(b"", b"HTTP/1.1 200 OK"), SLOW),
        (lambda: slow_head(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), SLOW),
        (lambda: slow_head(LOGIN, b"X: y\r\n"), SLOW),
        (lambda: iter([b"HTTP/1.1 200 OK\r\nDate: 99 Foo 0\r\nContent-Length: 0\r\n\r\n"]), "is not WinRM"),
        (
            lambda: iter([LOGIN.replace(b"Negotiate", b"Negotiate !!!") + b"Content-Length: 0\r\n\r\n"]),
            "is not WinRM|broke",
        ),
        (lambda: iter([b"\x00\xff" * 100]), "does not answer|broke|time given"),
        (
            lambda: iter([b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"]),
            "is not WinRM",
        ),
    ],
    ids=[
        "login",
        "long login",
        "page",
        "fault",
        "drip",
        "dripping login",
        "dripping status",
        "dripping head",
        "login's dripping head",
        "date",
        "token",
        "noise",
        "elsewhere",
    ],
)
def test_a_call_ends_whatever_is_sent(tmp_path: Path, pieces: Callable[[], Iterator[bytes]], says: str) -> None:
    """Soon, with the reason, and without taking in what it is not meant to hold."""
    with listening(tmp_path) as server, closing(Hostile(pieces)) as hostile:
        # Only who is slow is to be given up for that.
        timeout, seconds = (0.5, 1) if says == SLOW else (30.0, 60)
        host = replace(inventory(server), port=hostile.address[1], timeout=timeout)
        start = time.monotonic()
        with client(server, host=host) as windows, pytest.raises(TargetError, match=says):
            windows.run_script(ECHO, b"[1]", seconds)
    assert time.monotonic() - start < 60
    assert hostile.sent < 4 * LARGEST
