"""What can be taken away: the report, the journal, the manifest; and the check of every hash. Reads; never gives out evidence itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from flows.web.auth import Who
from flows.web.desk import Desk
from flows.web.pages_door import Denied, PageRoute, Person
from flows.web.pages_render import HEADERS, desk_of, language, page
from tasks import report
from tasks.audit import audit
from tasks.model import Check, Result

router = APIRouter(route_class=PageRoute)

# The report is one closed file with a style of its own: nothing in it may run, and it may reach nothing.
SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
)
FILES = {
    "report.md": "text/markdown; charset=utf-8",
    "report.html": "text/html; charset=utf-8",
    "report.zh.md": "text/markdown; charset=utf-8",
    "report.zh.html": "text/html; charset=utf-8",
    "journal.jsonl": "application/x-ndjson",
    "manifest.json": "application/json",
}
# Hashing reads all the evidence: one at a time.
_one = Lock()


@router.get("/incidents/{name}/report")
def read_report(request: Request, who: Person, name: str) -> Response:
    """The report as the journal stands now, finished or not."""
    _folder(request, who, name)
    state = desk_of(request).shelf.state(name)
    html = report.html(report.view(state, state.records[-1].hash), language(request))
    return HTMLResponse(html, headers=HEADERS | {"Content-Security-Policy": SANDBOX})


@router.get("/incidents/{name}/files/{file}")
def download(request: Request, who: Person, name: str, file: str) -> Response:
    """A file as it was written."""
    path = _folder(request, who, name) / file
    if file not in FILES or path.is_symlink() or not path.is_file():
        raise Denied(404, "denied.file", who, name=file)
    headers = HEADERS | {
        "Content-Security-Policy": SANDBOX,
        "Content-Disposition": f'attachment; filename="{name}-{file}"',
    }
    # Read whole: a journal may grow while it is sent.
    return Response(path.read_bytes(), headers=headers, media_type=FILES[file])


@router.get("/incidents/{name}/verify")
def verify(request: Request, who: Person, name: str) -> Response:
    """Check the chain, the manifest and every hash now."""
    folder, desk = _folder(request, who, name), desk_of(request)
    if not _one.acquire(timeout=20):
        raise Denied(503, "denied.busy", who)
    try:
        stamp, checks = desk.shelf.stamp(name), audit(folder)
    finally:
        _one.release()
    desk.audits[name] = stamp, datetime.now(UTC), checks
    bad = [c for c in checks if c.result is not Result.PASS]
    return page(request, "verify.html", who, name=name, checks=checks, bad=bad)


def known_audit(desk: Desk, name: str) -> tuple[datetime, int, int, bool] | None:
    """The last check of this incident: when, how many as written, of how many, and whether the journal has grown since."""
    if name not in desk.audits:
        return None
    stamp, at, checks = desk.audits[name]
    return at, sum(_good(c) for c in checks), len(checks), stamp != desk.shelf.stamp(name)


def _good(check: Check) -> bool:
    return check.result is Result.PASS


def _folder(request: Request, who: Who, name: str) -> Path:
    found = desk_of(request).shelf.folder(name)
    if found is None:
        raise Denied(404, "denied.incident", who, name=name)
    return found
