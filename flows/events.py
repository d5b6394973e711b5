"""What an incident comes to, as few events that people want to be told of. Knows how steps end; must not know whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.engine import NO_INCIDENT, Nobody
from tasks.model import Outcome, Step, StepEnd
from tasks.serving import Event as Event


def event(end: StepEnd) -> Event | None:
    """The event that a step's end is; None for one that tells nobody anything."""
    if end.outcome is Outcome.WAITING:
        return "approval"
    if not end.outcome.finished:
        return "failed"
    if end.step is Step.BLOCK and end.summary == NO_INCIDENT:
        return None
    return {Step.BLOCK: "contained", Step.REPORT: "closed"}.get(end.step)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Teller(Nobody):
    """Watches one incident's run and tells of its events."""

    folder: Path
    listeners: Sequence[Callable[[Event, Path], None]]

    def ended(self, end: StepEnd, seconds: float) -> None:  # noqa: ARG002
        if told := event(end):
            for tell in self.listeners:
                tell(told, self.folder)
