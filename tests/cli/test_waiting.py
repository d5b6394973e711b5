"""A run that waits for a person: approve, reject, redo, skip. Nothing is done before the yes, nothing twice after it."""

from __future__ import annotations

import pytest

from tasks.case import load_state
from tasks.model import Outcome, Step
from tests.cli.house import REMOTE, House

pytestmark = pytest.mark.lab


@pytest.fixture
def waiting(house: House) -> House:
    """An incident that waits for approval of its block: nobody sat at a terminal."""
    house.merge("playbooks/beacon.yaml", {"approvals": {"block": "ask"}})
    before = house.configuration()
    said = house.respond()
    assert said.code == 5, said.text
    assert [w for w in ("WAITING", f"hemostat approve {house.incidents[0].name}") if w not in said.text] == []
    assert house.configuration() == before
    return house


def outcome(house: House, step: Step) -> Outcome:
    """How that step of the only incident stands."""
    (folder,) = house.incidents
    return load_state(folder).ends[step].outcome


def test_the_card_shows_what_a_yes_will_do(waiting: House) -> None:
    """Host, remote, device, what undoes it; a yes without going on changes nothing."""
    before = waiting.configuration()
    said = waiting.say("approve last --no-resume --reason seen")
    assert said.code == 0
    words = ("victim", REMOTE, "asa", "firewall.block", "can be undone", "hemostat undo", "approved by olive")
    assert [w for w in words if w not in said.text] == []
    assert waiting.configuration() == before
    again = waiting.say("approve last --no-resume")
    assert (again.code, "waits for no approval" in again.text) == (2, True)


def test_an_approved_block_is_done_by_resume(waiting: House) -> None:
    """The approval stands in the journal; the next run acts on it without asking."""
    waiting.say("approve last --no-resume")
    waiting.say("resume last --no-prefect")
    assert outcome(waiting, Step.BLOCK) is Outcome.DONE
    assert REMOTE in waiting.configuration()[0]


def test_approve_goes_on_at_once(waiting: House) -> None:
    """Without --no-resume the answer is followed by the run; a program reads one document."""
    said = waiting.say("approve last --no-prefect --json")
    steps = {step["step"]: step["outcome"] for step in said.json["steps"]}
    assert steps["block"] == "done"
    assert REMOTE in waiting.configuration()[0]


def test_a_program_reads_the_answer(waiting: House) -> None:
    """approve --json without going on prints what was answered."""
    (answer,) = waiting.say("approve last --no-resume --json").json
    assert (answer["step"], answer["approved"], answer["by"]) == ("block", True, "olive")


def test_a_rejected_block_is_refused_by_name(waiting: House) -> None:
    """A no stands, says who gave it, and a resume does not ask around it; the device is as before."""
    before = waiting.configuration()
    assert waiting.say("approve last --reject --reason 'our own scanner'").code == 0
    said = waiting.say("resume last --no-prefect")
    assert said.code == 3
    assert [w for w in ("REFUSED", "olive", "our own scanner", "skip") if w not in said.text] == []
    assert waiting.configuration() == before


def test_a_rejected_block_can_be_skipped(waiting: House) -> None:
    """The other steps run, the journal and the report say who skipped it, and the device is as before."""
    before = waiting.configuration()
    waiting.say("approve last --reject")
    waiting.say("resume last --skip block --reason 'our own scanner' --no-prefect")
    (folder,) = waiting.incidents
    state = load_state(folder)
    assert "our own scanner" in state.skipped[Step.BLOCK]
    assert state.ends[Step.COLLECT].outcome is Outcome.DONE
    assert waiting.configuration() == before


def test_resume_while_it_waits_waits_on(waiting: House) -> None:
    """Nobody has answered: the same code, the same words, no second question in the journal."""
    assert waiting.say("resume last --no-prefect").code == 5
    (folder,) = waiting.incidents
    kinds = [record.kind for record in load_state(folder).records]
    assert (kinds.count("approval.asked"), kinds.count("plan")) == (1, 1)


def test_yes_approves_and_journals_the_card(waiting: House) -> None:
    """--yes is an approval by a named person, not the absence of one."""
    said = waiting.say("resume last --yes --no-prefect")
    assert "firewall.block" in said.text
    (folder,) = waiting.incidents
    assert list(load_state(folder).approvals.values()) == ["olive (--yes)"]


def test_redo_and_skip_after_a_failed_step(house: House) -> None:
    """A failed step waits for a person: put it right and redo, or skip; finished steps are not run again."""
    house.merge("inventory/hosts.yaml", {"asa": {"port": 1}})
    assert house.respond().code == 4
    house.merge("inventory/hosts.yaml", {"asa": {"port": house.lab.plan.device[1]}})
    assert house.say("resume last --redo block --no-prefect").code == 1  # verify: no process was caught talking
    assert outcome(house, Step.BLOCK) is Outcome.DONE
    said = house.say("resume last --skip verify --reason 'looked by hand' --no-prefect --json")
    assert said.code == 0, said.text
    (folder,) = house.incidents
    attempts = load_state(folder).attempts
    assert (attempts[Step.CONFIRM], attempts[Step.BLOCK], attempts[Step.TRIAGE]) == (1, 2, 1)
    assert "looked by hand" in (folder / "report.md").read_text()


def test_a_stopped_device_is_not_asked_twice_for_the_same_block(house: House) -> None:
    """The device obeyed and the line broke: resume reads what stands there, and says it once."""
    house.lab.faults(drop_after="^network-object")
    house.respond()
    house.lab.faults()
    house.say("resume last --no-prefect")
    (folder,) = house.incidents
    state = load_state(folder)
    receipts = [act.receipt for act in state.acts if act.receipt and act.step == Step.BLOCK]
    assert [(r.ok, r.changed, r.recovered) for r in receipts] == [(True, True, True)]
    assert house.configuration()[0].count(REMOTE) == 1
