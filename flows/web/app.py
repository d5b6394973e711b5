"""The FastAPI app of `hemostat serve`: its routers, its health, and which error becomes which status. Knows no step."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from flows.inbox import NoRoom
from flows.web import hook, pages
from flows.web.context import Context
from flows.web.pages_render import HEADERS
from tasks.model import HemostatError, inert

BUG = """\
A fault of hemostat's own: this page cannot be shown. Runs go on, and hemostat's log says more.
On the server the same can be done meanwhile: hemostat show ID, hemostat approve ID, hemostat resume ID, hemostat undo ID

hemostat 自身的故障：无法显示此页面。运行不受影响，详情见 hemostat 的日志。
其间可在服务器上操作：hemostat show ID、hemostat approve ID、hemostat resume ID、hemostat undo ID
"""


def create(context: Context) -> FastAPI:
    """The app of one serve. `request.app.state.context` is the context as well."""
    app = FastAPI(title="hemostat", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.context = context
    app.add_exception_handler(NoRoom, _no_room)
    app.add_exception_handler(Exception, _bug)
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


async def _bug(request: Request, _error: Exception) -> Response:
    """A fault of ours (its traceback goes into the log): a page that fails shall not keep a person from their incident."""
    if request.url.path.startswith("/alerts/"):
        return JSONResponse(
            {"error": "a fault of hemostat's own", "do": "send it again; hemostat's log says more"}, 500
        )
    return PlainTextResponse(BUG, 500, HEADERS)


async def _no_room(_request: Request, error: Exception) -> JSONResponse:
    """507: nothing was taken, so the sender is to send it again (RFC 4918 section 11.5)."""
    assert isinstance(error, HemostatError)
    return JSONResponse({"error": inert(error.seen), "do": inert(error.do)}, 507)
