"""Which lane a run takes: the urgent steps at once, the rest through Prefect as soon as its server answers, else without it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from flows import engine
from flows.engine import Nobody, Watcher
from tasks.case import Case, reopened
from tasks.model import Step, StepEnd, inert
from tasks.state import Plan


class Pages(Protocol):
    """Prefect's server as a run sees it."""

    def ready(self) -> bool:
        """Does it answer now?"""

    def wait(self, seconds: float) -> bool:
        """Wait so long until it answers; whether it does."""


Ask = Callable[[Plan], tuple[bool, str] | None]


@dataclass(slots=True)
class Launch:
    """One go at an incident: who watches, whom to ask, who is at work, and which steps have had their turn.

    A step has one turn in a launch, whichever lane it ran in; a finished one needs none. `stop` ends the step that is under way at its
    next look, as refused; `rest` lets it end and begins no other.
    """

    watcher: Watcher = field(default_factory=Nobody)
    ask: Ask | None = None
    operator: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    rest: threading.Event = field(default_factory=threading.Event)
    had_turn: set[Step] = field(default_factory=set)

    def turn(self, case: Case, step: Step) -> StepEnd:
        """How the step stands after its turn."""
        if step not in self.had_turn:
            case.ask, case.stop = self.ask, self.stop
            case.operator = self.operator or case.incident.operator
            engine.run_step(case, step, self.watcher)
            self.had_turn.add(step)
        return case.state.ends[step]

    def following(self, case: Case) -> Step | None:
        """The step whose turn it is; None when all are over, the last one stopped the run, or the launch rests."""
        step = engine.following(case)
        return None if step in self.had_turn or self.rest.is_set() else step


# The launch that a flow belongs to; a flow that a Prefect worker started has one of its own, with nobody at the terminal.
CURRENT: ContextVar[Launch | None] = ContextVar("launch", default=None)


def urgent(case: Case, launch: Launch) -> None:
    """Confirm and block with nothing in the way; Prefect gets to know later."""
    while (step := launch.following(case)) in (Step.CONFIRM, Step.BLOCK):
        launch.turn(case, step)


def carry_on(folder: Path, launch: Launch, server: Pages | None, patience: float) -> StepEnd | None:
    """All other steps. Before each step the lane is chosen anew: Prefect takes over once it answers, and never holds a step up.

    Args:
        server: None runs without Prefect.
        patience: seconds to wait for a slow Prefect *after* the run, so that its pages show the run too.

    Returns:
        How the last step stands; None when no step has ended.
    """
    _direct(folder, launch, lambda: server is not None and server.ready())
    if server is not None and not launch.rest.is_set():
        _through_prefect(folder, launch, server, patience)
        _direct(folder, launch, lambda: False)
    with reopened(folder) as case:
        return case.state.ends[last] if (last := case.state.last) else None


def _direct(folder: Path, launch: Launch, until: Callable[[], bool]) -> None:
    with reopened(folder) as case:
        while (step := launch.following(case)) is not None and not until():
            launch.turn(case, step)


def _through_prefect(folder: Path, launch: Launch, server: Pages, patience: float) -> None:
    if not server.wait(patience):
        return _unavailable(folder, launch, "its server did not answer in time")
    from flows.prefect_run import run_flow  # imported here: Prefect takes 1.5 s, which the block must not wait for

    token = CURRENT.set(launch)
    try:
        return asyncio.run(run_flow(folder))
    except Exception as error:  # noqa: BLE001 - whatever Prefect raises, containment and evidence do not depend on it
        return _unavailable(folder, launch, f"{type(error).__name__}: {inert(error, 200)}")
    finally:
        CURRENT.reset(token)


def _unavailable(folder: Path, launch: Launch, why: str) -> None:
    launch.watcher.said(f"Prefect: {why}. The run goes on without it", None)
    with reopened(folder) as case:
        case.record("prefect", unavailable=why)
