"""Intent, act, receipt: whatever dies in between, the wanted state comes about once, and whose it is stays true."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.acts import Waiting, approved, perform, propose
from tasks.case import Case
from tasks.model import Approval, Look, Outcome, Receipt, Refused, Step, TargetError, Unreachable
from tasks.state import UNDO, Plan
from tests.core.desk import action, sit_down


class Died(BaseException):
    """Nothing in hemostat catches this: for the journal it is a SIGKILL."""


@dataclass(slots=True)
class Target:
    """A host in memory on which one thing is there or not. `dies` names the moment at which the runner dies."""

    there: bool = False
    obeys: bool = True
    dies: str = ""
    acts: list[str] = field(default_factory=list)

    def look(self) -> Look:
        self.die("look")
        return Look(self.there, "there" if self.there else "not there", {} if self.there else {"was": "nothing"})

    def put(self, before: Look) -> None:
        self.die("before the act")
        self.acts.append("put")
        self.there = self.there or self.obeys
        self.die("after the act")

    def gone(self) -> Look:
        return replace(self.look(), present=not self.there)

    def take(self, before: Look) -> None:
        self.acts.append("take")
        self.there = False

    def die(self, moment: str) -> None:
        if self.dies == moment:
            raise Died


def once(folder: Path, target: Target, step: str = Step.CLEANUP) -> Receipt:
    """One process' go: open, perform, close."""
    case = sit_down(folder)
    try:
        if step == UNDO:
            return perform(case, UNDO, action(), target.gone, target.take)
        return perform(case, step, action(), target.look, target.put)
    finally:
        case.close()


def records(folder: Path) -> list[str]:
    """The journal's intents and receipts, in their order."""
    case = sit_down(folder)
    case.close()
    return [r.kind for r in case.journal.records if r.kind in ("intent", "receipt")]


def test_an_act_is_journalled_before_and_after(tmp_path: Path) -> None:
    """The receipt says that we changed it and keeps what an undo needs."""
    target = Target()
    receipt = once(tmp_path, target)
    assert receipt == Receipt("cleanup/one", True, True, "there", {"was": "nothing"})
    assert records(tmp_path) == ["intent", "receipt"]
    assert target.acts == ["put"]


def test_a_second_go_changes_nothing(tmp_path: Path) -> None:
    """The same receipt again, and no new record."""
    target = Target()
    first = once(tmp_path, target)
    assert once(tmp_path, target) == first
    assert (target.acts, records(tmp_path)) == (["put"], ["intent", "receipt"])


@pytest.mark.parametrize(
    ("dies", "acts", "recovered"),
    [("look", 1, False), ("before the act", 1, True), ("after the act", 1, True)],
)
def test_a_death_in_between_is_made_good(tmp_path: Path, dies: str, acts: int, recovered: bool) -> None:
    """Before anything, after the intent, after the act: in the end one act, one intent, one receipt, and it is ours."""
    target = Target(dies=dies)
    with pytest.raises(Died):
        once(tmp_path, target)
    target.dies = ""
    receipt = once(tmp_path, target)
    assert (receipt.changed, receipt.recovered) == (True, recovered)
    assert receipt.record == {"was": "nothing"}, "an undo needs what was there before the act"
    assert (len(target.acts), records(tmp_path)) == (acts, ["intent", "receipt"])


def test_many_deaths_in_a_row_are_one_act(tmp_path: Path) -> None:
    """The resumed runner dies as well, at each moment."""
    target = Target()
    for target.dies in ("look", "before the act", "look", "before the act", "after the act", "look"):
        with pytest.raises(Died):
            once(tmp_path, target)
    target.dies = ""
    assert once(tmp_path, target).changed
    assert (target.acts, records(tmp_path)) == (["put"], ["intent", "receipt"])


@given(moments=st.lists(st.sampled_from(["look", "before the act", "after the act"]), max_size=12))
@settings(max_examples=25)
def test_any_course_of_deaths_is_one_act(tmp_path_factory: pytest.TempPathFactory, moments: list[str]) -> None:
    """Whatever the order: the thing is put once, the journal has one intent and one receipt, and it is ours."""
    folder, target = tmp_path_factory.mktemp("acts"), Target()
    for target.dies in [*moments, ""]:
        with contextlib.suppress(Died):
            once(folder, target)
    case = sit_down(folder)
    case.close()
    assert (target.acts, records(folder)) == (["put"], ["intent", "receipt"])
    assert [a.action.id for a in case.state.standing] == ["cleanup/one"]


def test_what_was_there_before_is_not_ours(tmp_path: Path) -> None:
    """Nothing is done, the receipt says so, and it does not stand as a change."""
    target = Target(there=True)
    receipt = once(tmp_path, target)
    assert (receipt.ok, receipt.changed) == (True, False)
    assert target.acts == []
    case = sit_down(tmp_path)
    case.close()
    assert case.state.standing == []


