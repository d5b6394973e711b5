"""What the inbox knows of an incident, for its journal: above all alerts since a person took the block back. Must not know a thread."""

from __future__ import annotations

from pathlib import Path

from flows.inbox import Entry
from tasks.case import Case, load_state
from tasks.journal import NAME
from tasks.report_proofs import Containment, containment
from tasks.state import UNDO, State

# Seconds between two such records of one incident: a sensor that repeats itself fills no journal.
EVERY = 60.0


def tell(case: Case, entry: Entry | None) -> Case:
    """Journal the earlier incident, how many alerts there were, and how many of them since the block was taken back."""
    if entry is None:
        return case
    kinds = {record.kind: record.data for record in case.state.records}
    if entry.linked and "linked" not in kinds:
        case.record("linked", incident=entry.linked, why=f"an earlier incident of {entry.item.host}")
    if entry.count > kinds.get("alerts", {"count": 1})["count"]:
        case.record("alerts", count=entry.count, last=entry.last, since_undo=since_undo(case.state, entry))
    return case


def undone(state: State) -> bool:
    """Did somebody take the block back, so that none stands?"""
    return containment(state) is Containment.UNDONE


def since_undo(state: State, entry: Entry | None) -> int:
    """How many alerts came since the block was taken back; 0 while one stands."""
    return entry.count - known_at_undo(state) if entry and undone(state) else 0


def known_at_undo(state: State) -> int:
    """How many alerts the journal knew of when something was last taken back."""
    known = at_undo = 1
    for record in state.records:
        if record.kind == "alerts":
            known = int(record.data["count"])
        elif record.kind == "receipt" and record.data.get("step") == UNDO:
            at_undo = known
    return at_undo


class Undone:
    """Which incidents' blocks were taken back; a journal is read again only when it has changed."""

    def __init__(self, reports: Path) -> None:
        self._reports = reports
        self._known: dict[str, tuple[int, float | None]] = {}

    def wait(self, incident: str) -> float | None:
        """After how many seconds one more alert is told in the journal: 0 for the first one since an undo; None when a block stands."""
        mark = (self._reports / incident / NAME).stat().st_mtime_ns
        known, wait = self._known.get(incident, (0, None))
        if known != mark:
            state = load_state(self._reports / incident)
            told = any(r.data.get("since_undo") for r in state.records if r.kind == "alerts")
            wait = (EVERY if told else 0.0) if undone(state) else None
            self._known[incident] = (mark, wait)
        return wait
