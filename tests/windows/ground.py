"""Runs an incident on a Windows range, as a person's `hemostat alert` would, and looks at what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows import doors, runs
from flows.launch import Launch, urgent
from lab.windows.range import Range
from lab.wsman import Faults
from tasks.case import Case, load_state, opened
from tasks.model import Mode, Step
from tasks.state import State
from tests.patience import until

PATIENCE = 10.0


@contextmanager
def standing(folder: Path, name: str, tls: bool = False, faults: Faults | None = None) -> Iterator[Range]:
    """A range whose beacon, if it has one, has been heard."""
    with pytest.MonkeyPatch.context() as patch, Range(folder / "range", name, tls, 0.2, faults) as range_:
        for key, value in range_.environment.items():
            patch.setenv(key, value)
        range_.write_site(folder / "range" / "site")
        _hurry(folder / "range" / "site" / "playbooks" / "drill.yaml")
        assert until(lambda: not range_.scenario.beacon or range_.c2_messages(), PATIENCE), "the beacon was not heard"
        yield range_


def _hurry(book: Path) -> None:
    """Shorter windows than a drill's: the beacon of a test talks five times a second."""
    yaml = YAML(typ="safe")
    said = yaml.load(book.read_text())
    said["confirm"] |= {"window": 0.5}
    said["triage"] |= {"window": 0.6}
    said["verify"] |= {"at_least": 1.0}
    with book.open("w") as file:
        yaml.dump(said, file)


def run(range_: Range, folder: Path) -> State:
    """The range's alert through the door, all approvals given; the incident's state afterwards."""
    known, requests = doors.by_alert(folder / "range" / "site", "suricata", range_.alert(), Mode.DRILL)
    runs.respond_all(known, [replace(requests[0], id="incident")], options(folder))
    return load_state(folder / "incident")


def looked(range_: Range, folder: Path) -> State:
    """The same, up to the end of triage."""
    known, requests = doors.by_alert(folder / "range" / "site", "suricata", range_.alert(), Mode.DRILL)
    with opened(folder, known, replace(requests[0], id="incident")) as case:
        launch = Launch(ask=lambda _plan: (True, "test"))
        urgent(case, launch)
        launch.turn(case, Step.TRIAGE)
    return load_state(folder / "incident")


@contextmanager
def held(range_: Range, folder: Path) -> Iterator[Case]:
    """An incident that is open and not begun, for its hands."""
    known, requests = doors.by_alert(folder / "range" / "site", "suricata", range_.alert(), Mode.DRILL)
    with opened(folder, known, replace(requests[0], id="incident")) as case:
        yield case


def options(folder: Path) -> runs.Options:
    """Every question answered with yes, no Prefect."""
    return runs.Options(folder, True, False, False)
