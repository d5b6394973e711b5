"""A journal folds into what has happened: every kind of record is known, and what was redone, skipped or taken back counts as such."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tasks.fold
from tasks.case import Case
from tasks.fold import fold
from tasks.model import Bug, Check, ConfigError, Finding, Look, Outcome, Receipt, Result, Step
from tasks.state import UNDO, State
from tests.core.desk import action, sit_down

ROOT = Path(__file__).parents[2]
# Told by the report from the records themselves; no step stands on them.
TOLD_ONLY = {
    "incident.opened",
    "sample",
    "guard",
    "note",
    "score",
    "cut",
    "counter",
    "journal.healed",
    "order",
    "order.done",
    "goes.on",
    "linked",
    "alerts",
}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """A case that has just been opened."""
    case = sit_down(tmp_path)
    yield case
    assert fold(case.journal.records) == case.state, "what a run knows is not what a resume would know"
    case.close()


def documented() -> set[str]:
    """The kinds of the table in the module's docstring."""
    cells = re.findall(r"^\| ([a-z. /]+) \|", tasks.fold.__doc__ or "", re.M)
    names: set[str] = set()
    for cell in cells:
        first, *rest = cell.split(" / ")
        stem = first.rpartition(".")[0]
        names |= {first, *(stem + r if r.startswith(".") else r for r in rest)}
    return names - {"kind"}


def recorded() -> set[str]:
    """The kinds that the product writes: the first word of every `record` and `append` to a journal."""
    paths = [*(ROOT / "tasks").rglob("*.py"), *(ROOT / "flows").rglob("*.py")]
    calls = [n for p in paths for n in ast.walk(ast.parse(p.read_text("utf-8"))) if isinstance(n, ast.Call)]
    first = [c.args[0] for c in calls if c.args and c.keywords and _name(c.func) in ("record", "append")]
    literal = {n.value for word in first for n in ast.walk(word) if isinstance(n, ast.Constant)}
    return {word for word in literal if isinstance(word, str)}


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else ""


def test_every_kind_that_is_written_is_documented() -> None:
    """The table in tasks/fold.py is the whole vocabulary."""
    assert {"intent", "approval.given", "step.redo"} <= recorded(), "this test no longer finds what is written"
    unknown = recorded() - documented()
    assert not unknown, f"add to the table in tasks/fold.py: {sorted(unknown)}"


def test_every_documented_kind_is_handled_or_left_out_on_purpose() -> None:
    """No record is lost by a forgotten handler."""
    assert documented() == set(tasks.fold._HANDLERS) | TOLD_ONLY
    assert not set(tasks.fold._HANDLERS) & TOLD_ONLY


def test_a_journal_opens_with_its_incident(case: Case) -> None:
    """An empty journal and one without its opening are told, each in its words."""
    with pytest.raises(ConfigError, match="start the incident again"):
        fold([])
    with pytest.raises(Bug, match="does not begin with"):
        fold([case.record("note", about="x", text="")])


def end(case: Case, step: Step, outcome: Outcome = Outcome.DONE) -> None:
    case.record("step.started", step=step, attempt=case.state.attempts.get(step, 0) + 1)
    case.record("step.ended", step=step, outcome=outcome, summary="", next="", seconds=0.0)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_step_is_done_by_a_finished_outcome_alone(case: Case, outcome: Outcome) -> None:
    """DONE and NOTHING_TO_DO are never executed again; all others are."""
    end(case, Step.CONFIRM, outcome)
    assert case.state.done(Step.CONFIRM) is outcome.finished
    assert case.state.outcome is outcome


def test_a_step_that_has_begun_and_not_ended_is_running(case: Case) -> None:
    """So a crash shows, and the next attempt has its number."""
    case.record("step.started", step=Step.BLOCK, attempt=1)
    assert (case.state.running, case.state.done(Step.BLOCK)) == (Step.BLOCK, False)
    end(case, Step.BLOCK)
    assert (case.state.running, case.state.attempts[Step.BLOCK]) == (None, 2)


def test_redo_takes_later_steps_with_it(case: Case) -> None:
    """What stood on a step's findings does not stand when it is done anew; what was before it does."""
    for step in Step:
        end(case, step)
    case.record("step.redo", step=Step.TRIAGE, by="anna", reason="")
    assert [s for s in Step if case.state.done(s)] == [Step.CONFIRM, Step.BLOCK]


