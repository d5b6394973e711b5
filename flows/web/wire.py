"""The wire under the webhook and the pages: how long a request may take to arrive, and how many may come at once. Knows no request."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# Seconds for a request's head, on a new connection as on one that was used before; uvicorn itself would wait for ever.
HEAD_WITHIN = 10.0
# Connections at once. A usual process may have 1024 files open, and journals and devices need theirs.
MOST = 500


class Wire(H11Protocol):
    """uvicorn's protocol, closed against whoever opens connections and sends nothing, or a byte now and then."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._unset()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset()
        super().connection_lost(exc)

    def _wait(self) -> None:
        """More bytes of a head give it no more time."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_WITHIN, self.transport.abort)

    def _unset(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
