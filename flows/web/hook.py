"""The webhook: POST /alerts/{source}. Knows HTTP and senders; what is done with an alert is the worker's."""

from __future__ import annotations

from fastapi import APIRouter

from flows.web.context import Context


def router(context: Context) -> APIRouter:  # noqa: ARG001 - helper `hook` fills this file
    """The webhook's routes."""
    return APIRouter()
