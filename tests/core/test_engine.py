"""The engine runs each step once, in its order, and lets no error past a step's boundary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows import engine
from flows.engine import Nobody
from flows.launch import Launch, urgent
from tasks.case import Case
from tasks.journal import BrokenChain
from tasks.model import (
    Bug,
    ConfigError,
    Decision,
    Outcome,
    Refused,
    Step,
    StepEnd,
    TargetError,
    Unreachable,
    Verdict,
)
from tests.core.desk import sit_down

Work = Callable[[Case], StepEnd]


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    case = sit_down(tmp_path)
    yield case
    case.close()


def does(step: Step, outcome: Outcome = Outcome.DONE) -> Work:
    """A step that only ends, with what the gates of later ones want to see."""

    def work(case: Case) -> StepEnd:
        if step is Step.CONFIRM:
            case.record("verdict", verdict=Verdict(Decision.CONFIRMED, 90, ()))
        if step is Step.COLLECT:
            case.record("evidence.sealed", manifest="m", sha256="", items=0, bytes=0, not_copied=[])
        return StepEnd(step, outcome, "summary", "next")

    return work


def raises(error: BaseException) -> Work:
    def work(case: Case) -> StepEnd:
        raise error

    return work


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[Step, Work]:
    """All seven steps end well, without a host; a test exchanges those that it is about."""
    steps = {step: does(step) for step in Step}
    monkeypatch.setattr(engine, "STEPS", steps)
    return steps


def run(case: Case) -> StepEnd | None:
    """One launch, as a command makes it; the last step's end."""
    launch, end = Launch(), None
    while (step := launch.following(case)) is not None:
        end = launch.turn(case, step)
    return end


def begun(case: Case) -> list[Step]:
    return [Step(r.data["step"]) for r in case.journal.records if r.kind == "step.started"]


def test_all_seven_run_in_their_order_and_once(case: Case, steps: dict[Step, Work]) -> None:
    """A second run finds nothing to do and writes nothing."""
    end = run(case)
    assert end is not None
    assert (end.step, begun(case)) == (Step.REPORT, list(Step))
    assert run(case) is None
    assert engine.run_step(case, Step.BLOCK, Nobody()) == case.state.ends[Step.BLOCK]
    assert begun(case) == list(Step)


def test_the_urgent_steps_are_confirm_and_block(case: Case, steps: dict[Step, Work]) -> None:
    """And the next run goes on behind it."""
    urgent(case, Launch())
    assert begun(case) == [Step.CONFIRM, Step.BLOCK]
    run(case)
    assert begun(case) == list(Step)


STOPS = [outcome for outcome in Outcome if not outcome.finished]


@pytest.mark.parametrize("outcome", STOPS)
def test_a_step_that_does_not_finish_stops_the_run(case: Case, steps: dict[Step, Work], outcome: Outcome) -> None:
    """Finished steps stand; the next run tries the same step again; a skip goes past it."""
    steps[Step.BLOCK] = does(Step.BLOCK, outcome)
    end = run(case)
    assert end == StepEnd(Step.BLOCK, outcome, "summary", "next")
    run(case)
    assert begun(case) == [Step.CONFIRM, Step.BLOCK, Step.BLOCK]
    case.record("step.skipped", step=Step.BLOCK, by="anna", reason="unplugged")
    run(case)
    assert case.state.last is Step.REPORT


ERRORS: dict[str, tuple[BaseException, Outcome, str]] = {
    "files": (ConfigError("read x", "it is wrong", "mend it"), Outcome.FAILED, "mend it"),
    "target": (TargetError("ask x", "it said no", "look"), Outcome.FAILED, "look"),
    "unreachable": (Unreachable("reach x", "no answer", "is it up?"), Outcome.UNREACHABLE, "is it up?"),
    "guard": (Refused("own-path", "it is ours", "leave it"), Outcome.REFUSED, "leave it"),
    "guard with a word": (
        Refused("never_block", "it is DNS", "", "never-block"),
        Outcome.REFUSED,
        "--override never-block",
    ),
    "chain": (BrokenChain(Path("/x"), 7, "it was changed"), Outcome.FAILED, "backup"),
    "bug": (Bug("count", "it is not possible", "report it"), Outcome.FAILED, "report it"),
    "unknown": (ZeroDivisionError("division by zero"), Outcome.FAILED, "report it"),
    "keyboard": (KeyboardInterrupt(), Outcome.FAILED, "hemostat resume"),
}


@pytest.mark.parametrize(("error", "outcome", "do"), ERRORS.values(), ids=ERRORS)
def test_every_error_becomes_an_outcome(
    case: Case, steps: dict[Step, Work], error: BaseException, outcome: Outcome, do: str
) -> None:
    """With what to do next, in the journal, and the run stops there."""
    steps[Step.CONFIRM] = raises(error)
    end = run(case)
    assert end is not None
    assert (end.outcome, do in end.next) == (outcome, True)
    assert case.state.ends[Step.CONFIRM] == end
    assert begun(case) == [Step.CONFIRM]


def test_an_unknown_error_leaves_its_places_and_no_values(case: Case, steps: dict[Step, Work]) -> None:
    """The journal has file, line and function of each frame; what a variable held may be a secret."""

    def leaks(case: Case) -> StepEnd:
        password = "hunter2"
        return StepEnd(Step.CONFIRM, Outcome.DONE, {}[len(password)])

    steps[Step.CONFIRM] = leaks
    run(case)
    (note,) = [r.data for r in case.journal.records if r.kind == "note"]
    assert any("leaks (test_engine.py" in frame for frame in note["where"])
    assert "hunter2" not in case.journal.path.read_text()


def test_ctrl_c_lets_no_later_act_begin(case: Case, steps: dict[Step, Work]) -> None:
    """What asks `checkpoint` from then on, in whatever thread, is stopped."""
    steps[Step.CONFIRM] = raises(KeyboardInterrupt())
    run(case)
    with pytest.raises(Refused, match="stopped the run"):
        case.checkpoint()


def test_a_rejected_alert_runs_no_step_but_the_report(case: Case, steps: dict[Step, Work]) -> None:
    """The steps between have nothing to do, and say why."""
    steps[Step.CONFIRM] = lambda case: (
        case.record("verdict", verdict=Verdict(Decision.REJECTED, 90, ())) and StepEnd(Step.CONFIRM, Outcome.DONE, "")
    )
    for step in list(Step)[1:6]:
        steps[step] = raises(AssertionError(f"{step} ran"))
    run(case)
    nothing = [s for s in Step if case.state.ends[s].outcome is Outcome.NOTHING_TO_DO]
    assert nothing == list(Step)[1:6]
    assert case.state.ends[Step.REPORT].outcome is Outcome.DONE


def test_no_cleanup_without_sealed_evidence(case: Case, steps: dict[Step, Work]) -> None:
    """A person who skips collect is still refused at cleanup."""
    steps[Step.COLLECT] = does(Step.COLLECT, Outcome.FAILED)
    steps[Step.CLEANUP] = raises(AssertionError("cleanup ran"))
    run(case)
    case.record("step.skipped", step=Step.COLLECT, by="anna", reason="no room")
    end = run(case)
    assert end is not None
    assert (end.step, end.outcome) == (Step.CLEANUP, Outcome.REFUSED)
    assert "no cleanup without evidence" in end.next
