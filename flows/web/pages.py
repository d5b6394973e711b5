"""The review pages. Knows HTTP, people and templates; what is done with an order is the worker's."""

from __future__ import annotations

from fastapi import APIRouter

from flows.web.context import Context


def router(context: Context) -> APIRouter:  # noqa: ARG001 - helper `pages` fills this file
    """The pages' routes."""
    return APIRouter()
