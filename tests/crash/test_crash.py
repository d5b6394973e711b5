"""The runner dies by SIGKILL at every record of an incident; the next one ends it as if nothing had been.

HEMOSTAT_CRASH=all takes longer: every record, each with a range of its own.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.model import Result
from tasks.state import UNDO
from tests.crash.rig import Rig, ended_well
from tests.crash.runner import PHASES
from tests.crash.same import differences, sections

pytestmark = pytest.mark.lab

EVERYTHING = os.environ.get("HEMOSTAT_CRASH") == "all"
# A torn record is as good as none, and has to be healed besides.
CHAIN = PHASES if EVERYTHING else ("torn", "after")


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
        rig.until_it_lives(CHAIN)
        ended_well(rig)
        died = {" ".join([*death.split()[:2], death.split()[-1]]) for death in rig.deaths}
        missing = {f"{point} {phase}" for point in whole.points for phase in CHAIN} - died
        assert not missing, f"no runner died there: {sorted(missing)}"
        different = differences(whole.report, sections(rig))
        assert not different, different
        counted = next(check for _, check in rig.state.checks if check.name == "counter on asa")
        assert counted.result is Result.PASS, f"the beacon knocked all the while: {counted.observed}"


def test_an_undo_survives_a_death_at_every_boundary(tmp_path: Path) -> None:
    """Everything that can be taken back is, once: the victim's files to the byte, the device's list to the line."""
    with Rig(tmp_path) as rig:
        before, device = _files(rig), rig.range.device_state()["running"]
        assert not rig.go(), "nobody was to kill this runner"
        planned = [act.action.id for act in rig.state.standing if act.action.undo]
        rig.until_it_lives(CHAIN, undo=True)
        assert {"plan", "intent", "receipt"} <= {death.split()[1] for death in rig.deaths}
        undone = [a.action.id for a in rig.state.acts if a.step == UNDO and a.receipt and a.receipt.changed]
        assert undone == planned[::-1], "each act is taken back once, the last one first"
        assert [a.action.kind for a in rig.state.standing] == ["process.kill"]
        assert (_files(rig), rig.range.device_state()["running"]) == (before, device)
        taken_out = rig.range.accounting().count(f"no network-object host {rig.range.plan.front[0]}")
        assert taken_out == 1, f"the device was told {taken_out} times to let the remote through again"


def _files(rig: Rig) -> dict[str, tuple[bytes, int]]:
    """Bytes and mode of what the victim has; the vault's folders stay behind, empty."""
    files = [p for p in rig.range.root.rglob("*") if p.is_file() and not p.is_symlink()]
    return {str(p): (p.read_bytes(), p.stat().st_mode) for p in files}


@pytest.mark.skipif(not EVERYTHING, reason="takes a quarter of an hour: HEMOSTAT_CRASH=all runs it")
def test_a_death_at_each_record_alone(whole: Measure, tmp_path: Path) -> None:
    """One incident for each record and phase: one death there, one resume, the same end."""
    failed = {}
    for number in range(1, whole.records + 1):
        for phase in PHASES:
            try:
                _die_once(tmp_path / f"{number}-{phase}", (number, phase), whole)
            except AssertionError as error:
                failed[f"{number} {phase}"] = str(error)
    assert not failed, f"{len(failed)} of {whole.records * len(PHASES)}: {failed}"


def _die_once(folder: Path, at: tuple[int, str], whole: Measure) -> None:
    folder.mkdir()
    with Rig(folder) as rig:
        assert rig.go(at=at), "the runner came to its end before that record"
        assert not rig.go(), "the resumed runner was not to die"
        ended_well(rig)
        different = differences(whole.report, sections(rig))
        assert not different, different
    shutil.rmtree(folder)
