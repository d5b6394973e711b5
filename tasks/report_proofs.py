"""What is proved: how far the block holds, whether verification counts, when each was reached. Must never say more than was seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tasks.journal import Record
from tasks.model import Check, Decision, Outcome, Result, Step
from tasks.report_times import Span, aware, spans, traces
from tasks.state import UNDO, State, typed


@dataclass(frozen=True, slots=True)
class Proof:
    """One check with its step's attempt. `current` False: a later attempt of the step has looked again."""

    step: str
    attempt: int
    at: datetime
    check: Check
    current: bool


class Containment(StrEnum):
    """How far the block is proved. Only PROVED may be called contained."""

    NONE = "not blocked"
    UNPROVED = "block not proved"
    DISPROVED = "block does not hold"
    PARTLY = "block partly proved"
    PROVED = "contained"
    DOUBTFUL = "block in doubt since an undo"
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


def current(all_proofs: Iterable[Proof], step: str) -> tuple[Proof, ...]:
    """The checks of the step's last attempt."""
    return tuple(p for p in all_proofs if p.step == step and p.current)


def containment(state: State) -> Containment:
    """How far the block is proved, and whether it still stands. A block that was begun and not finished may be there."""
    begun = {a.action.id for a in state.acts if a.step == Step.BLOCK and (a.receipt is None or a.receipt.ok)}
    tried, back = _undone(state)
    if tried & begun:
        return Containment.UNDONE if back >= begun else Containment.DOUBTFUL
    if not begun and not _finished(state, Step.BLOCK):
        return Containment.NONE
    return _proved(state)


def _proved(state: State) -> Containment:
    """A device's own word that its rule stands is one opinion; a proof needs every check, or a second one, and no denial."""
    everything = proofs(state.records)
    # Whether the whole host is isolated besides says nothing of the block.
    block = [p.check for p in current(everything, Step.BLOCK) if not p.check.name.startswith("isolation")]
    passed = [c for c in block if c.result is Result.PASS]
    if any(c.result is Result.FAIL for c in block) or _rule_gone(current(everything, Step.VERIFY)):
        return Containment.DISPROVED
    enough = passed == block or any(not _rule(c) for c in passed)
    if passed and enough and _finished(state, Step.BLOCK):
        return Containment.PROVED
    return Containment.PARTLY if passed else Containment.UNPROVED


def _rule(check: Check) -> bool:
    """The check asks a device whether its rule is there (tasks.decide names it "rule on DEVICE")."""
    return check.name.startswith("rule")


def _rule_gone(verify: Iterable[Proof]) -> bool:
    return any(_rule(p.check) and p.check.result is Result.FAIL for p in verify)


def _undone(state: State) -> tuple[set[str], set[str]]:
    """Ids of the actions that an undo was begun for, and of those that it took back; doing one anew clears both."""
    tried: set[str] = set()
    back: set[str] = set()
    for act in state.acts:
        if act.step != UNDO:
            tried.discard(act.action.id)
            back.discard(act.action.id)
            continue
        tried.add(act.action.id)
        if act.receipt and act.receipt.ok:
            back.add(act.action.id)
    return tried, back


def taken_back(state: State) -> set[str]:
    """Ids of the actions that an undo has taken back and that were not done anew."""
    return _undone(state)[1]


def passed(state: State) -> bool:
    """Verification ended as done, checked something, and each check passed. Skipped is not passed."""
    end = state.ends.get(Step.VERIFY)
    results = {p.check.result for p in current(proofs(state.records), Step.VERIFY)}
    return end is not None and end.outcome is Outcome.DONE and results == {Result.PASS}


def verified(state: State) -> bool:
    """Verification passed, and nothing was changed or taken back since it began."""
    return passed(state) and not any(t.begun > _verify(state)[-1].start for t in traces(state.records))


def _verify(state: State) -> list[Span]:
    return [s for s in spans(state.records) if s.step is Step.VERIFY]


def _finished(state: State, step: Step) -> bool:
    return state.running is not step and step in state.ends and state.ends[step].outcome.finished


def instants(state: State) -> Instants:
    """The moments of this incident. A sensor's clock that runs ahead of ours is not believed: then `base` is the opening."""
    opened = aware(state.incident.opened_at)
    alert = aware(state.incident.alert.at) if state.incident.alert else None
    return Instants(
        base=alert if alert and alert <= opened else opened,
        alert=alert,
        opened=opened,
        confirmed=_verdict_at(state),
        contained=_contained_at(state),
        sealed=_last(state, "evidence.sealed"),
        clean=_verify(state)[-1].end if passed(state) else None,
        last=state.records[-1].time,
    )


def _contained_at(state: State) -> datetime | None:
    """The last check that passed of a proved block, also of one that was taken back since."""
    since_undone = containment(state) in (Containment.UNDONE, Containment.DOUBTFUL)
    if containment(state) is not Containment.PROVED and not (since_undone and _proved(state) is Containment.PROVED):
        return None
    return max(p.at for p in current(proofs(state.records), Step.BLOCK) if p.check.result is Result.PASS)


def _verdict_at(state: State) -> datetime | None:
    decided = state.verdict and state.verdict.decision is not Decision.UNSURE
    return _last(state, "verdict") if decided else None


def _last(state: State, kind: str) -> datetime | None:
    return next((r.time for r in reversed(state.records) if r.kind == kind), None)
