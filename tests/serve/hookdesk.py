"""A site's webhook in this process: its owner's files, its senders and their secrets, its inbox. The worker does not run."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from ruamel.yaml import YAML

from flows.inbox import Inbox
from flows.web import app
from flows.web.context import Context
from flows.web.senders import sign
from flows.worker import Worker
from tasks import alerts
from tasks.secrets import Secret
from tasks.serving import Sender, Serve
from tests.cli.house import CODE

SECRETS = {
    "env:TOKEN": "a bearer token",
    "env:URL": "a-url-token",
    "env:HMAC": "a signing secret",
    "env:OTHER": "of zeek alone",
}
SENDERS = {
    **{source: Sender(source, token="env:TOKEN", url_token="env:URL", hmac="env:HMAC") for source in alerts.sources()},
    "other": Sender("zeek", token="env:OTHER", per_minute=2, most="open", playbook="watch"),
}
BEARER = {"Authorization": "Bearer a bearer token"}


def write_site(folder: Path) -> Path:
    """The repository's own example site; web-1 also stands at 10.0.0.7, as the twins say."""
    for name in ("inventory", "playbooks"):
        shutil.copytree(CODE / name, folder / name)
    path, yaml = folder / "inventory" / "hosts.yaml", YAML()
    hosts = yaml.load(path)
    hosts["web-1"]["addresses"] += ["10.0.0.7", "2001:db8:1::7", "198.51.100.7"]
    yaml.dump(hosts, path)
    return folder


@dataclass
class HookDesk:
    """The webhook of one site and its client."""

    folder: Path
    serve: Serve = field(default_factory=lambda: Serve(senders=SENDERS))
    inbox: Inbox = field(init=False)
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.folder / ".hemostat" / "inbox.db")
        worker = Worker(self.folder, self.folder / "reports", self.inbox)
        self.secrets = dict(SECRETS)
        context = Context(
            self.folder,
            self.folder / "reports",
            self.serve,
            self.inbox,
            worker,
            lambda name: Secret(self.secrets[name]),
        )
        self.app = app.create(context)

    def __enter__(self) -> HookDesk:
        return self

    def __exit__(self, *_: object) -> None:
        self.inbox.close()

    def post(self, body: Any, source: str = "plain", path: str = "", **more: Any) -> httpx.Response:
        """Send a body (bytes as they are, anything else as JSON), with the bearer token unless other headers are given."""
        raw = body if isinstance(body, (bytes, AsyncIterator)) else json.dumps(body).encode()
        more.setdefault("headers", BEARER)
        return asyncio.run(self._post(f"/alerts/{source}{path}", raw, **more))

    async def _post(self, path: str, raw: bytes | AsyncIterator[bytes], **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hemostat.test") as client:
            return await client.post(path, content=raw, **more)

    def signed(self, body: bytes, at: float | None = None, secret: str = "a signing secret") -> dict[str, str]:
        """The headers that sign that body."""
        stamp = str(int(time.time() if at is None else at))
        return {"X-Hemostat-Timestamp": stamp, "X-Hemostat-Signature": sign(secret, stamp, body)}


def alert(**changes: Any) -> dict[str, Any]:
    """One alert of our own JSON."""
    made = {
        "host": "web-1", "remote_ip": "203.0.113.9", "remote_port": 443, "rule": "beacon", "time": "2027-01-31T12:00:00+01:00", "id": "a-1",
    }  # fmt: skip
    return {name: value for name, value in {**made, **changes}.items() if value is not None}
