"""The wire as serve sets it up, before clients that are slow on purpose, too many, or lie about where they are."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from flows import serve
from flows.web import pages_door, wire
from flows.web.context import Context
from tests.patience import BUSY
from tests.serve.house import wait

pytestmark = pytest.mark.lab
PING = b"GET /static/pages.css HTTP/1.1\r\nHost: x\r\n\r\n"
FORM = (
    b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 90\r\n\r\na"
)


@pytest.fixture
def port(house: Context) -> Iterator[int]:
    """Of a server as serve configures it."""
    server = uvicorn.Server(serve._config(house.serve, house))
    listener = serve.socket_at("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    assert wait(lambda: server.started, 10), "the server does not start"
    yield int(listener.getsockname()[1])
    server.should_exit = True
    thread.join(10 * BUSY)


def spoken(port: int, *pieces: bytes) -> bytes:
    """All that the server says until it hangs up; a TimeoutError if it never does."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=4 * BUSY) as line:
        for piece in pieces:
            line.sendall(piece)
            said += line.recv(1 << 16) if piece == PING else b""
        while more := _more(line):
            said += more
    return said


def _more(line: socket.socket) -> bytes:
    try:
        return line.recv(1 << 16)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("pieces", [(), (b"GET / HTTP/1.1\r\nX: y",), (PING, b"GET / HT")])
def test_who_sends_no_whole_head_is_hung_up_on(
    port: int, monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...]
) -> None:
    """On a new connection and on a used one; else a few thousand of them would leave no file for a journal or a device."""
    monkeypatch.setattr(wire, "HEAD_WITHIN", 1.5)  # long enough for the whole head on a busy machine
    assert spoken(port, *pieces).count(b"HTTP/1.1 200") == pieces.count(PING)


def test_more_bytes_of_a_head_buy_no_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then is no reason to wait on."""
    monkeypatch.setattr(wire, "HEAD_WITHIN", 0.5)
    with socket.create_connection(("127.0.0.1", port), timeout=4 * BUSY) as line:

        def gone() -> bool:
            try:
                line.sendall(b"x")
            except OSError:
                return True
            return False

        assert wait(gone, 4), "it waits for as long as somebody sends a byte"


def test_a_form_that_trickles_in_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """408, before anybody has logged in."""
    monkeypatch.setattr(pages_door, "BODY_WITHIN", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=4 * BUSY) as line:
        line.sendall(FORM)
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 408")


def test_no_more_come_in_than_there_is_room_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process keeps its files for journals and devices; as soon as one leaves, the next one is served."""
    monkeypatch.setattr(wire, "MOST", 2)
    held = [socket.create_connection(("127.0.0.1", port), timeout=4 * BUSY) for _ in range(2)]
    for line in held:
        line.sendall(PING)
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", port), timeout=4 * BUSY) as third:
        assert _more(third) == b""
    for line in held:
        line.close()
    with socket.create_connection(("127.0.0.1", port), timeout=4 * BUSY) as fourth:
        fourth.sendall(PING)
        assert fourth.recv(1 << 16).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("path", ["/incidents/", "/alerts/plain/", "/login/"])
def test_no_answer_leads_where_a_host_header_says(port: int, path: str) -> None:
    """A slash too many is not found; a redirect would be built from the header, and send a token on in clear behind a proxy."""
    head = f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    said = spoken(port, head.encode())
    assert said.startswith((b"HTTP/1.1 404", b"HTTP/1.1 405")) and b"evil.example" not in said
