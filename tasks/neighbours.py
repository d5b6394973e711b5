"""The other incidents beside this one: who else wants a block, who else met the remote. Reads journals; holds and changes none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from tasks.case import incidents, load_state
from tasks.journal import NAME, first_data
from tasks.model import ISOLATE, Action, Json, Remote, Step
from tasks.state import Act, State


def others(folder: Path) -> Iterator[State]:
    """Every other incident that can be read; a damaged one has no say here (`hemostat history` shows it)."""
    for sibling in incidents(folder.parent):
        if sibling == folder:
            continue
        try:
            yield load_state(sibling)
        except Exception:  # noqa: BLE001, S112 - whatever is wrong with another incident's folder, this one's block goes on
            continue


def hosts_with(folder: Path, remote: Remote, trusted: bool = False) -> list[str]:
    """Hosts of other incidents with the same address. Reads first lines alone, for the block waits for it.

    Args:
        trusted: only incidents whose sender may act by itself. Else one that may not could name a remote for three hosts, and so have
            everybody's block of it wait.
    """
    met = (first_data(sibling / NAME) for sibling in incidents(folder.parent) if sibling != folder)
    found = [data.get("incident", {}) for data in met]
    same = [i for i in found if i.get("remote", {}).get("address") == str(remote.address)]
    return sorted({i["host"] for i in same if not trusted or i.get("most", "playbook") == "playbook"})


def wanting(folder: Path, act: Act, now: datetime) -> list[str]:
    """Incidents whose own block is the very entry of this act and still counts: taking it out would open them."""
    return [s.incident.id for s in others(folder) if any(_same(b, act) and not due(s, b, now) for b in blocks(s))]


def blocks(state: State) -> list[Act]:
    """Blocks (and isolations) that stand for this incident, whether it made them or found them."""
    return [
        a for a in state.acts if a.step in (Step.BLOCK, ISOLATE) and not a.superseded and a.receipt and a.receipt.ok
    ]


def due(state: State, act: Act, now: datetime) -> bool:
    """Is the playbook's time to live of this block over? Never, if it set none."""
    minutes = state.playbook.block.minutes if state.playbook else 0
    since = next(
        (
            r.time
            for r in reversed(state.records)
            if r.kind == "receipt" and r.data["receipt"]["action"] == act.action.id
        ),
        None,
    )
    return bool(minutes) and since is not None and now >= since + timedelta(minutes=minutes)


def _same(one: Act, other: Act) -> bool:
    """The same entry on the same device. A host is isolated once, whatever each incident spares."""
    first, second = one.action, other.action
    alike = one.step == ISOLATE or _entry(first) == _entry(second)
    return first.on == second.on and first.kind == second.kind and alike


def _entry(action: Action) -> dict[str, Json]:
    """What stands there, without whose it is and for how long."""
    return {key: value for key, value in action.facts.items() if key not in ("incident", "minutes")}