def test_an_act_without_effect_is_an_error_with_a_receipt(tmp_path: Path) -> None:
    """'Nothing happened' is a failure; a later go tries anew."""
    target = Target(obeys=False)
    with pytest.raises(TargetError, match="nothing happened"):
        once(tmp_path, target)
    target.obeys = True
    assert once(tmp_path, target).changed
    assert records(tmp_path) == ["intent", "receipt", "intent", "receipt"]


def test_what_vanished_after_its_receipt_is_done_again(tmp_path: Path) -> None:
    """Somebody took the rule out by hand: a redo puts it back and has a receipt of its own."""
    target = Target()
    once(tmp_path, target)
    target.there = False
    assert once(tmp_path, target).changed
    assert target.acts == ["put", "put"]


def test_redo_after_undo_counts_anew(tmp_path: Path) -> None:
    """Done, taken back, done, taken back: each with its own intent and receipt."""
    target = Target()
    for step in (Step.CLEANUP, UNDO) * 2:
        receipt = once(tmp_path, target, step)
        assert (receipt.ok, receipt.changed, receipt.recovered) == (True, True, False)
    assert target.acts == ["put", "take"] * 2
    assert records(tmp_path) == ["intent", "receipt"] * 4


def test_an_unreachable_target_leaves_the_intent_open(tmp_path: Path) -> None:
    """The connection breaks in the act: no receipt claims anything, and the next go looks first."""
    target = Target()
    case = sit_down(tmp_path)

    def broken(before: Look) -> None:
        target.put(before)
        raise Unreachable("say it", "the connection broke")

    with pytest.raises(Unreachable):
        perform(case, Step.CLEANUP, action(), target.look, broken)
    receipt = perform(case, Step.CLEANUP, action(), target.look, target.put)
    case.close()
    assert (receipt.changed, receipt.recovered, target.acts) == (True, True, ["put"])


def test_a_stop_lets_no_act_begin(tmp_path: Path) -> None:
    """Ctrl-C and the step's time-out take effect before an intent, never between intent and act."""
    case, target = sit_down(tmp_path), Target()
    case.stop.set()
    with pytest.raises(Refused, match="stop"):
        perform(case, Step.CLEANUP, action(), target.look, target.put)
    case.stop.clear()
    case.begin(1e-9)
    with pytest.raises(TargetError, match="time-out"):
        perform(case, Step.CLEANUP, action(), target.look, target.put)
    case.close()
    assert (target.acts, records(tmp_path)) == ([], [])


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return sit_down(tmp_path)


def plan(case: Case, *names: str) -> Plan:
    return propose(case, Step.CLEANUP, [action(name) for name in names], {"undo": "x"})


def test_the_same_plan_is_written_once(case: Case) -> None:
    """A resume proposes the same actions and finds its plan; another plan has another digest."""
    first = plan(case, "one", "two")
    assert plan(case, "one", "two") == first
    assert plan(case, "two", "one").digest != first.digest
    assert plan(case, "one", "two").digest == first.digest
    assert [r.kind for r in case.journal.records].count("plan") == 3


def test_auto_asks_nobody_and_never_lets_nothing_run(case: Case) -> None:
    """The playbook's word, also against an approval that is on record."""
    proposed = plan(case, "one")
    assert approved(case, proposed, Approval.AUTO) == "playbook test"
    case.record("approval.given", step=Step.CLEANUP, digest=proposed.digest, by="anna", via="command line")
    with pytest.raises(Refused, match="never lets") as error:
        approved(case, proposed, Approval.NEVER)
    assert error.value.outcome is Outcome.REFUSED


def test_ask_waits_and_asks_once(case: Case) -> None:
    """Without an answer the step waits; waiting again writes nothing more."""
    proposed = plan(case, "one")
    for _ in range(2):
        with pytest.raises(Waiting, match="hemostat approve") as error:
            approved(case, proposed, Approval.ASK)
        assert error.value.outcome is Outcome.WAITING
    assert [r.kind for r in case.journal.records].count("approval.asked") == 1


@pytest.mark.parametrize("yes", [True, False])
def test_the_answer_at_the_terminal_is_journalled(case: Case, yes: bool) -> None:
    """Yes and no, by whom; a resume asks no more."""
    proposed = plan(case, "one")
    case.ask = lambda _: (yes, "anna")
    for _ in range(2):
        if yes:
            assert approved(case, proposed, Approval.ASK) == "anna"
        else:
            with pytest.raises(Refused, match="refused by anna"):
                approved(case, proposed, Approval.ASK)
        case.ask = None
    kinds = [r.kind for r in case.journal.records if r.kind.startswith("approval.")]
    assert kinds == ["approval.asked", f"approval.{'given' if yes else 'refused'}"]


def test_an_approval_is_for_this_very_plan(case: Case) -> None:
    """A yes for one plan is none for another, be it for one word of it."""
    case.ask = lambda _: (True, "anna")
    approved(case, plan(case, "one"), Approval.ASK)
    case.ask = None
    assert approved(case, plan(case, "one"), Approval.ASK) == "anna"
    other = propose(case, Step.CLEANUP, [action("one", reason="another reason")])
    with pytest.raises(Waiting):
        approved(case, other, Approval.ASK)
