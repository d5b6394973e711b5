"""A victim that is a folder on this machine: files are put, findings journalled, remedies done and taken back for real."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks import remedies
from tasks.acts import perform
from tasks.case import Case
from tasks.cleanup import plan
from tasks.model import Action, Finding, Receipt, Step
from tasks.state import UNDO
from tasks.transports.local import LocalHands


@dataclass(slots=True)
class Victim:
    """A root with a case on it."""

    root: Path
    case: Case

    @property
    def hands(self) -> LocalHands:
        return LocalHands(str(self.root))

    def file(self, name: str, data: bytes, mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def find(self, rule: str, **facts: object) -> None:
        """Journal a loud finding, as triage does."""
        finding = Finding(rule, "it is bad", str(facts.get("path", "")), "because", 95, "high", "T1000", facts)
        self.case.record("finding", phase="first", finding=finding)

    def plan(self) -> Action:
        """The one action that the findings call for."""
        (action,) = plan(self.case)
        return action

    def do(self, action: Action) -> Receipt:
        remedy = remedies.of_kind(action.kind)
        return perform(
            self.case,
            Step.CLEANUP,
            action,
            lambda: remedy.look(self.hands, action),
            lambda before: remedy.act(self.hands, action, before),
        )

    def undo(self, action: Action, receipt: Receipt) -> Receipt:
        remedy = remedies.of_kind(action.kind)
        return perform(
            self.case,
            UNDO,
            action,
            lambda: remedy.look_restored(self.hands, action, receipt),
            lambda _: remedy.undo(self.hands, action, receipt),
        )
