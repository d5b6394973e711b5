"""The webhook: POST /alerts/{source}. Knows HTTP and senders; what is done with an alert is the worker's."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPAuthorizationCredentials, HTTPBearer

from flows.inbox import NoRoom
from flows.web import bodies, hook_schema, intake
from flows.web.context import Context
from flows.web.masking import hide_tokens
from flows.web.refusals import No
from flows.web.senders import Credentials, Named, Rates, Replays, Senders, fresh
from tasks import alerts
from tasks.model import ConfigError, inert

log = logging.getLogger("hemostat.hook")
_bearer = HTTPBearer(auto_error=False, description=hook_schema.BEARER)
_in_url = APIKeyQuery(name="token", auto_error=False, description=hook_schema.IN_URL)
_signature = APIKeyHeader(name="X-Hemostat-Signature", auto_error=False, description=hook_schema.SIGNATURE)
_timestamp = APIKeyHeader(name="X-Hemostat-Timestamp", auto_error=False, description=hook_schema.TIMESTAMP)


def router(context: Context) -> APIRouter:
    """The webhook's routes: one for each source, so that each has its own examples in the published schema."""
    hide_tokens()
    desk = Desk(context)
    routes = APIRouter()
    for source in alerts.sources():
        routes.add_api_route(
            f"/alerts/{source}",
            desk.endpoint(source),
            methods=["POST"],
            status_code=202,
            operation_id=f"send_{source}",
            summary=f"Send alerts of {source}",
            description=hook_schema.description(source),
            responses=hook_schema.responses(),
            openapi_extra=hook_schema.request(source, media(source)),
            tags=["alerts"],
        )
        with_token = f"/alerts/{source}/{{in_path}}"
        routes.add_api_route(with_token, desk.endpoint(source), methods=["POST"], include_in_schema=False)
    for path in ("/alerts/{source}", "/alerts/{source}/{in_path}"):
        routes.add_api_route(path, _no_source, methods=["POST"], include_in_schema=False)
    return routes


def media(source: str) -> tuple[str, ...]:
    """The content types that the source is taken in."""
    return (*bodies.JSON, *getattr(alerts.load(source), "MEDIA", ()))


async def _no_source(source: str) -> JSONResponse:
    return No(
        404, f"there is no alert source {inert(source, 60)}", f"use one of {', '.join(alerts.sources())}"
    ).answer()


def _shown(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    in_url: Annotated[str | None, Depends(_in_url)],
    signature: Annotated[str | None, Depends(_signature)],
    timestamp: Annotated[str | None, Depends(_timestamp)],
) -> Credentials:
    """What the request shows of its sender."""
    token = bearer.credentials if bearer else ""
    return Credentials(token, in_url or request.path_params.get("in_path", ""), signature or "", timestamp or "")


@dataclass(slots=True)
class Desk:
    """Takes requests for one serve."""

    context: Context
    clock: Callable[[], float] = time.time
    rates: Rates = field(default_factory=Rates)
    senders: Senders = field(init=False)
    replays: Replays = field(init=False)

    def __post_init__(self) -> None:
        self.senders = Senders(self.context.serve.senders, self.context.secret)
        self.replays = self.context.inbox.beside(Replays)

    def endpoint(self, source: str) -> Callable[..., object]:
        """The endpoint of that source."""

        async def post(request: Request, shown: Annotated[Credentials, Depends(_shown)]) -> JSONResponse:
            try:
                return await self._post(request, source, shown)
            except No as no:
                return no.answer()

        return post

    async def _post(self, request: Request, source: str, shown: Credentials) -> JSONResponse:
        """Who is it, may it come, what does it send? A body is read only for who has a token, or a signature of now."""
        known = await run_in_threadpool(self._by_token, source, shown)
        if known:
            self._may_come(known)
        elif shown.signature and self.senders.may_sign(source):
            _signed_now(shown, self.clock())
        else:
            raise _unknown(
                "no sender of this source has this token", "send the sender's token: Authorization: Bearer …"
            )
        bodies.check_content(request, media(source))
        raw = await bodies.whole(request)
        url = self.context.serve.public_url or str(request.base_url)
        return await run_in_threadpool(self._take, source, shown, raw, known, url.rstrip("/"))

    def _by_token(self, source: str, shown: Credentials) -> Named | None:
        with _owners_fault("a sender's secret cannot be read now"):
            return self.senders.by_token(source, shown)

    def _take(self, source: str, shown: Credentials, raw: bytes, known: Named | None, url: str) -> JSONResponse:
        name, sender = known or self._by_signature(source, shown, raw)
        with _owners_fault("hemostat's own files cannot be read now"):
            taken = intake.take(self.context, source, raw, name, sender)
        if known is None and not taken.nothing:
            with suppress(NoRoom):  # the alerts are stored; sent again, they count as known
                self.replays.keep(shown.signature, self.clock())
        return JSONResponse(taken.told(url), _status(taken, raw))

    def _by_signature(self, source: str, shown: Credentials, raw: bytes) -> Named:
        with _owners_fault("a sender's secret cannot be read now"):
            known = self.senders.by_signature(source, shown, raw)
        if known is None:
            raise _unknown("no sender of this source made this signature", "sign TIMESTAMP.BODY, see /openapi.json")
        if self.replays.seen(shown.signature):
            raise No(409, "this signature was used before", "sign each request anew, with the time of now")
        self._may_come(known)
        return known

    def _may_come(self, known: Named) -> None:
        name, sender = known
        if pause := self.rates.wait(name, sender.per_minute):
            error = f"{name} sent more than {sender.per_minute} requests a minute"
            raise No(429, error, f"wait {pause} s, or send several alerts in one", {"Retry-After": str(pause)})


def _signed_now(shown: Credentials, now: float) -> None:
    if not fresh(shown.timestamp, now):
        raise _unknown(
            "X-Hemostat-Timestamp is no time of the last minutes", "sign the Unix time of now; compare the clocks"
        )


def _unknown(error: str, do: str) -> No:
    return No(401, error, do, {"WWW-Authenticate": 'Bearer realm="hemostat alerts"'})


@contextmanager
def _owners_fault(what: str) -> Iterator[None]:
    """A file or secret that cannot be read now is no fault of the sender's: it is to send again."""
    try:
        yield
    except ConfigError as error:
        log.error("%s: %s", what, inert(error, 500))
        raise No(503, what, "send it again; hemostat's log says what is wrong", {"Retry-After": "30"}) from None


def _status(taken: intake.Taken, raw: bytes) -> int:
    if not taken.nothing:
        return 202
    try:
        raw.decode()
    except UnicodeDecodeError:
        return 400
    return 422
