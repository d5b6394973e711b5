"""A request's body, and whether it may be read at all: its type, its charset, its length, its time. Knows HTTP; no alert."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from email.message import Message

from starlette.requests import ClientDisconnect, Request

from flows.web.refusals import No
from tasks.alerts.input import MAX_BYTES
from tasks.model import inert

# Seconds for a whole body to arrive.
BODY_WITHIN = 20.0
JSON = ("application/json", "application/x-ndjson", "application/ndjson", "application/jsonl")
_UTF8 = ("utf-8", "utf8", "us-ascii")


def check_content(request: Request, taken: Sequence[str]) -> None:
    """Refuse what could only be read wrongly. A sender that does not say what it sends is taken to send JSON.

    Raises:
        No: 415.
    """
    message = Message()
    message["content-type"] = request.headers.get("content-type") or JSON[0]
    kind, charset = message.get_content_type(), str(message.get_param("charset", "utf-8"))
    if kind not in taken and not kind.endswith("+json"):
        raise No(415, f"Content-Type {inert(kind, 60)} is not taken", f"send one of {', '.join(taken)}")
    if charset.lower() not in _UTF8:
        raise No(415, f"charset {inert(charset, 60)} is not taken", "send UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise No(415, "Content-Encoding is not taken", "send the body as it is, without compression")


async def whole(request: Request) -> bytes:
    """The whole body, and never more of it than may come.

    Raises:
        No: 413 or 408.
    """
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:12]) > MAX_BYTES:
        raise _too_long()
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for piece in request.stream():
                raw += piece
                if len(raw) > MAX_BYTES:
                    raise _too_long()
    except (TimeoutError, ClientDisconnect):
        raise No(408, f"the body did not arrive within {BODY_WITHIN:.0f} s", "send it again") from None
    return bytes(raw)


def _too_long() -> No:
    return No(413, f"the body is longer than {MAX_BYTES} bytes", "send fewer alerts in one request")
