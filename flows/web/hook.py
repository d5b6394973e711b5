"""The webhook: POST /alerts/{source}. Knows HTTP and senders; what is done with an alert is the worker's."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Body, Header
from fastapi.responses import JSONResponse

from flows import doors
from flows.web.context import Context
from tasks import alerts
from tasks.model import ConfigError, Json, inert
from tasks.serving import Sender


def router(context: Context) -> APIRouter:
    """The webhook's routes. (The least of it: helper `hook` has the whole, and replaces this file.)"""
    routes = APIRouter()

    @routes.post("/alerts/{source}")
    def take(source: str, raw: Annotated[bytes, Body()], authorization: Annotated[str, Header()] = "") -> JSONResponse:
        name, sender = _sender(context, source, authorization.removeprefix("Bearer "))
        if sender is None:
            return JSONResponse({"error": "no sender has this token"}, 401)
        try:
            known = context.site()
            items = doors.items(known, alerts.parse(source, raw, known.policy.inside), name, sender)
        except ConfigError as error:
            return JSONResponse({"error": inert(error)}, 422)
        told: Json = [ticket.path for ticket in context.accept(items)]
        return JSONResponse({"incidents": told}, 202)

    return routes


def _sender(context: Context, source: str, token: str) -> tuple[str, Sender | None]:
    for name, sender in context.serve.senders.items():
        if sender.source == source and sender.token and hmac.compare_digest(context.secret(sender.token), token):
            return name, sender
    return "", None
