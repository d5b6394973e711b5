"""Taking back: only what we changed, the last first, not the block before the proof, and with a yes."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tasks import undo
from tasks.acts import Waiting
from tasks.case import Case
from tasks.model import Action, Approval, Finding, Look, Receipt, Refused, Result, Step
from tasks.state import UNDO
from tests.core.desk import action, sit_down


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """A case whose victim is a folder."""
    (tmp_path / "victim").mkdir()
    case = sit_down(tmp_path / "incident", tmp_path / "victim")
    yield case
    case.close()


def did(case: Case, step: Step, what: Action, changed: bool = True, **record: object) -> None:
    """Journal an act as done."""
    case.record("intent", step=step, action=what, before=Look(False, "not there"))
    case.record("receipt", step=step, receipt=Receipt(what.id, True, changed, "seen", record))


def quarantined(case: Case, name: str) -> Action:
    """A file in the vault, and its act in the journal."""
    kept, path = Path(case.host.root) / f"vault-{name}", Path(case.host.root) / name
    kept.write_text(name)
    facts = {"path": str(path), "sha256": _sha(name), "vault": "/v"}
    what = action(name, kind="file.quarantine", facts=facts)
    did(case, Step.CLEANUP, what, kept=str(kept), mode=0o750)
    return what


def _sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def verified(case: Case) -> None:
    case.record("step.started", step=Step.VERIFY, attempt=1)
    case.record("step.ended", step=Step.VERIFY, outcome="done", summary="", next="", seconds=0.0)


def test_the_last_act_is_taken_back_first(case: Case) -> None:
    """Both files come back with their modes, journalled in the opposite order, each with a check."""
    for name in ("one", "two"):
        quarantined(case, name)
    results = undo.run(case, [Step.CLEANUP], Approval.AUTO)
    assert [(r.action.target, r.back) for r in results] == [("two", True), ("one", True)]
    for name in ("one", "two"):
        path = Path(case.host.root) / name
        assert (path.read_text(), path.stat().st_mode & 0o777) == (name, 0o750)
    assert [(s, c.result) for s, c in case.state.checks] == [(UNDO, Result.PASS)] * 2
    assert case.state.standing == []
    assert undo.run(case, [Step.CLEANUP], Approval.AUTO) == [], "there is nothing left to take back"


def test_what_was_there_before_us_is_left(case: Case) -> None:
    """A receipt without a change is no act of ours."""
    did(case, Step.CLEANUP, action("theirs"), changed=False)
    assert undo.plan(case, [Step.CLEANUP]) == []


def test_what_cannot_be_taken_back_is_shown_and_asks_nobody(case: Case) -> None:
    """A killed process does not come back; there is nothing to say yes to."""
    did(case, Step.CLEANUP, action("killed", undo=None))
    (result,) = undo.run(case, [Step.CLEANUP], Approval.ASK)
    assert (result.back, result.why) == (False, "cannot be taken back")
    assert UNDO not in case.state.plans


def test_a_failure_keeps_the_others_going(case: Case) -> None:
    """Another file stands where one belongs: that one fails by name, the other comes back, and both are journalled."""
    for name in ("one", "two"):
        quarantined(case, name)
    (Path(case.host.root) / "two").write_text("something new")
    two, one = undo.run(case, [Step.CLEANUP], Approval.AUTO)
    assert (two.back, one.back) == (False, True)
    assert "another file stands" in two.why
    assert [a.action.target for a in case.state.standing] == ["two"]


@pytest.mark.parametrize("rule", [Approval.ASK, Approval.NEVER])
def test_nothing_is_taken_back_without_a_yes(case: Case, rule: Approval) -> None:
    """It waits, or is refused; the file stays in the vault."""
    quarantined(case, "one")
    with pytest.raises(Waiting if rule is Approval.ASK else Refused):
        undo.run(case, [Step.CLEANUP], rule)
    assert not (Path(case.host.root) / "one").exists()


def test_a_yes_takes_back(case: Case) -> None:
    """The person at the terminal sees the plan of the undo and answers it."""
    quarantined(case, "one")
    asked = []
    case.ask = lambda plan: (bool(asked.append(plan)) or True, "anna")
    assert undo.run(case, [Step.CLEANUP], Approval.ASK)[0].back
    assert asked[0].step == UNDO
    assert asked[0].actions[0].reason == "take back: put it back"


def test_the_block_stays_until_the_proof(case: Case) -> None:
    """Refused before a passed verification, with the word that lifts the guard; no device was asked."""
    did(case, Step.BLOCK, action("fw", id="block/fw", kind="firewall.block", on="fw"))
    with pytest.raises(Refused, match="may still call home") as error:
        undo.run(case, [Step.BLOCK], Approval.AUTO)
    assert error.value.override == "unverified"
    assert [r.kind for r in case.journal.records][-1] == "receipt", "a refused undo leaves no plan"


@pytest.mark.parametrize("way", ["verified", "lifted"])
def test_the_block_may_go_after_the_proof_or_by_word(case: Case, way: str) -> None:
    """Past the gate the device is asked: this inventory has none of that name, which is told and takes nothing back."""
    did(case, Step.BLOCK, action("fw", id="block/fw", kind="firewall.block", on="fw"))
    if way == "verified":
        verified(case)
    else:
        case.record("override", word="unverified", by="anna")
    (result,) = undo.run(case, [Step.BLOCK], Approval.AUTO)
    assert not result.back
    assert "no host 'fw'" in result.why
    assert len(case.state.standing) == 1


def test_an_undo_of_all_is_refused_as_a_whole(case: Case) -> None:
    """The block's gate is asked before anything is taken back: half an undo would be worse than none."""
    quarantined(case, "one")
    did(case, Step.BLOCK, action("fw", id="block/fw", kind="firewall.block", on="fw"))
    with pytest.raises(Refused):
        undo.run(case, [Step.BLOCK, Step.CLEANUP], Approval.AUTO)
    assert not (Path(case.host.root) / "one").exists()


def test_the_finding_is_not_needed(case: Case) -> None:
    """The undo rests on receipts alone; findings of a later triage do not matter."""
    quarantined(case, "one")
    case.record("finding", phase="first", finding=Finding("x", "x", "x", "x", 1, "low", "T1"))
    assert undo.run(case, [Step.CLEANUP], Approval.AUTO)[0].back
