"""Who may pass to which page: the person behind a request, the form's own token, errors as plain pages. Knows no incident."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from flows.inbox import NoRoom
from flows.web.auth import TooMany, Who
from flows.web.bodies import BODY_WITHIN
from flows.web.pages_render import HEADERS, desk_of, form_token, message
from tasks.journal import BrokenChain
from tasks.model import HemostatError

MOST_BYTES, MOST_FIELDS = 64 * 1024, 60
_TYPE = "application/x-www-form-urlencoded"


class NotLoggedIn(Exception):
    """Nobody is known to be there."""


class Denied(Exception):
    """A page that says no. `key` names its words; `parts` fill them."""

    def __init__(self, status: int, key: str, who: Who | None = None, **parts: object) -> None:
        self.status, self.key, self.who, self.parts = status, key, who, parts
        super().__init__(key)


def visitor(request: Request) -> Who | None:
    """The person, or None."""
    return desk_of(request).gate.who(request)


def person(who: Annotated[Who | None, Depends(visitor)]) -> Who:
    """The person; nobody is sent to the login page."""
    if who is None:
        raise NotLoggedIn
    return who


Visitor = Annotated[Who | None, Depends(visitor)]
Person = Annotated[Who, Depends(person)]


async def fields(request: Request) -> list[tuple[str, str]]:
    """A form's fields. Bounded: a page's form is small."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise Denied(415, "denied.form")
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Denied(413, "denied.form")
    except (TimeoutError, ClientDisconnect):
        raise Denied(408, "denied.form") from None
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError:
        raise Denied(400, "denied.form") from None


Fields = Annotated[list[tuple[str, str]], Depends(fields)]


def own_form(request: Request, who: Visitor, sent: Fields) -> dict[str, list[str]]:
    """The fields of a form that this very person got from us. A bearer token needs none: no browser sends it by itself.

    Raises:
        Denied: it came from elsewhere, or is another person's or session's.
    """
    form: dict[str, list[str]] = {}
    for name, value in sent:
        form.setdefault(name, []).append(value)
    if who and who.via == "bearer":
        return form
    if _foreign(request) or form.get("token") != [form_token(request, who)]:
        raise Denied(403, "denied.csrf", who)
    return form


Form = Annotated[dict[str, list[str]], Depends(own_form)]


def _foreign(request: Request) -> bool:
    """The browser itself says that another site's page sent it (Fetch Metadata; RFC 6454, section 7)."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin", "")
    ours = {request.headers.get("host", ""), urlsplit(desk_of(request).gate.serve.public_url).netloc}
    return bool(origin) and origin.partition("://")[2] not in ours - {""}


def local(path: str) -> str:
    """A path on this server, else the first page: nobody is led elsewhere after a login."""
    return path if re.fullmatch(r"/(?![/\\])[!-\[\]-~]{0,500}", path) else "/incidents"


def see(path: str) -> Response:
    """Go on there with GET."""
    return RedirectResponse(path, 303, HEADERS)


def _to_login(request: Request) -> Response:
    if "authorization" in request.headers:
        answer = message(request, 401, "denied.token")
        answer.headers["WWW-Authenticate"] = 'Bearer realm="hemostat"'
        return answer
    if request.method not in ("GET", "HEAD"):
        return message(request, 401, "denied.over")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return see(f"/login?back={quote(here, safe='')}")


def _too_many(request: Request, error: TooMany) -> Response:
    answer = message(request, 429, "denied.often", seconds=error.wait)
    answer.headers["Retry-After"] = str(error.wait)
    return answer


def _quiet(request: Request) -> Who | None:
    try:
        return visitor(request)
    except TooMany:
        return None


def _told(request: Request, error: Exception) -> Response:
    """What went wrong, as a plain page."""
    if isinstance(error, NotLoggedIn):
        return _to_login(request)
    if isinstance(error, TooMany):
        return _too_many(request, error)
    if isinstance(error, Denied):
        return message(request, error.status, error.key, error.who, **error.parts)
    if isinstance(error, RequestValidationError):
        return message(request, 400, "denied.form", _quiet(request))
    who = _quiet(request)
    if isinstance(error, BrokenChain):
        return message(request, 409, "denied.broken", who, seen=str(error))
    seen = (
        (error.strerror or "") if isinstance(error, OSError) else str(error)
    )  # a journal that another user owns, or is gone
    return message(request, 507 if isinstance(error, NoRoom) else 409, "denied.error", who, seen=seen)


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def page(request: Request) -> Response:
            try:
                return await answer(request)
            except (NotLoggedIn, TooMany, Denied, RequestValidationError, HemostatError, OSError) as error:
                return await run_in_threadpool(_told, request, error)

        return page
