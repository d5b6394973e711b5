"""The pages that read: list, one incident, compare, figures, search. Knows templates and views; changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain, islice

from fastapi import APIRouter, Depends, Request
from starlette.responses import PlainTextResponse, Response

from flows import still
from flows.inbox_nouns import Entry
from flows.web import pages_acts, pages_files, pages_login, views, views_compare, views_incident, views_metrics
from flows.web.auth import Who
from flows.web.context import Context
from flows.web.desk import Desk
from flows.web.pages_door import Denied, PageRoute, Person, see
from flows.web.pages_render import HEADERS, desk_of, language, page
from flows.web.spoken import told
from flows.web.views import Filter, Row
from flows.web.views_search import search

reading = APIRouter(route_class=PageRoute)


def router(context: Context) -> APIRouter:
    """The pages' routes. All incidents are read once in the background, so that the first list is quick."""
    desk = Desk(context)

    def at_the_desk(request: Request) -> None:
        request.state.desk = desk

    whole = APIRouter(include_in_schema=False, dependencies=[Depends(at_the_desk)])
    for part in (pages_login.router, reading, pages_files.router, pages_acts.router):
        whole.include_router(part)
    threading.Thread(target=desk.shelf.read_all, name="read incidents", daemon=True).start()
    return whole


def rows(desk: Desk) -> tuple[int, Iterator[Row]]:
    """How many incidents there are, and their rows, newest first; those that the inbox has taken and nobody has begun come first."""
    entries = desk.context.inbox.entries()
    names = [name for name in desk.shelf.ids() if name not in entries or desk.shelf.begun(name)]
    known = set(names)
    new = [views.accepted(e.id, e.item.alert, e.item.host, e.first) for e in entries.values() if e.id not in known]
    new.sort(key=lambda row: row.id, reverse=True)
    return len(new) + len(names), chain(new, (_told(row, entries.get(row.id)) for row in desk.shelf.rows(names)))


def _told(row: Row, entry: Entry | None) -> Row:
    return views.told(row, entry.count, entry.linked) if entry else row


@reading.get("/")
def first() -> Response:
    """The list is the first page."""
    return see("/incidents")


@reading.get("/incidents")
def incidents(request: Request, who: Person, number: int = 1) -> Response:
    """The list, newest first."""
    desk = desk_of(request)
    wanted = Filter.of(request.query_params.items())
    stamp = desk.shelf.stamps()
    total, found = rows(desk)
    if wanted.any:
        found = iter(fits := [row for row in found if wanted.fits(row)])
        total = len(fits)
    shown = views.page(found, total, number)
    return page(request, "incidents.html", who, shown=shown, wanted=wanted, stamp=stamp, query=_query(request))


def _query(request: Request) -> str:
    """The filters as a query, without the page's number: for the links to other pages."""
    return "&".join(part for part in request.url.query.split("&") if part and not part.startswith("number="))


@reading.get("/incidents/stamp")
def list_stamp(request: Request, _: Person) -> Response:
    """Another text as soon as the list has changed."""
    return PlainTextResponse(desk_of(request).shelf.stamps(), headers=HEADERS)


@reading.get("/incidents/{name}")
def incident(request: Request, who: Person, name: str) -> Response:
    """One incident, with what may be done about it."""
    desk = desk_of(request)
    if not desk.shelf.begun(name):
        return _not_begun(request, desk, who, name)
    stamp = _stamp(desk, name)
    state, entry = desk.shelf.state(name), desk.context.inbox.entry(name)
    shown = views_incident.sheet(state, name, desk.context.inbox.orders(name))
    return page(
        request,
        "incident.html",
        who,
        s=told(shown, language(request)),
        stamp=stamp,
        prefect=desk.prefect(),
        audit=pages_files.known_audit(desk, name),
        entry=entry,
        talking=still.since_undo(state, entry),
        linked=_linked(desk, name),
        doing=desk.context.worker.doing(name),
        trouble=desk.context.worker.trouble(name),
    )


def _not_begun(request: Request, desk: Desk, who: Who, name: str) -> Response:
    entry = desk.context.inbox.entry(name)
    if entry is None and desk.shelf.folder(name):
        desk.shelf.state(name)  # says why there is nothing to show
    if entry is None:
        raise Denied(404, "denied.incident", who, name=name)
    row = views.accepted(name, entry.item.alert, entry.item.host, entry.first)
    return page(request, "accepted.html", who, row=row, trouble=desk.context.worker.trouble(name))


def _linked(desk: Desk, name: str) -> tuple[str, ...]:
    """The earlier and the later incidents of the same host that the inbox linked to this one."""
    entries = desk.context.inbox.entries()
    earlier = [entries[name].linked] if name in entries and entries[name].linked else []
    return tuple(dict.fromkeys([*earlier, *(e.id for e in entries.values() if e.linked == name)]))


def _stamp(desk: Desk, name: str) -> str:
    """Another text as soon as the journal or an order has changed."""
    orders = desk.context.inbox.orders(name)
    return f"{desk.shelf.stamp(name)}-{len(orders)}.{sum(o.done is not None for o in orders)}"


@reading.get("/incidents/{name}/stamp")
def incident_stamp(request: Request, _: Person, name: str) -> Response:
    """The same for one incident."""
    desk = desk_of(request)
    text = _stamp(desk, name) if desk.shelf.begun(name) else "0-0-0"
    return PlainTextResponse(text, headers=HEADERS)


@reading.get("/compare")
def compare(request: Request, who: Person) -> Response:
    """Two incidents side by side."""
    desk = desk_of(request)
    names = request.query_params.getlist("id")[:2]
    if len(names) < 2:
        return page(request, "compare.html", who, both=None, sheets=(), rows=list(islice(rows(desk)[1], 200)))
    sheets = []
    for name in names:
        if desk.shelf.folder(name) is None:
            raise Denied(404, "denied.incident", who, name=name)
        sheets.append(views_incident.sheet(desk.shelf.state(name), name, ()))
    return page(
        request,
        "compare.html",
        who,
        both=told(views_compare.compare(*sheets), language(request)),
        sheets=sheets,
        rows=(),
    )


@reading.get("/metrics")
def metrics(request: Request, who: Person, drills: str = "") -> Response:
    """How fast, how long people were waited for, how it came out; drills only when they are asked for."""
    known = (row for row in rows(desk_of(request))[1] if drills or not row.drill)
    return page(
        request, "metrics.html", who, m=views_metrics.metrics(known), drills=bool(drills), kinds=views_metrics.KINDS
    )


@reading.get("/search")
def find(request: Request, who: Person, q: str = "") -> Response:
    """Search the findings of all incidents."""
    text = q.strip()[:200]
    hits, more = search(rows(desk_of(request))[1], text)
    return page(request, "search.html", who, text=text, hits=told(hits, language(request)), more=more)
