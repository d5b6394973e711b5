"""A request that is not taken: its status, why, and what to do. Knows HTTP's statuses; must not know what was asked."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse


class No(Exception):
    """Ends the work on a request; the endpoint answers it with `answer`. `do` is what the sender can do about it."""

    def __init__(self, status: int, error: str, do: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.do, self.headers = status, error, do, dict(headers or {})

    def answer(self) -> JSONResponse:
        return JSONResponse({"error": self.error, "do": self.do}, self.status, self.headers)
