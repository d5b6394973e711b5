"""A remedy that one shipped script carries out on a Windows host: look, act, undo by the same facts. Knows answers' shape; no finding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.model import Action, Finding, Json, Look, Receipt, Refused, TargetError, inert
from tasks.transports.hands import Hands


@dataclass(frozen=True, slots=True)
class Shipped:
    """One script's remedy.

    Args:
        script: the name of winrm_NAME.ps1, which obeys `do`: look, act and undo, and answers `gone`, `seen` and `record`.
        final: why it cannot be taken back; empty when it can.
    """

    script: str
    final: str = ""

    def look(self, hands: Hands, action: Action) -> Look:
        """Is the threat gone? The record is what an undo needs; it is journalled before anything is changed."""
        told = self._told(hands, action, "look", {})
        return Look(bool(told["gone"]), inert(told["seen"], 300), told["record"])

    def act(self, hands: Hands, action: Action, before: Look) -> None:
        """Remove it; the script compares once more with what triage saw."""
        told = self._told(hands, action, "act", before.record)
        left = told.get("left") or ([] if told["gone"] else [told["seen"]])
        if left:
            raise TargetError(
                action.reason, "; ".join(inert(text, 200) for text in left[:8]), "look at the host by hand"
            )

    def look_restored(self, hands: Hands, action: Action, receipt: Receipt) -> Look:
        """Does it stand as it stood?"""
        if self.final:
            return Look(False, self.final)
        told = self._told(hands, action, "look", receipt.record)
        now = told["record"]
        wrong = [k for k, was in receipt.record.items() if k not in _MOVES and _plain(now.get(k)) != _plain(was)]
        return Look(
            not told["gone"] and not wrong,
            inert(told["seen"], 300) + (f"; differs in {', '.join(wrong)}" if wrong else ""),
        )

    def undo(self, hands: Hands, action: Action, receipt: Receipt) -> None:
        """Put it back from the record."""
        if self.final:
            raise Refused("no-undo", self.final, f"the record is {inert(receipt.record, 500)}")
        self._told(hands, action, "undo", receipt.record)

    def _told(self, hands: Hands, action: Action, verb: str, record: Json) -> dict[str, Any]:
        told = hands.shipped(self.script, {**action.facts, "do": verb, "record": record})
        if (
            not isinstance(told, dict)
            or not {"gone", "seen", "record"} <= told.keys()
            or not isinstance(told["record"], dict)
        ):
            raise TargetError(f"read the answer of {self.script}", "it lacks what was asked", "run it again")
        return told


# What a look finds anew each time, or what time moves: no difference that counts.
_MOVES = frozenset({"kept", "vaulted", "accessed", "state", "seen"})


# Windows writes a task's definition anew when it is disabled or enabled, with an element that one of schtasks' need not have had before.
_REWRITTEN = re.compile(r"<Enabled>(?:true|false)</Enabled>|\s+")


def _plain(value: Json) -> Json:
    """A task's definition without what Windows rewrites (whether it is enabled is told beside it); anything else as it is."""
    return _REWRITTEN.sub("", value) if isinstance(value, str) and "<Task" in value else value


def of_windows(findings: Sequence[Finding], *prefixes: str) -> list[Finding]:
    """The findings of those rules, the gravest of each place last, so that a dictionary of them keeps it."""
    return [f for f in reversed(findings) if f.rule.startswith(prefixes)]
