"""What a person orders: approve, reject, resume, redo, skip, undo. Answers once the order is on the disk; it is followed by the worker."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from flows.inbox import KINDS
from flows.web.auth import NEEDS, REASONED, Who
from flows.web.desk import Desk
from flows.web.pages_door import Denied, Form, PageRoute, Person, see
from flows.web.pages_render import HEADERS, desk_of
from flows.web.views_incident import Choice, choices, standing_plan
from tasks.model import Json
from tasks.state import State

router = APIRouter(route_class=PageRoute)

Fields = dict[str, list[str]]


@router.post("/incidents/{name}/{kind}")
def act(request: Request, who: Person, form: Form, name: str, kind: str) -> Response:
    """Take one order."""
    desk = desk_of(request)
    if kind not in NEEDS or desk.shelf.folder(name) is None:
        raise Denied(404, "denied.incident", who, name=name)
    needed = (
        (kind, "approve") if form.get("override") else (kind,)
    )  # who lifts a guard answers for more than a yes does
    if lacking := [act for act in needed if not who.may(act)]:
        raise Denied(403, "denied.role", who, role=who.role, needs=NEEDS[lacking[0]])
    state = desk.shelf.state(name)
    arguments = _answer(state, who, form) if kind in ("approve", "reject") else _wish(desk, name, who, kind, form)
    if kind in REASONED and not arguments["reason"]:
        raise Denied(422, "denied.reason", who)
    wanted = next(k for k in KINDS if k == kind)
    number = desk.context.order(name, wanted, arguments, who.name, one(form, "once"))
    if who.via == "bearer":
        return JSONResponse({"order": number}, 202, HEADERS)
    return see(f"/incidents/{name}#orders")


def one(form: Fields, name: str, most: int = 500) -> str:
    """The field's only value, cut; empty when it is not there."""
    return form.get(name, [""])[0].strip()[:most]


def _answer(state: State, who: Who, form: Fields) -> dict[str, Json]:
    """A yes or a no to the very plan that the person saw.

    Raises:
        Denied: that plan does not wait any more, or another one does.
    """
    plan = standing_plan(state, one(form, "step"))
    if plan is None:
        raise Denied(409, "denied.answered", who)
    if plan.digest != one(form, "digest"):
        raise Denied(409, "denied.changed", who, step=plan.step)
    return {"digest": plan.digest, "reason": one(form, "reason")}


def _wish(desk: Desk, name: str, who: Who, kind: str, form: Fields) -> dict[str, Json]:
    """What the page itself offers at this moment, and nothing else."""
    offered = next(
        (c for c in choices(desk.shelf.state(name), desk.context.inbox.orders(name)) if c.kind == kind), None
    )
    steps = form.get("step", [])
    overrides = form.get("override", [])
    if offered is None or not _offers(offered, steps, overrides):
        raise Denied(409, "denied.moved", who)
    about: dict[str, Json] = {"resume": {}, "undo": {"steps": steps}}.get(kind, {"step": steps[0] if steps else ""})
    return {**about, "overrides": overrides, "reason": one(form, "reason")}


def _offers(offered: Choice, steps: list[str], overrides: list[str]) -> bool:
    known = set(steps) <= set(offered.steps) and set(overrides) <= set(offered.overrides)
    return known and (bool(steps) or offered.kind == "resume")
