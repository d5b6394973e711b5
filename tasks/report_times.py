"""When things happened, from records' times alone: step spans, waits for people, acts. Knows no words and no judgement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tasks.journal import Record
from tasks.model import Outcome, Step
from tasks.state import State

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Span:
    """One attempt of a step. `outcome` None: it was begun and no end was written; `end` is then the last sign of it."""

    step: Step
    attempt: int
    start: datetime
    end: datetime
    outcome: Outcome | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """One question to a person. `answered` None: nobody has answered yet."""

    digest: str
    step: str
    asked: datetime
    answered: datetime | None = None
    given: bool = False
    by: str = ""
    via: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """When an act was begun and finished, and the digest of the plan that it belongs to."""

    begun: datetime
    finished: datetime | None
    digest: str


def aware(at: datetime) -> datetime:
    """A time without a zone is taken as UTC: alert sources leave it out."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def spans(records: Sequence[Record]) -> tuple[Span, ...]:
    """Every attempt of every step, in the order of their starts."""
    found: list[Span] = []
    open_at: int | None = None
    for record in records:
        if record.kind == "step.started":
            found.append(Span(Step(record.data["step"]), record.data["attempt"], record.time, record.time))
            open_at = len(found) - 1
        elif record.kind == "step.ended":
            ended = _ended(record, found[open_at] if open_at is not None else None)
            found[open_at if open_at is not None else len(found) :] = [ended]
            open_at = None
        elif open_at is not None and _works(record, found[open_at].step):
            found[open_at] = replace(found[open_at], end=record.time)
    return tuple(found)


_FROM_OUTSIDE = frozenset({"journal.healed", "note", "prefect", "step.skipped", "step.redo", "report.written", "score"})


def _works(record: Record, step: Step) -> bool:
    """The record is a sign that the step was still at work: a resume hours after a crash is none."""
    return record.kind not in _FROM_OUTSIDE and record.data.get("step", step) == step


def _ended(record: Record, begun: Span | None) -> Span:
    data = record.data
    span = begun or Span(Step(data["step"]), 1, record.time, record.time)
    return replace(span, end=record.time, outcome=Outcome(data["outcome"]), summary=data["summary"])


def waits(records: Iterable[Record]) -> tuple[Wait, ...]:
    """Every approval that was asked for, with its answer. An answer nobody asked for counts as asked at its own time."""
    found: dict[str, Wait] = {}
    for record in records:
        data = record.data
        if record.kind == "approval.asked" and _open(found.get(data["digest"])) is None:
            found[data["digest"]] = Wait(data["digest"], data["step"], record.time)
        elif record.kind in ("approval.given", "approval.refused"):
            asked = found.get(data["digest"]) or Wait(data["digest"], data.get("step", ""), record.time)
            found[data["digest"]] = replace(
                asked,
                answered=record.time,
                given=record.kind == "approval.given",
                by=data["by"],
                via=data.get("via", ""),
                reason=data.get("reason", ""),
            )
    return tuple(found.values())


def _open(wait: Wait | None) -> Wait | None:
    """A question that is still open is not asked anew by a resume that repeats it."""
    return wait if wait and wait.answered is None else None


def traces(records: Iterable[Record]) -> tuple[Trace, ...]:
    """One for each of the state's acts, in their order."""
    plans: dict[str, str] = {}
    begun: dict[tuple[str, str], int] = {}
    found: list[Trace] = []
    for record in records:
        data = record.data
        if record.kind == "plan":
            plans[data["step"]] = data["digest"]
        elif record.kind == "intent":
            begun[data["step"], data["action"]["id"]] = len(found)
            found.append(Trace(record.time, None, plans.get(data["step"], "")))
        elif record.kind == "receipt":
            place = begun[data["step"], data["receipt"]["action"]]
            found[place] = replace(found[place], finished=record.time)
    return tuple(found)


def human_time(state: State) -> timedelta:
    """How long a question to a person stood open; one that still does counts up to the last record."""
    return total(_waiting(state))


def machine_time(state: State) -> timedelta:
    """How long steps ran while nobody was being waited for."""
    return total(busy(state))


def busy(state: State) -> list[Stretch]:
    """The stretches in which a step ran and nobody was being waited for."""
    return minus([(s.start, s.end) for s in spans(state.records)], _waiting(state))


def _waiting(state: State) -> list[Stretch]:
    last = state.records[-1].time
    return [(w.asked, w.answered or last) for w in waits(state.records)]


def union(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time without overlaps, in order."""
    merged: list[Stretch] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def minus(stretches: Iterable[Stretch], holes: Iterable[Stretch]) -> list[Stretch]:
    """What of the stretches lies in no hole."""
    whole, cut = union(stretches), union(holes)
    edges = sorted({t for stretch in whole + cut for t in stretch})
    return union((a, b) for a, b in pairwise(edges) if _within(a, b, whole) and not _within(a, b, cut))


def _within(start: datetime, end: datetime, stretches: list[Stretch]) -> bool:
    return any(a <= start and end <= b for a, b in stretches)


def total(stretches: Iterable[Stretch]) -> timedelta:
    return sum((end - start for start, end in union(stretches)), timedelta())
