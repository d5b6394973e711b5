"""A serve's pages before journals that stories wrote: a site's folder, people, an inbox, a worker that does not run."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx
from fastapi import FastAPI
from httpx import Response

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


def over(made: Context, reports: Path) -> Context:
    """The same serve over another folder of incidents."""
    return replace(made, reports=reports, worker=Worker(made.folder, reports, made.inbox))


class InProcess(httpx.BaseTransport):
    """Brings requests to an app in this process, from an address of the test's choice. Starlette's own client wants another library."""

    def __init__(self, app: FastAPI, peer: str, raises: bool = True) -> None:
        self._inner = httpx.ASGITransport(app=app, client=(peer, 40000), raise_app_exceptions=raises)

    def handle_request(self, request: httpx.Request) -> Response:
        return asyncio.run(self._ask(request))

    async def _ask(self, request: httpx.Request) -> Response:
        said = await self._inner.handle_async_request(request)
        return Response(said.status_code, headers=said.headers, content=await said.aread(), request=request)


class Reader:
    """A browser as a person uses it: it keeps cookies, and sends forms as the page has them."""

    def __init__(self, app: FastAPI, peer: str = "198.51.100.7", scheme: str = "http") -> None:
        self.app = app
        self.http = httpx.Client(transport=InProcess(app, peer), base_url=f"{scheme}://pages.example")

    def get(self, path: str, **headers: str) -> Response:
        return self.http.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def log_in(self, name: str) -> Reader:
        """With that person's token."""
        said = self.send("/login", "/login", secret=f"a long token of {name}")
        assert said.status_code == 303, said.text
        return self

    def token(self, page: str) -> str:
        """The form token that the page carries."""
        found = re.search(r'name="token" value="([^"]+)"', self.get(page).text)
        assert found, f"{page} has no form"
        return found[1]

    def send(self, page: str, to: str, **fields: str | list[str]) -> Response:
        """Send a form of that page."""
        return self.http.post(to, data={"token": self.token(page), **fields})
