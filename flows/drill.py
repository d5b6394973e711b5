"""The drill: a real incident made on this machine, run through the same door and steps, and scored. Knows the laboratory; no step."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from flows import doors, runs
from flows.cli_out import console, facts
from flows.console import line
from lab.range import Mode as Beacon
from lab.range import Range
from tasks import report
from tasks.case import load_state, new_id, reopened
from tasks.model import ConfigError, Mode, Result, Step
from tasks.state import State

EXPLANATION = """\
hemostat drill makes one real incident on this machine and runs the seven steps on it.

It starts, on loopback addresses of 127.0.0.0/8 alone and as the user that you are:
  a command-and-control listener, which counts what reaches it;
  a beacon: a real process with its own binary, which talks to that listener and is started again by its persistence;
  a laboratory firewall: an SSH server that behaves like a Cisco ASA. Its enforcement is a laboratory's: the beacon's path leads
  through a relay in the same process, which obeys the configuration that hemostat writes over SSH;
  a Prefect server, for the pages of the run (not with --no-prefect).

It writes below one folder, reports/ID: the victim's sandbox home with the persistence, the evidence, the journal, the report.
It looks at the processes and sockets of this machine, and changes, stops and moves only what lies below the sandbox.
It asks before the cleanup (--yes does not ask). All that it started ends with it, also after Ctrl-C or a crash.
Afterwards `hemostat show last`, `report last`, `verify last` and `undo last` work on its incident.
"""


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


def run(options: runs.Options, beacon: str, interval: float) -> int:
    """The whole drill; the exit code is the run's.

    Raises:
        ConfigError: the beacon's mode is none.
    """
    if beacon not in ("keepalive", "short"):
        raise ConfigError(f"{beacon!r} is no way for a beacon to talk", do="say keepalive or short")
    name = f"{new_id(datetime.now(UTC))}-drill"
    folder = options.reports / name
    mode: Beacon = "short" if beacon == "short" else "keepalive"
    out = console()
    if not options.as_json:
        out.print(
            line(
                "The firewall of this drill is a laboratory's: it speaks like a Cisco ASA and enforces through a relay.",
                "yellow",
            )
        )
    try:
        with Range(folder / "range", mode, interval) as range_:
            _respond(range_, folder, options)
            score = _score(load_state(folder), range_)
    finally:
        if not (folder / "journal.jsonl").exists():
            shutil.rmtree(folder, ignore_errors=True)
    _finish(folder, score, options)
    return runs.code(folder)


def _respond(range_: Range, folder: Path, options: runs.Options) -> None:
    site = folder / "range" / "site"
    range_.write_site(site)
    with _environment(range_):
        known, requests = doors.by_alert(site, "suricata", range_.alert(), Mode.DRILL)
        runs.respond_all(known, [replace(requests[0], id=folder.name)], options)


@contextlib.contextmanager
def reopened_range(folder: Path) -> Iterator[None]:
    """Bring the drill's firewall up again for an undo or a resume, on its old address, with its old configuration."""
    with Range.reopen(folder / "range") as range_, _environment(range_):
        yield


@contextlib.contextmanager
def _environment(range_: Range) -> Iterator[None]:
    """The laboratory's passwords, which its inventory names by reference, for as long as the laboratory stands."""
    os.environ.update(range_.environment)
    try:
        yield
    finally:
        for name in range_.environment:
            os.environ.pop(name, None)


def _score(state: State, range_: Range) -> Score:
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


def _missed(state: State, range_: Range) -> tuple[str, ...]:
    """What the attacker planted and no loud finding names."""
    threshold = state.playbook.triage.threshold if state.playbook else 0
    named = {str(f.facts.get(key)) for f in state.findings if f.score >= threshold for key in ("path", "file", "exe")}
    return tuple(f"{p.kind} {p.path}" for p in range_.planted if str(range_.root / p.path.lstrip("/")) not in named)


def _finish(folder: Path, score: Score, options: runs.Options) -> None:
    with reopened(folder) as case:
        case.record("score", **{name: getattr(score, name) for name in Score.__slots__})
        report.write(case)
    if options.as_json:
        facts(runs.told(folder) | {"score": score, "report": folder / "report.html"})
        return
    out = console()
    table = Table(title="Score of the drill", title_justify="left", box=None, show_header=False, pad_edge=False)
    for label, value in _rows(score):
        table.add_row(line(label), line(value, "bold"))
    out.print(table)
    out.print(line(f"report: {folder / 'report.html'}", "bold"))


def _rows(score: Score) -> Iterator[tuple[str, str]]:
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
