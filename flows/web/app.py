"""The FastAPI app of `hemostat serve`: its routers, its health, and which error becomes which status. Knows no step."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from flows.inbox import NoRoom
from flows.web import hook, pages
from flows.web.context import Context
from tasks.model import HemostatError, inert


def create(context: Context) -> FastAPI:
    """The app of one serve. `request.app.state.context` is the context as well."""
    app = FastAPI(title="hemostat", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.context = context
    app.add_exception_handler(NoRoom, _no_room)
    app.include_router(hook.router(context))
    app.include_router(pages.router(context))

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> JSONResponse:
        """Is everything up? Counts alone: whoever asks need not log in."""
        try:
            told = {"ok": context.worker.alive, "inbox": context.inbox.figures(), **context.worker.figures()}
        except HemostatError as error:
            told = {"ok": False, "inbox": f"cannot be used: {type(error).__name__}"}
        return JSONResponse(told, 200 if told["ok"] else 503)

    return app


async def _no_room(_request: Request, error: Exception) -> JSONResponse:
    """507: nothing was taken, so the sender is to send it again (RFC 4918 section 11.5)."""
    assert isinstance(error, HemostatError)
    return JSONResponse({"error": inert(error.seen), "do": inert(error.do)}, 507)
