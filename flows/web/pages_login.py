"""Login, logout, language, and the files that pages are drawn with. Knows tokens and cookies; no incident."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from flows.web.auth import cookie_name
from flows.web.pages_door import Denied, Form, PageRoute, Person, Visitor, local, see
from flows.web.pages_render import HEADERS, desk_of, page, set_cookie, static
from flows.web.sessions import HOURS
from flows.web.words import LANGUAGES

router = APIRouter(route_class=PageRoute)


@router.get("/login")
def login(request: Request, who: Visitor, back: str = "/incidents") -> Response:
    """The login form; who is logged in already goes on."""
    return see(local(back)) if who else page(request, "login.html", back=local(back), wrong=False)


@router.post("/login")
def enter(request: Request, form: Form) -> Response:
    """A token becomes a session."""
    gate = desk_of(request).gate
    back = local(form.get("back", [""])[0])
    entered = gate.log_in(form.get("secret", [""])[0].strip()[:500], gate.guesser(request))
    if entered is None:
        return page(request, "login.html", status=403, back=back, wrong=True)
    answer = see(back)
    set_cookie(request, answer, cookie_name(request, gate.serve), entered[1], int(HOURS * 3600))
    return answer


@router.post("/logout")
def leave(request: Request, who: Person, form: Form) -> Response:  # noqa: ARG001 - the form is checked by being asked for
    """End the session, here and in the browser."""
    gate = desk_of(request).gate
    if who.session:
        gate.sessions.end(who.session)
    answer = see("/login")
    set_cookie(request, answer, cookie_name(request, gate.serve), "", 0)
    return answer


@router.get("/language/{wanted}")
def speak(request: Request, wanted: str, back: str = "/incidents") -> Response:
    """Remember the language that the reader wants."""
    if wanted not in LANGUAGES:
        raise Denied(404, "denied.missing")
    answer = see(local(back))
    set_cookie(request, answer, "lang", wanted, 365 * 86400)
    return answer


@router.get("/static/{name}")
def file(name: str) -> Response:
    """A style or a script: no secret, and another address when it changes."""
    found = static(name)
    if found is None:
        raise Denied(404, "denied.missing")
    return Response(
        found[0], headers=HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}, media_type=found[1]
    )
