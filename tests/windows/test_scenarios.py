"""Whole incidents on simulated Windows hosts over real WinRM: each scenario ends as its file demands, seen from the host and the C2."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.windows import scenario as scenarios
from lab.windows.range import Range
from tasks import undo
from tasks.case import load_state, reopened
from tasks.model import Approval, Outcome, Step
from tasks.state import State
from tests.patience import silent
from tests.windows import ground

pytestmark = pytest.mark.lab
TLS = {"run_key", "driver", "clean"}


@pytest.mark.parametrize("name", scenarios.names())
def test_a_scenario_ends_as_its_file_demands(name: str, tmp_path: Path) -> None:
    """Found, removed, left, silent; over sealed http or pinned https in turn."""
    with ground.standing(tmp_path, name, name in TLS) as range_:
        state = ground.run(range_, tmp_path)
        expect = range_.scenario.expect
        loud = {f.rule for f in state.findings if state.playbook and f.score >= state.playbook.triage.threshold}
        assert set(expect.found) <= loud, f"not found: {set(expect.found) - loud}"
        assert not (expect.quiet and loud), f"a clean host has loud findings: {loud}"
        _ended(state, expect.outcomes)
        still = [what for what in expect.removed if range_.at_work(what)]
        assert not still, f"still at work: {still}"
        assert all(range_.at_work(what) for what in expect.left)
        _silent(range_, state)
        assert range_.service.service.shells == {}, "no shell may be left on the host"


def _ended(state: State, wanted: dict[str, str]) -> None:
    for step in Step:
        expected = Outcome(wanted.get(step, "done"))
        end = state.ends.get(step)
        assert end is not None, f"{step} had no turn"
        assert end.outcome is expected, f"{step} ended {end.outcome}: {end.summary}"
        if not expected.finished:
            return


def _silent(range_: Range, state: State) -> None:
    """Nothing reaches the C2 any more after the block; what was on its way may be written down a moment later."""
    if not range_.scenario.beacon:
        return
    assert any(r.kind == "check" and r.data["step"] == Step.BLOCK for r in state.records)
    assert silent(lambda: len(range_.c2_messages()), 0.5), "messages still arrive"


@pytest.mark.parametrize("name", ["service_dll", "wmi", "run_key"])
def test_undo_puts_everything_back(name: str, tmp_path: Path) -> None:
    """Services, tasks, values, subscriptions and files stand as they stood; a process does not come back by our hand."""
    with ground.standing(tmp_path, name) as range_:
        ground.run(range_, tmp_path)
        gone = [what for what in range_.scenario.expect.removed if not what.startswith("process")]
        with reopened(tmp_path / "incident") as case:
            results = undo.run(case, (Step.CLEANUP,), Approval.AUTO)
        assert [r.why for r in results if not r.back and r.action.undo] == []
        assert [what for what in gone if not range_.at_work(what)] == []


def test_a_range_comes_up_again_as_it_stood(tmp_path: Path) -> None:
    """`hemostat undo` of a drill's incident finds the same host, ports and device."""
    with ground.standing(tmp_path, "service_dll") as range_:
        ground.run(range_, tmp_path)
    with Range.reopen(tmp_path / "range") as again:
        assert not again.at_work("service HelperSvc")
        assert again.kept == range_.kept
    assert load_state(tmp_path / "incident").outcome is Outcome.DONE
