"""Runs the seven steps in their order over one case. Knows gates, outcomes and time; must not know Prefect, a terminal or a vendor."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable
from typing import Protocol

from tasks import block, cleanup, collect, confirm, decide, report, triage, verify
from tasks.case import Case
from tasks.model import HemostatError, Outcome, Refused, Step, StepEnd, inert

STEPS: dict[Step, Callable[[Case], StepEnd]] = {
    Step.CONFIRM: confirm.run,
    Step.BLOCK: block.run,
    Step.TRIAGE: triage.run,
    Step.COLLECT: collect.run,
    Step.CLEANUP: cleanup.run,
    Step.VERIFY: verify.run,
    Step.REPORT: report.run,
}

# How every step behind a rejected alert ends; those who tell of a block know by it that there is none.
NO_INCIDENT = "confirm found no incident"
# What the system says when a file system, or a user's share of one, is full.
FULL = (errno.ENOSPC, errno.EDQUOT)


class Watcher(Protocol):
    """Whoever looks on: a terminal, a log, nobody."""

    def started(self, step: Step) -> None: ...

    def said(self, text: str, part: float | None) -> None:
        """What is going on; `part` is how much of it is done, 0 to 1, if that is known."""

    def ended(self, end: StepEnd, seconds: float) -> None: ...


class Nobody:
    """Looks away."""

    def started(self, step: Step) -> None: ...

    def said(self, text: str, part: float | None) -> None: ...

    def ended(self, end: StepEnd, seconds: float) -> None: ...


def following(case: Case) -> Step | None:
    """The step that is to run next; None when all are over."""
    return next((step for step in Step if not case.state.done(step)), None)


def run_step(case: Case, step: Step, watcher: Watcher) -> StepEnd:
    """Run one step and journal how it ended. This is the boundary: no error gets past it, each becomes an outcome."""
    if case.state.done(step) and step in case.state.ends:
        return case.state.ends[step]
    watcher.started(step)
    case.watched_by(watcher.said)
    begun = time.monotonic()
    case.begin(case.playbook.timeouts.get(step))
    case.record("step.started", step=step, attempt=case.state.attempts.get(step, 0) + 1)
    end = _guarded(case, step)
    seconds = time.monotonic() - begun
    case.record(
        "step.ended", step=step, outcome=end.outcome, summary=end.summary, next=end.next, seconds=round(seconds, 3)
    )
    watcher.ended(end, seconds)
    return end


def _guarded(case: Case, step: Step) -> StepEnd:
    try:
        if decide.rejected(case.state) and step not in (Step.CONFIRM, Step.REPORT):
            return StepEnd(step, Outcome.NOTHING_TO_DO, NO_INCIDENT)
        decide.gate(step, case.state)
        return STEPS[step](case)
    except HemostatError as error:
        return failed(step, error)
    except KeyboardInterrupt:
        case.stop.set()
        return StepEnd(
            step,
            Outcome.FAILED,
            "stopped from the keyboard",
            f"hemostat resume {case.incident.id}",
        )
    except Exception as error:  # noqa: BLE001 - the step's boundary: whatever it is, the journal and the person must get it
        case.record("note", about=f"error in {step}", text=inert(error), where=_where(error))
        if isinstance(error, OSError) and error.errno in FULL:
            return _no_room(step, case)
        text = f"an error that hemostat does not know: {type(error).__name__}: {inert(error, 300)}"
        return StepEnd(step, Outcome.FAILED, text, "report it with the journal; the steps before it stand")


def _no_room(step: Step, case: Case) -> StepEnd:
    """The runner's disk is full: nothing is wrong with the incident, and it goes on where there is room again."""
    text = f"the runner has no room left to write into {case.folder}"
    return StepEnd(
        step, Outcome.FAILED, text, f"make room, then hemostat resume {case.incident.id}; the steps before it stand"
    )


def failed(step: Step, error: HemostatError) -> StepEnd:
    """The end that an error makes of a step: its outcome, what was tried and seen, and what to do."""
    seen = ": ".join(part for part in (error.tried, error.seen) if part)
    return StepEnd(step, error.outcome, seen, f"{error.do}{lift(error)}".lstrip("; "))


def lift(error: HemostatError) -> str:
    """How to go past a guard that can be lifted, as commands and pages read it; empty for any other error."""
    return f"; if you are sure: --override {error.override}" if isinstance(error, Refused) and error.override else ""


def _where(error: BaseException) -> list[str]:
    """File, line and function of each frame; no values, so that no secret gets into the journal."""
    return [
        f"{frame.name} ({frame.filename.rpartition('/')[2]}:{frame.lineno})"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
