"""What an incident has come to: plans, answers, acts, checks, findings. Pure; must not read a file, a clock or a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from tasks.journal import Record
from tasks.model import (
    Action,
    Check,
    Evidence,
    Finding,
    Incident,
    Json,
    Look,
    Outcome,
    Receipt,
    Step,
    StepEnd,
    Verdict,
)
from tasks.settings import Playbook

UNDO = "undo"


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def typed(kind: Any, data: Json) -> Any:
    """The noun of that kind from a record's plain data."""
    return _adapter(kind).validate_python(data)


@dataclass(slots=True)
class Act:
    """One action of a plan that was begun: its intent, and its receipt once there is one."""

    step: str
    action: Action
    before: Look
    receipt: Receipt | None = None
    superseded: bool = False


@dataclass(slots=True)
class Plan:
    """What a step wants to do. `digest` is what an approval is for: another plan needs another approval."""

    step: str
    actions: tuple[Action, ...]
    digest: str
    blast: dict[str, Json]


@dataclass(slots=True)
class State:
    """Everything that the steps, the doors and the report need to know of an incident."""

    incident: Incident
    host: dict[str, Json]
    records: list[Record]
    ends: dict[Step, StepEnd] = field(default_factory=dict)
    attempts: dict[Step, int] = field(default_factory=dict)
    running: Step | None = None
    skipped: dict[Step, str] = field(default_factory=dict)
    verdict: Verdict | None = None
    interval: float | None = None
    plans: dict[str, Plan] = field(default_factory=dict)
    approvals: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)
    checks: list[tuple[str, Check]] = field(default_factory=list)
    readings: list[dict[str, Json]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    again: list[Finding] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    seal: dict[str, Json] | None = None
    reports: dict[str, str] = field(default_factory=dict)
    playbook: Playbook | None = None
    flow_run: str = ""
    verify_stale: bool = False
    overrides: set[str] = field(default_factory=set)
    resumed: str = ""

    def act(self, action_id: str, step: str) -> Act | None:
        """The act of that id in that step ("undo" for taking back) that still counts: none if it was taken back or done anew since."""
        fits = (a for a in reversed(self.acts) if a.action.id == action_id and a.step == step)
        last = next(fits, None)
        return None if last is None or last.superseded else last

    def done(self, step: Step) -> bool:
        """The step is finished or a person skipped it."""
        return step in self.skipped or (step in self.ends and self.ends[step].outcome.finished)

    @property
    def standing(self) -> list[Act]:
        """Acts that changed something, or were begun and cut off, and were not taken back yet; in their order."""
        return [a for a in self.acts if a.step != UNDO and not a.superseded and _stands(a)]

    @property
    def last(self) -> Step | None:
        """The step that ended last."""
        return next(reversed(self.ends), None)

    @property
    def outcome(self) -> Outcome | None:
        """How the incident stands as a whole: the outcome of the last step that ended; None while none has."""
        return self.ends[self.last].outcome if self.last else None


def _stands(act: Act) -> bool:
    """An intent without a receipt may have happened: whoever takes it back re-reads the target first."""
    return act.receipt.changed if act.receipt else not act.before.present
