"""What a drill is worth: the incident's journal beside what the laboratory saw. Knows both; runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lab.c2 import Message
from lab.victim import Planted
from tasks.model import Result, Step
from tasks.state import State


class Ground(Protocol):
    """What every range has, whether on loopback or in namespaces: all that a drill needs to know of it."""

    folder: Path

    def __enter__(self) -> Ground: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def root(self) -> Path:
        """The folder that is / for the runner on the victim."""

    @property
    def planted(self) -> tuple[Planted, ...]:
        """What a triage should find."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the site's credential references name."""

    def alert(self) -> bytes:
        """The alert as a sensor writes it now."""

    def write_site(self, folder: Path) -> None:
        """Write inventory/ and playbooks/ into that folder."""

    def c2_messages(self) -> Sequence[Message]:
        """Every message that reached the C2."""


@dataclass(frozen=True, slots=True)
class Score:
    """The drill's figures. Times are seconds since the alert; None is "did not happen"."""

    confirm: float | None
    contain: float | None
    evidence: float | None
    clean: float | None
    beacons_before: int
    beacons_after: int
    planted: int
    missed: tuple[str, ...]


def score(state: State, range_: Ground) -> Score:
    """The figures of an incident that this range made."""
    alert = state.incident.alert.at if state.incident.alert else state.incident.opened_at

    def since(moment: datetime | None) -> float | None:
        return round((moment - alert).total_seconds(), 2) if moment else None

    contained = _contained(state)
    messages = [m.at for m in range_.c2_messages()]
    late = [at for at in messages if contained and at > contained.timestamp()]
    missed = _missed(state, range_)
    return Score(
        confirm=since(_ended(state, Step.CONFIRM)),
        contain=since(contained),
        evidence=since(_when(state, "evidence.sealed")),
        clean=since(_ended(state, Step.VERIFY)),
        beacons_before=len(messages) - len(late),
        beacons_after=len(late),
        planted=len(range_.planted),
        missed=missed,
    )


def _ended(state: State, step: Step) -> datetime | None:
    good = (
        r for r in state.records if r.kind == "step.ended" and r.data["step"] == step and r.data["outcome"] == "done"
    )
    return next((r.time for r in good), None)


def _when(state: State, kind: str) -> datetime | None:
    return next((r.time for r in state.records if r.kind == kind), None)


def _contained(state: State) -> datetime | None:
    """When the devices themselves had shown the rule: the first passed check of the block step."""
    checks = (r for r in state.records if r.kind == "check" and r.data["step"] == Step.BLOCK)
    return next((r.time for r in checks if r.data["check"]["result"] == Result.PASS), None)


def _missed(state: State, range_: Ground) -> tuple[str, ...]:
    """What the attacker planted and no loud finding names."""
    threshold = state.playbook.triage.threshold if state.playbook else 0
    loud = [f for f in state.findings if f.score >= threshold]
    named = {str(f.facts.get(key)) for f in loud for key in ("path", "file", "exe", "name")}
    named |= {word for f in loud if f.facts.get("kind") == "ld_preload" for word in str(f.facts.get("text")).split()}
    folded = {name.casefold() for name in named}  # Windows names a file in any case
    places = ((p, str(range_.root / p.path.lstrip("/")).casefold()) for p in range_.planted)
    return tuple(f"{p.kind} {p.path}" for p, place in places if place not in folded)


def rows(score: Score) -> Iterator[tuple[str, str]]:
    """The figures as a person reads them: label and value."""
    for label, seconds in (
        ("alert to confirmed", score.confirm),
        ("alert to contained", score.contain),
        ("alert to evidence sealed", score.evidence),
        ("alert to proved clean", score.clean),
    ):
        yield label, "did not happen" if seconds is None else f"{seconds:.2f} s"
    yield "beacon messages before the block", str(score.beacons_before)
    yield "beacon messages after the block", str(score.beacons_after)
    yield "planted and found", f"{score.planted - len(score.missed)} of {score.planted}"
    yield "missed", ", ".join(score.missed) or "nothing"
