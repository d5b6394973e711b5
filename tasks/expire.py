"""Ends blocks whose time to live is over: hemostat's own clock where the device keeps none. Re-reads, acts, journals; asks nobody."""

from __future__ import annotations

from datetime import datetime

from tasks import neighbours, report, undo
from tasks.case import Case
from tasks.model import Mode
from tasks.state import Act, State
from tasks.undo import Undone


def due(state: State, now: datetime) -> list[Act]:
    """The blocks of ours that stand and whose time is over. A drill's laboratory is gone, so it has none."""
    if state.incident.mode is Mode.DRILL:
        return []
    return [act for act in state.standing if act in neighbours.blocks(state) and neighbours.due(state, act, now)]


def run(case: Case, now: datetime) -> list[Undone]:
    """Take those back that no other incident wants; a timed entry that the device ended by itself is journalled as gone."""
    results = []
    for act in due(case.state, now):
        wanted = neighbours.wanting(case.folder, act, now)
        if wanted:
            results.append(
                Undone(act.action, False, f"its time is over, but it is still wanted by {', '.join(wanted)}")
            )
            continue
        case.record("note", about=act.action.id, text="the block's time to live is over")
        results.append(undo.take_back(case, act))
    if results:
        report.refresh(case)
    return results
