"""Whether a scenario ended as it must, seen from the hosts and the C2, never from what the run says of itself. Changes nothing for good."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flows.scoring import Score
from lab.netns import layout, plant
from lab.netns.range import Range
from lab.netns.scenario import Scenario
from lab.victim import Planted
from tasks.model import Outcome, Step
from tasks.state import State

# What of a host that must stay as it is is looked at: whatever a remedy or a collector could have touched.
WATCHED = ("etc", "home", "root", "tmp", "var/spool", "var/tmp", "var/lib/hemostat")
LOCK = "@kworker-sync"
AFTER_PROVOCATION = 1.5


@dataclass(frozen=True, slots=True)
class Before:
    """How the hosts stood before the incident: the files of control and victim, the innocent ones, each planted line's text."""

    control: dict[str, str]
    victim: dict[str, str]
    innocent: dict[str, str]
    lines: dict[Planted, bytes]


def taken(range_: Range) -> Before:
    """Look at the hosts; call it before the incident begins."""
    lines = {planted: _line(range_, planted) for planted in range_.planted}
    control, victim = (_files(range_, host) for host in (layout.CONTROL, layout.VICTIM))
    return Before(control, victim, _innocent(range_, lines, range_.plan.scenario), lines)


def faults(scenario: Scenario, state: State, score: Score, range_: Range, before: Before) -> Iterator[str]:
    """Every demand that was not met, in words."""
    yield from _outcomes(scenario, state)
    yield from _control_faults(range_, before)
    yield from _survivors(scenario, range_, before)
    if scenario.beacon == "none":
        yield from _untouched(range_, before)
        return
    yield from _figures(scenario, score)
    yield from _still_there(scenario, range_, before)
    yield from _comes_back(range_)


def _outcomes(scenario: Scenario, state: State) -> Iterator[str]:
    seen = str(state.verdict.decision) if state.verdict else "none"
    if seen != scenario.verdict:
        yield f"the verdict is {seen}, and {scenario.verdict} is the truth"
    for step in Step:
        wanted = scenario.outcomes.get(step, Outcome.DONE)
        end = state.ends.get(step)
        if end is None or end.outcome is not wanted:
            seen, told = (end.outcome.label, end.summary) if end else ("not at all", "it had no turn")
            yield f"{step} ended {seen}, and {wanted.label} is the truth: {told}"
        if not wanted.finished:
            return


def _control_faults(range_: Range, before: Before) -> Iterator[str]:
    sent, lost = range_.control()
    if sent == 0 or lost:
        yield f"the control host lost {lost} of its {sent} messages to the internet"
    yield from _changed("control", before.control, _files(range_, layout.CONTROL))


def _changed(host: str, before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if changed:
        yield f"the {host} host was touched: {', '.join(changed[:5])}"


def _untouched(range_: Range, before: Before) -> Iterator[str]:
    """Where the alert was wrong, host and firewall are as they were."""
    yield from _changed("victim", before.victim, _files(range_, layout.VICTIM))
    if range_.plan.c2[0] in range_.run(layout.FIREWALL, "nft", "list", "ruleset"):
        yield "the firewall denies an address that nobody talked to"


def _survivors(scenario: Scenario, range_: Range, before: Before) -> Iterator[str]:
    after = _innocent(range_, before.lines, scenario)
    for path, content in before.innocent.items():
        if after.get(path) != content:
            yield f"/{path} is innocent and was changed"
    if "sleep infinity" not in range_.run(layout.VICTIM, "ps", "-eo", "args"):
        yield "the innocent service agent.service was stopped"


def _figures(scenario: Scenario, score: Score) -> Iterator[str]:
    if score.beacons_after:
        yield f"the C2 heard {score.beacons_after} messages after the block was proved"
    if score.missed:
        yield f"planted and not found: {', '.join(score.missed)}"
    for what, seconds, most in (
        ("contain", score.contain, scenario.within.contain),
        ("clean", score.clean, scenario.within.clean),
    ):
        wanted = what == "contain" or scenario.outcomes.get(Step.VERIFY, Outcome.DONE) is Outcome.DONE
        if wanted and (seconds is None or seconds > most):
            yield f"{what} took {seconds} s, and {most:g} s is the most"


def _still_there(scenario: Scenario, range_: Range, before: Before) -> Iterator[str]:
    if scenario.outcomes.get(Step.CLEANUP, Outcome.DONE) is not Outcome.DONE:
        return
    for planted, text in before.lines.items():
        if planted.path not in scenario.left and text and _line(range_, planted, anywhere=text) == text:
            yield f"{planted.kind} {planted.path} is still as the attacker left it"


def _comes_back(range_: Range) -> Iterator[str]:
    """A boot, logins, every job's time: whatever may start the beacon is given its chance, and the beacon must not run."""
    range_.order(layout.VICTIM, "provoke")
    time.sleep(AFTER_PROVOCATION)
    if LOCK in range_.run(layout.VICTIM, "cat", "/proc/net/unix"):
        yield "the beacon came back: some of its persistence, or itself, is still there"


def _line(range_: Range, planted: Planted, anywhere: bytes = b"") -> bytes:
    """The planted line, or the file where it is a whole one; empty when it is gone or can no longer be run."""
    file = range_.inside(planted.path)
    if not file.is_file() or not stat.S_IMODE(file.stat().st_mode) & 0o444:
        return b""
    rows = file.read_bytes().split(b"\n") if planted.line else [file.read_bytes()]
    if anywhere:
        return anywhere if anywhere in rows else b""
    return rows[max(0, planted.line - 1)]


def _innocent(range_: Range, lines: dict[Planted, bytes], scenario: Scenario) -> dict[str, str]:
    """The innocent files by hash, without the lines that the attacker added to some of them."""
    bad = set(lines.values())
    paths = [
        path for path in (*plant.INNOCENT, *(p.lstrip("/") for p in scenario.survive)) if range_.inside(path).is_file()
    ]
    return {
        path: _hash(
            [row for row in range_.inside(path).read_bytes().split(b"\n") if row not in bad and not _off(row, bad)]
        )
        for path in paths
    }


def _off(row: bytes, bad: set[bytes]) -> bool:
    """A planted line that was turned into a comment."""
    return row.lstrip().startswith(b"#") and any(line and line in row for line in bad)


def _hash(rows: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(rows)).hexdigest()


def _files(range_: Range, host: str) -> dict[str, str]:
    root = range_.inside("/", host)
    return {
        str(path.relative_to(root)): _stamp(path) for folder in WATCHED for path in sorted((root / folder).rglob("*"))
    }


def _stamp(path: Path) -> str:
    found = os.lstat(path)
    return f"{found.st_mode:o} {found.st_uid} {found.st_size} {found.st_mtime_ns}"