def test_skip_counts_until_the_step_is_run_after_all(case: Case) -> None:
    """A skipped step is over, by whose word; running or redoing it takes the word back."""
    end(case, Step.BLOCK, Outcome.FAILED)
    case.record("step.skipped", step=Step.BLOCK, by="anna", reason="unplugged")
    assert case.state.done(Step.BLOCK)
    assert case.state.skipped == {Step.BLOCK: "anna: unplugged"}
    case.record("step.redo", step=Step.BLOCK, by="anna", reason="")
    assert not case.state.done(Step.BLOCK)


def test_what_a_step_saw_is_replaced_when_it_looks_again(case: Case) -> None:
    """Findings, readings and checks are those of the last attempt; evidence and acts stay."""
    finding = Finding("process.talks", "x", "/x", "y", 90, "high", "T1071")
    for phase, step in (("first", Step.TRIAGE), ("again", Step.VERIFY)):
        for attempt in (1, 2):
            case.record("step.started", step=step, attempt=attempt)
            case.record("reading", phase=phase, artefact="files", path=f"{phase}-{attempt}", sha256="", unseen=[])
            case.record("finding", phase=phase, finding=finding)
            case.record("check", step=step, check=Check(f"{attempt}", "", "", Result.PASS))
    assert (len(case.state.findings), len(case.state.again)) == (1, 1)
    assert [r["path"] for r in case.state.readings] == ["first-2", "again-2"]
    assert [check.name for _, check in case.state.checks] == ["2", "2"]


def act(case: Case, step: str, name: str = "one", ok: bool = True, changed: bool = True) -> None:
    what = action(name)
    case.record("intent", step=step, action=what, before=Look(False, "not there"))
    case.record("receipt", step=step, receipt=Receipt(what.id, ok, changed, "seen"))


def standing(state: State) -> list[str]:
    return [a.action.target for a in state.standing]


def test_what_we_changed_stands_until_it_is_taken_back(case: Case) -> None:
    """Not what failed, not what was there before; and a change that is made anew after an undo stands anew."""
    act(case, Step.CLEANUP, "ours")
    act(case, Step.CLEANUP, "theirs", changed=False)
    act(case, Step.CLEANUP, "failed", ok=False, changed=False)
    assert standing(case.state) == ["ours"]
    act(case, UNDO, "ours", ok=False, changed=False)
    assert standing(case.state) == ["ours"], "an undo that failed takes nothing back"
    act(case, UNDO, "ours")
    assert standing(case.state) == []
    assert case.state.act("cleanup/ours", Step.CLEANUP) is None
    act(case, Step.CLEANUP, "ours")
    assert standing(case.state) == ["ours"]
    assert case.state.act("cleanup/ours", UNDO) is None, "the earlier undo does not count for the new act"
    act(case, UNDO, "ours")
    assert standing(case.state) == []


def test_an_intent_without_a_receipt_is_unfinished(case: Case) -> None:
    """A crash in between: the act is known and has no receipt."""
    case.record("intent", step=Step.CLEANUP, action=action(), before=Look(False, "not there"))
    known = case.state.act("cleanup/one", Step.CLEANUP)
    assert known is not None
    assert known.receipt is None
    assert len(case.state.standing) == 1, "it may have happened: an undo must look at it"


def test_a_receipt_without_an_intent_is_a_bug(case: Case) -> None:
    """The order intent, act, receipt is never broken by hemostat itself."""
    records = [*case.journal.records]
    journal_only = case.journal.append("receipt", step=Step.CLEANUP, receipt=Receipt("cleanup/one", True, True, ""))
    with pytest.raises(Bug, match="without an intent"):
        fold([*records, journal_only])
    case.journal.records.pop()


def test_an_approval_is_for_one_digest_and_a_yes_takes_back_a_no(case: Case) -> None:
    """Answers are kept by the plan's digest."""
    case.record("approval.asked", step=Step.CLEANUP, digest="a")
    case.record("approval.refused", step=Step.CLEANUP, digest="a", by="anna", via="terminal", reason="not now")
    assert case.state.refusals == {"a": "anna: not now"}
    case.record("approval.given", step=Step.CLEANUP, digest="a", by="li", via="terminal")
    assert (case.state.refusals, case.state.approvals) == ({}, {"a": "li"})
