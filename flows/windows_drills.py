"""Drills on simulated Windows hosts over real WinRM, beside the local drill or by themselves. Knows the laboratory; no step."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from flows import doors, drill, runs
from flows.cli_out import console, facts
from flows.console import line
from flows.launch import Ask, Launch, carry_on, urgent
from flows.scoring import Score
from flows.scoring import score as scored
from lab.windows import scenario as scenarios
from lab.windows.range import Range
from tasks.case import load_state, new_id, opened
from tasks.journal import NAME
from tasks.model import ConfigError, Mode, Outcome, Step
from tasks.state import Plan, State

EXPLANATION = """\
hemostat drill --range windows makes simulated Windows hosts on this machine and runs the seven steps on one of them, over WinRM.

There is no Windows in it: a WS-Management service on 127.0.0.1 with real NTLM stands before a simulated host, which keeps state and
answers hemostat's own PowerShell scripts, known by their SHA-256, and nothing else. The beacon's connection is a real socket, the firewall
the same laboratory ASA as the local drill's. All of it runs in threads of this process and ends with it.
`--list` shows the scenarios, `--scenario NAME` runs one, `--all` every one.
"""
FIRST = "service_dll"
START = 10.0


@dataclass(frozen=True, slots=True)
class Result:
    """How one scenario ended. `faults` are the demands that were not met, in words; none is a pass."""

    scenario: str
    incident: str
    outcome: str
    score: Score
    faults: tuple[str, ...]


class Beside:
    """A Windows victim whose incident runs in a thread of its own while another is worked on. Its cleanup waits unless all is approved.

    Args:
        options: the command's.
        name: the scenario.
    """

    def __init__(self, options: runs.Options, name: str = FIRST) -> None:
        self.options, self.name = options, name
        self.folder = options.reports / f"{new_id(datetime.now(UTC))}-windows"
        self.score: Score | None = None
        self._failed: BaseException | None = None
        self._after = options.reports
        self._thread = threading.Thread(target=self._work, name="windows-drill", daemon=True)

    def start(self, after: Path) -> None:
        """Let the second host call home, once the block of the incident in that folder has ended: two cores would blur its figures."""
        self._after = after
        self._thread.start()

    def _work(self) -> None:
        until = time.monotonic() + START
        while time.monotonic() < until and b'"step":"triage"' not in _journal(self._after):
            time.sleep(0.05)
        try:
            with drill.kept_if_opened(self.folder), Range(self.folder / "range", self.name) as range_:
                _incident(range_, self.folder, _always if self.options.yes else None)
                self.score = scored(load_state(self.folder), range_)
        except Exception as error:  # noqa: BLE001 - told by `finish`, in the thread that a person looks at
            self._failed = error

    def finish(self) -> int:
        """Wait for it; ask what it waits for; tell. The exit code."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed
        if load_state(self.folder).outcome is Outcome.WAITING and not self.options.as_json:
            console().print(line("the Windows host waits for your answer", "bold yellow"))
            runs.resume(self.folder, self.options)
        if self.score is not None:
            drill.keep(self.folder, self.score)
        self._tell()
        return runs.code(self.folder)

    def _tell(self) -> None:
        if self.options.as_json:
            return
        out, state = console(), load_state(self.folder)
        where = f"{state.incident.host} → {state.incident.remote}"
        out.print(line(f"beside it, a simulated Windows over WinRM: incident {self.folder.name}: {where}", "bold"))
        for step, end in state.ends.items():
            out.print(line(f" {step:<8} {end.outcome.label:<16} {end.summary}"))
        out.print(line(f"report: {self.folder / 'report.html'}", "bold"))

    def told(self) -> dict[str, object]:
        """Its facts, for a program."""
        return runs.told(self.folder) | {"score": self.score, "report": self.folder / "report.html"}


def _journal(folder: Path) -> bytes:
    """As it stands now; empty before the incident is opened."""
    path = folder / NAME
    return path.read_bytes() if path.exists() else b""


def _always(_plan: Plan) -> tuple[bool, str]:
    return True, doors.operator()


