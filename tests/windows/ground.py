"""Runs an incident on a Windows range, as a person's `hemostat alert` would, and looks at what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flows import doors, runs
from lab.windows.range import Range
from lab.wsman import Faults
from tasks.case import load_state
from tasks.model import Mode
from tasks.state import State

PATIENCE = 10.0


@contextmanager
def standing(folder: Path, name: str, tls: bool = False, faults: Faults | None = None) -> Iterator[Range]:
    """A range whose beacon, if it has one, has been heard."""
    with pytest.MonkeyPatch.context() as patch, Range(folder / "range", name, tls, 0.2, faults) as range_:
        for key, value in range_.environment.items():
            patch.setenv(key, value)
        range_.write_site(folder / "range" / "site")
        until = time.monotonic() + PATIENCE
        while range_.scenario.beacon and not range_.c2_messages() and time.monotonic() < until:
            time.sleep(0.02)
        yield range_


def run(range_: Range, folder: Path) -> State:
    """The range's alert through the door, all approvals given; the incident's state afterwards."""
    known, requests = doors.by_alert(folder / "range" / "site", "suricata", range_.alert(), Mode.DRILL)
    runs.respond_all(known, [replace(requests[0], id="incident")], options(folder))
    return load_state(folder / "incident")


def options(folder: Path) -> runs.Options:
    """Every question answered with yes, no Prefect."""
    return runs.Options(folder, True, False, False)


def standing_there(range_: Range, what: str) -> bool:
    """Is that thing of a scenario still at work on the host?"""
    kind, _, name = what.partition(" ")
    host = range_.host
    if kind == "process":
        return bool(host.beacon)
    if kind == "file":
        return host.file(name) is not None
    if kind == "service":
        return host.services[(name,)]["start"] != "Disabled" or host.services[(name,)]["state"] == "Running"
    if kind == "task":
        return bool(host.tasks[(name,)].get("enabled", True))
    if kind == "registry":
        return any(row["name"] == name for row in host.registry.values())
    return any(row["kind"] != "filter" and name in (row["name"], row.get("consumer")) for row in host.subscriptions)
