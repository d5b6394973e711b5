"""The runner that the crash tests kill: one process, one go at an incident, dead by SIGKILL at the record it was told of.

It runs in a process of its own (multiprocessing's forkserver), so what it does to Journal stays there: the product has no hook.
"""

from __future__ import annotations

import json
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from flows import doors
from flows.launch import Launch, carry_on, urgent
from tasks import undo
from tasks.case import opened, reopened
from tasks.journal import NAME, Journal
from tasks.model import Approval, Json, Mode, Step

PHASES = ("before", "torn", "after")


@dataclass(frozen=True, slots=True)
class Order:
    """One go at the incident or, with `undo`, at taking all of it back.

    It dies at record number `at` in that phase, or at the first point that is not in `survived`; else it lives. A phase is
    "before" the record is written, with the record "torn" (half of it is on the disk), or "after" it is on the disk.
    """

    reports: Path
    id: str
    site: Path
    alert: bytes
    environment: dict[str, str]
    at: tuple[int, str] | None = None
    survived: frozenset[str] | None = None
    phases: tuple[str, ...] = PHASES
    undo: bool = False

    @property
    def folder(self) -> Path:
        return self.reports / self.id

    @property
    def deaths(self) -> Path:
        """Where a runner writes down the point at which it dies."""
        return self.reports / "deaths"


def go(order: Order) -> None:
    """Open the incident, go on with it, or take it back, as `respond --no-prefect`, `resume` and `undo` do."""
    os.environ.update(order.environment)
    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # as flows.cli does
    Journal._write = _Mortal(order, Journal._write).method()  # type: ignore[method-assign]
    if order.undo:
        with reopened(order.folder) as case:
            # Half undone, the verification is stale: whoever goes on says so by name.
            case.state.overrides.add("unverified")
            undo.run(case, [Step.BLOCK, Step.CLEANUP], Approval.AUTO)
        return
    launch = Launch(ask=lambda _: (True, "the person at the terminal"))
    if (order.folder / NAME).exists() and b"\n" in (order.folder / NAME).read_bytes():
        with reopened(order.folder) as case:
            urgent(case, launch)
    else:
        known, requests = doors.by_alert(order.site, "suricata", order.alert, Mode.DRILL)
        with opened(order.reports, known, replace(requests[0], id=order.id)) as case:
            urgent(case, launch)
    carry_on(order.folder, launch, None, 0.0)


@dataclass(slots=True)
class _Mortal:
    """Counts records and dies at the right one."""

    order: Order
    write: Callable[[Journal, bytes], None]
    count: int = 0
    step: str = ""
    seen: Counter[str] = field(default_factory=Counter)

    def method(self) -> Callable[[Journal, bytes], None]:
        return lambda journal, line: self.written(journal, line)

    def written(self, journal: Journal, line: bytes) -> None:
        self.count += 1
        record = json.loads(line)
        point = self._point(record)
        for phase in PHASES:
            if phase == "after":
                self.write(journal, line)
            if self._dies(point, phase):
                if phase == "torn":
                    os.write(journal._file, line[: len(line) // 2])
                self._die(f"{point} {phase}")

    def _point(self, record: Json) -> str:
        """A name by which another go knows the record again: an act's by its action, others as the first of their kind in the step."""
        kind, data = record["kind"], record["data"]
        self.step = data["step"] if kind == "step.started" else self.step
        step = "undo" if self.order.undo else self.step or "opening"
        name = f"{step} {kind}"
        self.seen[name] += 1
        if kind == "intent":
            return f"{name} {data['action']['id']}"
        if kind == "receipt":
            return f"{name} {data['receipt']['action']}"
        return name if self.seen[name] == 1 else ""

    def _dies(self, point: str, phase: str) -> bool:
        if self.order.at is not None:
            return (self.count, phase) == self.order.at
        survived = self.order.survived
        return (
            survived is not None and bool(point) and phase in self.order.phases and f"{point} {phase}" not in survived
        )

    def _die(self, point: str) -> None:
        with self.order.deaths.open("a") as file:
            file.write(f"{point}\n")
        os.kill(os.getpid(), signal.SIGKILL)