def _incident(range_: Range, folder: Path, ask: Ask | None) -> None:
    """The alert through the door of all alerts, and the seven steps, with nobody at the terminal and without Prefect."""
    with _heard(range_, folder):
        known, requests = doors.by_alert(folder / "range" / "site", "suricata", range_.alert(), Mode.DRILL)
        launch = Launch(ask=ask, operator=doors.operator())
        with opened(folder.parent, known, replace(requests[0], id=folder.name)) as case:
            urgent(case, launch)
        carry_on(folder, launch, None, 0.0)


@contextmanager
def _heard(range_: Range, folder: Path) -> Iterator[None]:
    """The range's site is written, its secrets are at hand, and its beacon has been heard, if it has one."""
    range_.write_site(folder / "range" / "site")
    with drill.environment(range_):
        until = time.monotonic() + START
        while range_.scenario.beacon and not range_.c2_messages() and time.monotonic() < until:
            time.sleep(0.02)
        yield


def listed(as_json: bool) -> None:
    """Print every scenario with what happened in it."""
    known = {name: scenarios.load(name).description for name in scenarios.names()}
    if as_json:
        return facts(known)
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, description in known.items():
        table.add_row(line(name, "bold"), line(description))
    console().print(table)
    return None


def run(options: runs.Options, names: tuple[str, ...]) -> int:
    """Run these scenarios (every one when none is named); 0 when each ended as its file demands.

    Raises:
        ConfigError: there is no such scenario.
    """
    for name in names:
        scenarios.load(name)
    if not options.yes and (len(names) != 1):
        raise ConfigError("run several scenarios", "each of them asks before its cleanup", "add --yes")
    results = [_one(options, name) for name in names or scenarios.names()]
    if options.as_json:
        facts({"scenarios": results})
    elif len(results) > 1:
        _show(results)
    return 1 if any(result.faults for result in results) else 0


def _one(options: runs.Options, name: str) -> Result:
    folder = options.reports / f"{new_id(datetime.now(UTC))}-{name.replace('_', '-')}"
    scenario = scenarios.load(name)
    if not options.as_json:
        console().print(line(f"scenario {name}: {scenario.description}", "bold"))
    with drill.kept_if_opened(folder), Range(folder / "range", name) as range_:
        with _heard(range_, folder):
            known, requests = doors.by_alert(folder / "range" / "site", "suricata", range_.alert(), Mode.DRILL)
            runs.respond_all(known, [replace(requests[0], id=folder.name)], options)
        state = load_state(folder)
        score = scored(state, range_)
        faults = tuple(_faults(state, scenario, range_))
    drill.keep(folder, score)
    if not options.as_json:
        drill.tell(folder, score)
    return Result(name, folder.name, str(state.outcome), score, faults)


def _faults(state: State, scenario: scenarios.Scenario, range_: Range) -> Iterator[str]:
    """Every demand of the scenario's file that was not met, seen from the journal and the host."""
    loud = {f.rule for f in state.findings if state.playbook and f.score >= state.playbook.triage.threshold}
    yield from (f"not found: {rule}" for rule in scenario.expect.found if rule not in loud)
    if scenario.expect.quiet and loud:
        yield f"a clean host has loud findings: {', '.join(sorted(loud))}"
    for step in Step:
        wanted, end = scenario.expect.outcomes.get(step, "done"), state.ends.get(step)
        if end is None or end.outcome != wanted:
            yield f"{step} ended {end.outcome if end else 'not at all'}, and {wanted} is the truth"
            return
        if not end.outcome.finished:
            return
    yield from (f"still at work: {what}" for what in scenario.expect.removed if range_.at_work(what))
    yield from (
        f"gone, and nobody was to touch it: {what}" for what in scenario.expect.left if not range_.at_work(what)
    )


def _show(results: list[Result]) -> None:
    table = Table(title="Scenarios", title_justify="left", box=None, pad_edge=False)
    for heading in ("scenario", "outcome", "found", "verdict"):
        table.add_column(heading)
    for result in results:
        score = result.score
        found = f"{score.planted - len(score.missed)} of {score.planted}"
        verdict = line("FAILED", "bold red") if result.faults else line("as it must be", "green")
        table.add_row(line(result.scenario), line(result.outcome), line(found), verdict)
    out = console()
    out.print(table)
    for result in results:
        for fault in result.faults:
            out.print(line(f"{result.scenario}: {fault}", "red"))
