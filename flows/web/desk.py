"""What the pages stand on: who may come in, the incidents as they were read, the last checks. Knows no HTTP and no step."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from flows.doors import operator
from flows.web.auth import Gate
from flows.web.context import Context
from flows.web.shelf import Shelf
from tasks.model import Check


@dataclass(slots=True)
class Desk:
    """The pages' part of one serve."""

    context: Context
    gate: Gate = field(init=False)
    shelf: Shelf = field(init=False)
    audits: dict[str, tuple[str, datetime, list[Check]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        home = self.context.folder / ".hemostat"
        self.gate = Gate(self.context.serve, home, owner(self.context), self.context.secret)
        self.shelf = Shelf(self.context.reports)

    def prefect(self) -> str:
        """The address of Prefect's pages, "" while its server does not answer."""
        server = self.context.worker.prefect
        return str(getattr(server, "ui", "")) if server and server.ready() else ""


def token_file(folder: Path) -> Path:
    """Where the owner finds the token to log in with, while inventory/serve.yaml names nobody. `folder` is the site's."""
    return folder / ".hemostat" / "pages.token"


def owner(context: Context) -> tuple[str, str] | None:
    """The name and token of whoever started the server, who may do everything; None where the owner's files say who may."""
    if context.serve.people or context.serve.user_header:
        return None
    path = token_file(context.folder)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(24))
    return operator(), path.read_text().strip()
