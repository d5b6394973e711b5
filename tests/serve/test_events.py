"""Which ends of steps people are told of."""

from __future__ import annotations

import pytest

from flows.engine import NO_INCIDENT
from flows.events import event
from tasks.model import Outcome, Step, StepEnd


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (StepEnd(Step.BLOCK, Outcome.DONE, "denied"), "contained"),
        (StepEnd(Step.BLOCK, Outcome.NOTHING_TO_DO, "it was denied before"), "contained"),
        (StepEnd(Step.BLOCK, Outcome.NOTHING_TO_DO, NO_INCIDENT), None),
        (StepEnd(Step.BLOCK, Outcome.WAITING, "asks"), "approval"),
        (StepEnd(Step.BLOCK, Outcome.UNREACHABLE, "no answer"), "failed"),
        (StepEnd(Step.REPORT, Outcome.DONE, "written"), "closed"),
        (StepEnd(Step.TRIAGE, Outcome.DONE, "looked"), None),
    ],
)
def test_what_is_told(end: StepEnd, told: str | None) -> None:
    """`contained` is never said of an alert that was rejected: nothing is denied then."""
    assert event(end) == told
