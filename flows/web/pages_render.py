"""Templates and headers: a page from values, closed against scripts, frames and caches. Everything passes `inert`, then autoescape."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from flows.web import words
from flows.web.auth import REASONED, Who, secure
from flows.web.desk import Desk
from tasks import phrases, report
from tasks.model import inert
from tasks.report_lines import duration, stamp

HERE = Path(__file__).parent
LIMIT = 2000
FORM = "hemostat-form"
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser hides from us where a form comes from (Fetch, "Origin")
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def desk_of(request: Request) -> Desk:
    """The pages' part of the server that the request came to."""
    desk: Desk = request.state.desk
    return desk


def language(request: Request) -> str:
    """The reader's language."""
    usual = desk_of(request).gate.serve.language
    return words.choose(request.cookies.get("lang", ""), request.headers.get("accept-language", ""), usual)


def form_token(request: Request, who: Who | None) -> str:
    """What every form carries: a signature over who it was made for, bound to their session or to this browser's form cookie."""
    return desk_of(request).gate.sessions.sign("form", who.name if who else "", _binding(request, who))


def _binding(request: Request, who: Who | None) -> str:
    if who and who.session:
        return who.session.id
    if not hasattr(request.state, "form"):
        request.state.form = request.cookies.get(FORM) or secrets.token_urlsafe(24)
    return str(request.state.form)


def page(request: Request, template: str, who: Who | None = None, status: int = 200, **values: object) -> Response:
    """The template as an answer; no value of it is markup unless this package made it."""
    spoken = language(request)
    html = (
        _environment()
        .get_template(template)
        .render(
            t=words.Speaker(spoken),
            say=phrases.say(spoken),
            language=spoken,
            languages=words.NAMES,
            who=who,
            may=(lambda kind: who.may(kind)) if who else (lambda _: False),
            token=form_token(request, who),
            once=secrets.token_hex(8),
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            path=request.url.path,
            now=datetime.now(UTC),
            **values,
        )
    )
    answer = HTMLResponse(html, status, HEADERS)
    if hasattr(request.state, "form"):
        set_cookie(request, answer, FORM, request.state.form)
    return answer


def message(request: Request, status: int, key: str, who: Who | None = None, **parts: object) -> Response:
    """A plain page that says what was wrong and what to do."""
    say, parts = words.Speaker(language(request)), _spoken(language(request), parts)
    return page(
        request, "message.html", who, status, title=say(f"{key}.title", **parts), text=say(f"{key}.text", **parts)
    )


def _spoken(reader: str, parts: dict[str, object]) -> dict[str, object]:
    """Roles, steps and what a run says, in the reader's language."""
    known, said = words.Speaker(reader).known, phrases.say(reader)
    groups = {"role": "role", "needs": "role", "step": "step"}
    told = {name: known(f"{groups[name]}.{part}") or part for name, part in parts.items() if name in groups}
    return {**parts, **told, **({"seen": said(str(parts["seen"]))} if "seen" in parts else {})}


def set_cookie(request: Request, answer: Response, name: str, value: str, seconds: int | None = None) -> None:
    """A cookie that no script reads and no other site sends."""
    tls = secure(request, desk_of(request).gate.serve)
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=tls, httponly=True, samesite="strict")


@cache
def static(name: str) -> tuple[bytes, str] | None:
    """A file's bytes and type; None for any name that is not in the folder. The report's own style is one of them."""
    if name == "report.css":
        found = next(folder / "style.css" for folder in report.FOLDERS if (folder / "style.css").is_file())
        return found.read_bytes(), TYPES[".css"]
    known = {path.name: path for path in (HERE / "static").iterdir()}
    return (known[name].read_bytes(), TYPES[known[name].suffix]) if name in known else None


def _asset(name: str) -> str:
    """Its address, another one as soon as its bytes are others."""
    found = static(name)
    return f"/static/{name}?v={sha256(found[0]).hexdigest()[:12]}" if found else ""


@cache
def _environment() -> Environment:
    """As the report's: StrictUndefined, autoescape, and `inert` before it. The report's own picture can be included."""
    env = Environment(
        loader=FileSystemLoader([HERE / "templates", *report.FOLDERS]),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else inert(value, LIMIT),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(stamp=stamp, duration=duration)
    env.globals.update(asset=_asset, reasoned=REASONED)
    return env
