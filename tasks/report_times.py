"""When things happened, from records' times alone: step spans, waits for people, proofs, figures. Knows no words and no rendering."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from tasks.journal import Record
from tasks.model import Check, Decision, Outcome, Result, Step
from tasks.state import UNDO, State, typed

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
class Proof:
    """One check with its step's attempt. `current` False: a later attempt of the step has looked again."""

    step: str
    attempt: int
    at: datetime
    check: Check
    current: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """When an act was begun and finished, and the digest of the plan that it belongs to."""

    begun: datetime
    finished: datetime | None
    digest: str


class Containment(StrEnum):
    """How far the block is proved. Only PROVED may be called contained."""

    NONE = "not blocked"
    UNPROVED = "block not proved"
    DISPROVED = "block does not hold"
    PARTLY = "block partly proved"
    PROVED = "contained"
    UNDONE = "block taken back"


@dataclass(frozen=True, slots=True)
class Instants:
    """The moments that the figures are made from; None: not reached. `base` is what "after the alert" counts from."""

    base: datetime
    alert: datetime | None
    opened: datetime
    confirmed: datetime | None
    contained: datetime | None
    sealed: datetime | None
    clean: datetime | None
    last: datetime


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


def proofs(records: Iterable[Record]) -> tuple[Proof, ...]:
    """Every check, those of superseded attempts too."""
    attempts: dict[str, int] = {}
    seen: list[tuple[str, int, datetime, Check]] = []
    for record in records:
        if record.kind == "step.started":
            attempts[record.data["step"]] = record.data["attempt"]
        elif record.kind == "check":
            step = record.data["step"]
            seen.append((step, attempts.get(step, 1), record.time, typed(Check, record.data["check"])))
    latest = {step: attempt for step, attempt, *_ in seen} | attempts
    return tuple(Proof(step, attempt, at, check, attempt == latest[step]) for step, attempt, at, check in seen)


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


def current(all_proofs: Iterable[Proof], step: str) -> tuple[Proof, ...]:
    """The checks of the step's last attempt."""
    return tuple(p for p in all_proofs if p.step == step and p.current)


def containment(state: State) -> Containment:
    """How far the block is proved, and whether it still stands. A block that was begun and not finished may be there."""
    begun = [a for a in state.acts if a.step == Step.BLOCK and (a.receipt is None or a.receipt.ok)]
    results = {p.check.result for p in current(proofs(state.records), Step.BLOCK)}
    if taken_back(state) & {a.action.id for a in begun}:
        return Containment.PARTLY if any(a.step == Step.BLOCK for a in state.standing) else Containment.UNDONE
    if not begun and not _finished(state, Step.BLOCK):
        return Containment.NONE
    if Result.FAIL in results:
        return Containment.DISPROVED
    if results == {Result.PASS} and _finished(state, Step.BLOCK):
        return Containment.PROVED
    return Containment.PARTLY if Result.PASS in results else Containment.UNPROVED


def was_contained(state: State) -> bool:
    """The block was proved once; it may have been taken back since."""
    results = {p.check.result for p in current(proofs(state.records), Step.BLOCK)}
    return results == {Result.PASS} and containment(state) in (Containment.PROVED, Containment.UNDONE)


def taken_back(state: State) -> set[str]:
    """Ids of the actions that an undo has taken back."""
    return {a.action.id for a in state.acts if a.step == UNDO and a.receipt and a.receipt.ok}


def verified(state: State) -> bool:
    """Verification ended as done, checked something, and each check passed. Skipped is not verified."""
    end = state.ends.get(Step.VERIFY)
    results = {p.check.result for p in current(proofs(state.records), Step.VERIFY)}
    return end is not None and end.outcome is Outcome.DONE and results == {Result.PASS}


def _finished(state: State, step: Step) -> bool:
    return step in state.ends and state.ends[step].outcome.finished


def instants(state: State) -> Instants:
    """The moments of this incident. A sensor's clock that runs ahead of ours is not believed: then `base` is the opening."""
    opened = aware(state.incident.opened_at)
    alert = aware(state.incident.alert.at) if state.incident.alert else None
    block = current(proofs(state.records), Step.BLOCK)
    verify = [s for s in spans(state.records) if s.step is Step.VERIFY]
    return Instants(
        base=alert if alert and alert <= opened else opened,
        alert=alert,
        opened=opened,
        confirmed=_verdict_at(state),
        contained=block[-1].at if was_contained(state) else None,
        sealed=_last(state, "evidence.sealed"),
        clean=verify[-1].end if verify and verified(state) else None,
        last=state.records[-1].time,
    )


def _verdict_at(state: State) -> datetime | None:
    decided = state.verdict and state.verdict.decision is not Decision.UNSURE
    return _last(state, "verdict") if decided else None


def _last(state: State, kind: str) -> datetime | None:
    return next((r.time for r in reversed(state.records) if r.kind == kind), None)


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
