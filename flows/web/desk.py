"""What the pages stand on: who may come in, the incidents as they were read, the last checks. Knows no HTTP and no step."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

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
        self.gate = Gate(self.context.serve, home, self.context.secret)
        self.shelf = Shelf(self.context.reports)

    def prefect(self) -> str:
        """The address of Prefect's pages, "" while its server does not answer."""
        server = self.context.worker.prefect
        return str(getattr(server, "ui", "")) if server and server.ready() else ""
