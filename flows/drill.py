"""The drill: a real incident made on this machine, run through the same door and steps, and scored. Knows the laboratory; no step."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from rich.table import Table

from flows import doors, runs
from flows.cli_out import console, facts
from flows.console import line
from flows.scoring import Ground, Score, rows
from flows.scoring import score as scored
from lab.netns import plan
from lab.netns import range as namespaces
from lab.range import Mode as Beacon
from lab.range import Range
from lab.windows import range as windows
from tasks import report
from tasks.case import load_state, new_id, reopened
from tasks.model import ConfigError, Json, Mode

EXPLANATION = """\
hemostat drill makes one real incident on this machine and runs the seven steps on it.

It starts, on loopback addresses of 127.0.0.0/8 alone and as the user that you are:
  a command-and-control listener, which counts what reaches it;
  a beacon: a real process with its own binary, which talks to that listener and is started again by its persistence;
  a laboratory firewall: an SSH server that behaves like a Cisco ASA. Its enforcement is a laboratory's: the beacon's path leads
  through a relay in the same process, which obeys the configuration that hemostat writes over SSH;
  beside it a simulated Windows host behind a real WinRM service, with a beacon, C2 and firewall of its own (not with --no-windows);
  a Prefect server, for the pages of the run (not with --no-prefect).

It writes below one folder, reports/ID: the victim's sandbox home with the persistence, the evidence, the journal, the report.
It looks at the processes and sockets of this machine, and changes, stops and moves only what lies below the sandbox.
It asks before the cleanup (--yes does not ask). All that it started ends with it, also after Ctrl-C or a crash.
With --range netns it makes real hosts instead: see `hemostat drill --range netns --explain`.
Afterwards `hemostat show last`, `report last`, `verify last` and `undo last` work on its incident.
"""


def run(options: runs.Options, beacon: str, interval: float, beside: Beside | None = None) -> int:
    """The whole drill on loopback; the exit code is the run's.

    Args:
        beside: a second victim, which is worked on at the same time.

    Raises:
        ConfigError: the beacon's mode is none.
    """
    if beacon not in ("keepalive", "short"):
        raise ConfigError(f"{beacon!r} is no way for a beacon to talk", do="say keepalive or short")
    folder = options.reports / f"{new_id(datetime.now(UTC))}-drill"
    mode: Beacon = "short" if beacon == "short" else "keepalive"
    said = "The firewall of this drill is a laboratory's: it speaks like a Cisco ASA and enforces through a relay."
    if not options.as_json:
        console().print(line(said, "yellow"))
    with kept_if_opened(folder), Range(folder / "range", mode, interval) as range_:
        if beside:
            beside.start(folder)
        incident(range_, folder, options)
        score = scored(load_state(folder), range_)
    keep(folder, score)
    if not options.as_json:
        tell(folder, score)
    codes = [runs.code(folder), *([beside.finish()] if beside else [])]
    if options.as_json:
        facts(_told(folder, score) | ({"beside": beside.told()} if beside else {}))
    return max(codes)


class Beside(Protocol):
    """A second incident, in a thread of its own."""

    def start(self, after: Path) -> None: ...

    def finish(self) -> int:
        """Wait for it and tell it; the exit code."""

    def told(self) -> dict[str, Json]:
        """Its facts, for a program."""


@contextlib.contextmanager
def kept_if_opened(folder: Path) -> Iterator[None]:
    """A folder without a journal is nobody's incident: it goes when the block ends."""
    try:
        yield
    finally:
        if not (folder / "journal.jsonl").exists():
            shutil.rmtree(folder, ignore_errors=True)


def incident(range_: Ground, folder: Path, options: runs.Options) -> None:
    """The range's own alert through the door of all alerts, and the seven steps."""
    site = folder / "range" / "site"
    range_.write_site(site)
    with environment(range_):
        known, requests = doors.by_alert(site, "suricata", range_.alert(), Mode.DRILL)
        runs.respond_all(known, [replace(requests[0], id=folder.name)], options)


@contextlib.contextmanager
def reopened_range(folder: Path) -> Iterator[None]:
    """Bring the drill's firewall up again for an undo or a resume, on its old address, with its old configuration."""
    place = folder / "range"
    with _again(place) as range_, environment(range_):
        yield


def _again(place: Path) -> Ground:
    if (place / windows.NAME).exists():
        return windows.Range.reopen(place)
    return namespaces.Range.reopen(place) if (place / plan.NAME).exists() else Range.reopen(place)


@contextlib.contextmanager
def environment(range_: Ground) -> Iterator[None]:
    """The laboratory's passwords, which its inventory names by reference, for as long as the laboratory stands."""
    before = {name: os.environ.get(name) for name in range_.environment}
    os.environ.update(range_.environment)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def keep(folder: Path, score: Score) -> None:
    """Put the score into the journal and the report."""
    with reopened(folder) as case:
        case.record("score", **{name: getattr(score, name) for name in Score.__slots__})
        report.write(case)


def _told(folder: Path, score: Score) -> dict[str, Json]:
    return runs.told(folder) | {"score": score, "report": folder / "report.html"}


def tell(folder: Path, score: Score) -> None:
    """The score, for a person."""
    out = console()
    table = Table(title="Score of the drill", title_justify="left", box=None, show_header=False, pad_edge=False)
    for label, value in rows(score):
        table.add_row(line(label), line(value, "bold"))
    out.print(table)
    out.print(line(f"report: {folder / 'report.html'}", "bold"))
