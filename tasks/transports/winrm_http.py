"""HTTP whose answers are bounded in time and size, with a pinned certificate. Knows requests and urllib3; must not know WS-Management."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
        sha256: the only certificate that is taken, whoever signed it; empty: the session's authorities decide.
    """

    def __init__(self, check: Callable[[int], None], sha256: str = "") -> None:
        self._check, self._pin = check, {"assert_fingerprint": sha256} if sha256 else {}
        self._last: Any = None
        super().__init__()

    def close(self) -> None:
        """Close the last answer's connection as well: a login that fails in the middle never gave it back."""
        if self._last is not None:
            self._last.close()
        super().close()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **(more | self._pin))

    def send(self, *args: Any, **more: Any) -> requests.Response:
        response = super().send(*args, **more)
        raw: Any = response.raw
        self._last = raw

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
