"""The runner dies by SIGKILL at every record of an incident; the next one ends it as if nothing had been.

HEMOSTAT_CRASH=all takes longer: every record, each with a range of its own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.rig import Rig, ended_well
from tests.crash.runner import PHASES
from tests.crash.same import sections

pytestmark = pytest.mark.lab

EVERYTHING = os.environ.get("HEMOSTAT_CRASH") == "all"
# A torn record is as good as none, and has to be healed besides.
CHAIN = PHASES if EVERYTHING else ("torn", "after")
MANY = 400


@dataclass(frozen=True, slots=True)
class Measure:
    """What an undisturbed run leaves: the kinds of its records, step by step, and its report."""

    points: frozenset[str]
    records: int
    report: dict[str, str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """An incident whose runner lives: what the others are held against."""
    with Rig(tmp_path_factory.mktemp("whole")) as rig:
        assert not rig.go(), "nobody was to kill this runner"
        ended_well(rig)
        return Measure(frozenset(_points(rig)), len(rig.state.records), sections(rig))


def _points(rig: Rig) -> list[str]:
    step, points = "opening", []
    for record in rig.state.records:
        step = record.data["step"] if record.kind == "step.started" else step
        points.append(f"{step} {record.kind}")
    return points


def test_one_incident_survives_a_death_at_every_boundary(whole: Measure, tmp_path: Path) -> None:
    """Runner after runner dies, each one boundary further; what the last one leaves is what a single one leaves."""
    with Rig(tmp_path) as rig:
        for _ in range(MANY):
            if not rig.go(survived=frozenset(rig.deaths), phases=CHAIN):
                break
        else:
            pytest.fail(f"after {MANY} deaths there was no end")
        ended_well(rig)
        died = {" ".join([*death.split()[:2], death.split()[-1]]) for death in rig.deaths}
        missing = {f"{point} {phase}" for point in whole.points for phase in CHAIN} - died
        assert not missing, f"no runner died there: {sorted(missing)}"
        assert sections(rig) == whole.report


@pytest.mark.skipif(not EVERYTHING, reason="takes a quarter of an hour: HEMOSTAT_CRASH=all runs it")
def test_a_death_at_each_record_alone(whole: Measure, tmp_path: Path) -> None:
    """One incident for each record and phase: one death there, one resume, the same end."""
    for number in range(1, whole.records + 1):
        for phase in PHASES:
            folder = tmp_path / f"{number}-{phase}"
            folder.mkdir()
            with Rig(folder) as rig:
                if not rig.go(at=(number, phase)):
                    assert number > whole.records - 3, f"the runner did not reach record {number}"
                    continue
                assert not rig.go(), "the resumed runner was not to die"
                ended_well(rig)
                assert sections(rig) == whole.report, f"after a death at {rig.deaths[-1]} ({number} {phase})"
