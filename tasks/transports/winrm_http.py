"""HTTP whose answers are bounded in time and size, with a pinned certificate. Knows requests and urllib3; must not know WS-Management."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter

PIECE = 64 << 10


class Late(Exception):
    """The call's own deadline passed."""


class TooMuch(Exception):
    """One HTTP answer is larger than any of WinRM's."""


class Bounded(HTTPAdapter):
    """HTTP whose answers are read piece by piece: the host may be an attacker's, who sends without an end or one byte at a time.

    Args:
        check: is asked after each piece, with the bytes so far; what it raises ends the reading.
        spare: seconds until an answer that has not begun is given up.
        sha256: the only certificate that is taken, whoever signed it; empty: the session's authorities decide.
    """

    def __init__(self, check: Callable[[int], None], spare: Callable[[], float], sha256: str = "") -> None:
        self._check, self._spare, self._pin = check, spare, {"assert_fingerprint": sha256} if sha256 else {}
        self._last: Any = None
        self._line: Any = None
        super().__init__()

    def close(self) -> None:
        """Close the last answer's connection as well: a login that fails in the middle never gave it back."""
        if self._last is not None:
            self._last.close()
        super().close()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **(more | self._pin))

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> Any:
        """A pool whose connections we know: while http.client reads an answer's head, nobody else can end it."""
        pool: Any = super().get_connection_with_tls_context(*args, **more)

        def opened(*args: Any, **more: Any) -> Any:
            self._line = type(pool).ConnectionCls(*args, **more)
            return self._line

        pool.ConnectionCls = opened
        return pool

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Cut the connection when the time is over. (A socket's own time-out begins anew with each byte.)"""
        over = threading.Timer(max(0.0, self._spare()), self._cut)
        over.daemon = True
        over.start()
        try:
            yield
        except requests.RequestException:
            if self._spare() <= 0:
                raise Late from None
            raise
        finally:
            over.cancel()

    def _cut(self) -> None:
        with suppress(OSError, AttributeError, TypeError):  # it is closed, or not yet there
            socket.socket.shutdown(self._line.sock, socket.SHUT_RDWR)

    def send(self, *args: Any, **more: Any) -> requests.Response:
        """As HTTPAdapter.send.

        Raises:
            Late: the time passed before the whole head was there.
        """
        with self._in_time():
            response = super().send(*args, **more)
        raw: Any = response.raw
        self._last = raw
        if self._spare() <= 0:  # what was cut off in a head looks like the head's end
            raw.close()
            raise Late

        def pieces(amount: int, decode_content: bool) -> Iterator[bytes]:
            size = 0
            try:
                while piece := raw.read1(max(amount, PIECE), decode_content=decode_content):
                    size += len(piece)
                    self._check(size)
                    yield piece
            except (Late, TooMuch):
                raw.close()
                raise

        raw.stream = pieces
        return response
