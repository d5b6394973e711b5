"""A serve's pages before journals that stories wrote: a site's folder, people, an inbox, a worker that does not run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from flows.inbox import Inbox
from flows.web.context import Context
from flows.worker import Worker
from tasks.secrets import Secret
from tasks.serving import Person, Serve
from tests.report.scene import START
from tests.report.stories import STORIES
from tests.report.story import Story

PEOPLE = {
    "vera": Person("viewer", "env:VERA"),
    "rosa": Person("responder", "env:ROSA"),
    "ada": Person("approver", "env:ADA"),
}
TOKENS = {f"env:{name.upper()}": f"a long token of {name}" for name in PEOPLE}


def tell(reports: Path, story: str, name: str, start: datetime | None = None, **names: str) -> Path:
    """One incident's journal, as the story of that name tells it, under an id of its own."""
    folder = reports / name
    teller = Story(folder, names, start or START)
    STORIES[story](teller)
    teller.end()
    return folder


def context(folder: Path, serve: Serve | None = None, tokens: dict[str, str] | None = None) -> Context:
    """The context of one serve whose worker is not started: what is ordered waits."""
    inbox = Inbox(folder / ".hemostat" / "inbox.db")
    reports = folder / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    known = TOKENS if tokens is None else tokens
    return Context(
        folder,
        reports,
        serve or Serve(people=PEOPLE),
        inbox,
        Worker(folder, reports, inbox),
        lambda reference: Secret(known[reference]),
    )
