"""A chat's webhook as a real HTTP server, which can be told to fail. Knows what it was sent; must not know who sends."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.patience import BUSY, until


@dataclass(frozen=True)
class Got:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers each request by the next of `moods`, then well. A mood is a status, `stall` (no answer), `cut` (hangs up), or JSON."""

    moods: deque[Any] = field(default_factory=deque)
    got: list[Got] = field(default_factory=list)
    answer: bytes = b'{"code": 0, "errcode": 0}'
    retry_after: str = ""

    def __enter__(self) -> Receiver:
        receiver, self._free = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def free(self) -> None:
        """Hang up on whoever is stalled, now and from now on."""
        self._free.set()

    def __exit__(self, *_: object) -> None:
        self.free()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook/s3cr3t-path?key=s3cr3t-key"

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        mood = self.moods.popleft() if self.moods else 200
        self.got.append(Got(handler.path, dict(handler.headers), body, time.monotonic()))
        if mood == "stall":
            self._free.wait(30 * BUSY)
        if mood in ("stall", "cut"):
            handler.close_connection = True
            return
        status, answer = (200, json.dumps(mood).encode()) if isinstance(mood, dict) else (mood, self.answer)
        handler.send_response(status)
        if status == 429 and self.retry_after:
            handler.send_header("Retry-After", self.retry_after)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def wait(self, count: int, seconds: float = 10.0) -> list[Got]:
        """What came, once it is that much."""
        assert until(lambda: len(self.got) >= count, seconds), f"{len(self.got)} of {count} came"
        return self.got
