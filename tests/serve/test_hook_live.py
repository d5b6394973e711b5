"""The webhook behind a real uvicorn: what its logs say of tokens, a body that trickles in, many senders at once."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import uvicorn

from flows.web import bodies
from flows.web.masking import mask
from tests.patience import BUSY, until
from tests.serve.hookdesk import BEARER, HookDesk, alert, write_site

pytestmark = pytest.mark.lab


class Live(uvicorn.Server):
    """A server in a thread, with its access log on, as nobody should run it."""

    def __init__(self, desk: HookDesk) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        super().__init__(uvicorn.Config(desk.app, access_log=True, log_level="debug", lifespan="off", log_config=None))
        self.thread = threading.Thread(target=self.run, kwargs={"sockets": [self.socket]}, daemon=True)

    def __enter__(self) -> Live:
        self.thread.start()
        assert until(lambda: self.started, 10)
        return self

    def __exit__(self, *_: object) -> None:
        self.should_exit = True
        self.thread.join(10 * BUSY)
        self.socket.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[HookDesk]:
    with HookDesk(write_site(tmp_path)) as made:
        yield made


@pytest.fixture
def live(desk: HookDesk, caplog: pytest.LogCaptureFixture) -> Iterator[Live]:
    with caplog.at_level(logging.DEBUG), Live(desk) as running:
        yield running


def test_no_log_has_a_token_of_a_url(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    """The right one, a wrong one, in the query and in the path: the access log has the request, and no token."""
    with httpx.Client(base_url=f"http://127.0.0.1:{live.port}") as http:
        for path in (
            "plain?token=a-url-token",
            "plain/a-url-token",
            "plain?x=1&token=wrong-secret",
            "plain/wrong-secret?x=1",
        ):
            http.post(f"/alerts/{path}", json=alert())
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    lines = [record.getMessage() for record in ours if record.name == "uvicorn.access"]
    assert len(lines) == 4 and all("/alerts/plain" in line for line in lines)
    assert not [r for r in ours if "a-url-token" in r.getMessage() or "wrong-secret" in r.getMessage()]


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        ("/alerts/plain?token=abc", "/alerts/plain?token=…"),
        ("/alerts/plain?x=1&token=abc&y=2", "/alerts/plain?x=1&token=…&y=2"),
        ("/alerts/plain/abc?x=1", "/alerts/plain/…?x=1"),
        ('"POST /alerts/plain/abc HTTP/1.1" 202', '"POST /alerts/plain/… HTTP/1.1" 202'),
        ("/alerts/plain", "/alerts/plain"),
        ("/incidents/20270131", "/incidents/20270131"),
    ],
)
def test_a_mask_hides_the_token_alone(path: str, masked: str) -> None:
    """The rest of the line stays readable."""
    assert mask(path) == masked


def test_a_body_that_trickles_in_is_given_up(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """408: a sender that never ends holds nothing up."""
    monkeypatch.setattr(bodies, "BODY_WITHIN", 0.3)
    with socket.create_connection(("127.0.0.1", live.port), timeout=5 * BUSY) as wire:
        head = "POST /alerts/plain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a bearer token\r\nContent-Length: 100\r\n\r\n"
        wire.sendall(head.encode() + b'{"host": ')
        assert wire.recv(4096).startswith(b"HTTP/1.1 408")


def test_many_at_once_are_all_stored(live: Live, desk: HookDesk) -> None:
    """200 alerts by 16 senders at once: each 202, each in the inbox."""
    with (
        ThreadPoolExecutor(16) as pool,
        httpx.Client(base_url=f"http://127.0.0.1:{live.port}", headers=BEARER, timeout=30 * BUSY) as http,
    ):
        sent = pool.map(
            lambda number: http.post("/alerts/plain", json=alert(id=f"{number}", rule=f"rule {number % 20}")),
            range(200),
        )
        assert {answer.status_code for answer in sent} == {202}
    assert (desk.inbox.figures()["alerts"], desk.inbox.figures()["incidents"]) == (200, 20)
