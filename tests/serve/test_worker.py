"""The runner: what a sender may do, what people's orders come to, once each, and what never waits for what."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from flows import doors, orders, still
from flows.events import Event
from flows.inbox import Inbox, Kind
from flows.worker import Worker
from lab.range import Range
from tasks import alerts
from tasks import site as sites
from tasks.case import reopened
from tasks.model import ConfigError, Json, Most, Outcome, Step
from tasks.notices import notices
from tasks.serving import Sender
from tasks.state import State
from tests.patience import BUSY
from tests.serve.house import FAST, Office, alert, wait

pytestmark = pytest.mark.lab
SOON = 30.0


class Desk:
    """A worker in this process, and what is asked of it."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.inbox = Inbox(office.folder / ".hemostat" / "inbox.db")
        self.worker = Worker(office.folder, office.reports, self.inbox)
        self.told: list[str] = []
        self.worker.subscribe(lambda event, folder: self.told.append(event))

    def alert(self, *sent: Json, most: Most = "playbook") -> str:
        """The incident of the last of these alerts."""
        known = sites.load(self.office.folder)
        found = alerts.parse("plain", "\n".join(map(json.dumps, sent)).encode(), known.policy.inside)
        tickets = self.inbox.accept(doors.items(known, found, "desk", Sender("plain", "env:X", most=most)))
        for ticket, item in zip(tickets, sent, strict=True):
            if ticket.duplicate:
                self.worker.alerted_again(ticket.incident)
            else:
                self.worker.alerted(ticket.incident, item["host"])
        return tickets[-1].incident

    def order(self, incident: str, kind: Kind, **arguments: Json) -> str:
        """What became of the order."""
        order = self.inbox.order(incident, kind, arguments, "anna")
        self.worker.ordered(incident, kind)
        assert wait(lambda: order not in [o.id for o in self.inbox.pending()], SOON), self.worker.trouble(incident)
        self.rest(incident)
        return next(o.answer for o in self.inbox.orders(incident) if o.id == order)

    def rest(self, incident: str) -> State:
        """How the incident stands once the machine is no longer at it."""
        assert wait(lambda: not self.worker.doing(incident), SOON), self.worker.trouble(incident)
        return self.office.state(incident)

    def until(self, incident: str, true: Callable[[State], object]) -> State:
        """How the incident stands once something is true of it."""

        def it_is() -> bool:
            with suppress(FileNotFoundError, ConfigError):  # not opened yet
                return bool(true(self.office.state(incident)))
            return False

        assert wait(it_is, SOON), self.worker.trouble(incident)
        return self.office.state(incident)


@pytest.fixture
def desk(office: Office) -> Iterator[Desk]:
    with working(office) as made:
        yield made


@contextmanager
def working(office: Office) -> Iterator[Desk]:
    """A worker, from its start to its end: what a process of serve does."""
    made = Desk(office)
    made.worker.start()
    yield made
    assert made.worker.stop(SOON * BUSY)
    made.inbox.close()


def by(state: State, kind: str) -> list[str]:
    return [record.data["by"] for record in state.records if record.kind == kind]


def test_an_alert_is_blocked_and_looked_into_by_itself(desk: Desk) -> None:
    """Confirm, block, and all that comes behind; told as events; the sender stands in the journal."""
    incident = desk.alert(alert(0))
    state = desk.rest(incident)
    assert state.incident.id == incident and state.incident.operator == "desk"
    assert state.ends[Step.BLOCK].outcome is Outcome.DONE
    # An idle host's silence proves nothing, so the verification says so and a person is needed.
    assert state.ends[Step.VERIFY].outcome is Outcome.FAILED
    assert desk.told == ["opened", "contained", "failed"]
    assert "203.0.113.1" in desk.office.denied()


def test_a_sender_that_may_only_open_waits_for_a_person_also_over_a_restart(office: Office) -> None:
    """Nothing is blocked, the reason is plain, `resume` by a person goes on, and only that; the block then wants an approval."""
    with working(office) as desk:
        incident = desk.alert(alert(1), most="open")
        state = desk.rest(incident)
        assert state.ends[Step.BLOCK].outcome is Outcome.WAITING and state.acts == []
        assert "only open an incident" in state.ends[Step.BLOCK].summary
    with working(office) as desk:
        assert desk.rest(incident).acts == [], "a restart is no person"
        assert desk.order(incident, "resume", reason="it is real") == "goes on"
        state = desk.rest(incident)
        assert by(state, "resumed") == ["anna"] and state.ends[Step.BLOCK].outcome is Outcome.WAITING
        assert state.acts == [], "whoever may resume need not be one who may approve"
        digest = state.plans[Step.BLOCK].digest
        assert desk.order(incident, "approve", digest=digest, reason="seen") == "approved"
        assert desk.rest(incident).ends[Step.BLOCK].outcome is Outcome.DONE


def test_a_sender_that_may_ask_waits_for_a_yes_to_that_very_plan(desk: Desk) -> None:
    """The playbook says auto; the yes counts for the plan that was shown, and once."""
    incident = desk.alert(alert(2), most="ask")
    state = desk.rest(incident)
    assert state.ends[Step.BLOCK].outcome is Outcome.WAITING and desk.told == ["opened", "approval"]
    assert "does not stand" in desk.order(incident, "approve", digest="0" * 64)
    assert desk.rest(incident).acts == []
    digest = state.plans[Step.BLOCK].digest
    assert desk.order(incident, "approve", digest=digest, reason="seen") == "approved"
    assert "answered already, by anna" in desk.order(incident, "reject", digest=digest)
    state = desk.rest(incident)
    assert state.ends[Step.BLOCK].outcome is Outcome.DONE
    assert by(state, "approval.given") == ["anna"] and by(state, "approval.refused") == []


def test_a_no_ends_the_step_and_names_who_said_it(desk: Desk) -> None:
    """Refused, with the reason; a redo asks anew."""
    incident = desk.alert(alert(0, rule="a", remote=10), most="ask")
    digest = desk.rest(incident).plans[Step.BLOCK].digest
    desk.order(incident, "reject", digest=digest, reason="our own scanner")
    state = desk.rest(incident)
    assert state.ends[Step.BLOCK].outcome is Outcome.REFUSED
    assert "anna: our own scanner" in state.ends[Step.BLOCK].summary
    desk.order(incident, "redo", step="block")
    assert desk.rest(incident).ends[Step.BLOCK].outcome is Outcome.WAITING


def test_skip_undo_and_an_order_that_a_guard_refuses(desk: Desk) -> None:
    """Each says what became of it; the block is out of the firewall once it was undone with the guard lifted by name."""
    incident = desk.alert(alert(1, rule="b", remote=11))
    desk.rest(incident)
    assert desk.order(incident, "skip", step="verify") == "verify left out"
    assert desk.rest(incident).ends[Step.REPORT].outcome is Outcome.DONE
    assert desk.inbox.unfinished() == []
    said = desk.order(incident, "undo")
    assert "no passed verification" in said
    assert said.endswith("if you are sure: --override unverified"), "a page offers the guard that the answer names"
    assert desk.order(incident, "redo", step="nonsense").startswith("not done")
    desk.order(incident, "undo", overrides=["unverified", "shared"])
    state = desk.rest(incident)
    assert state.standing == [] and by(state, "override") == ["anna", "anna"]
    assert str(state.incident.remote) not in desk.office.lab.device_state()["running"]


def test_a_beacon_that_goes_on_after_an_undo_is_told(desk: Desk) -> None:
    """The person took the block back on purpose, so nothing blocks anew; but how many alerts came since is journalled, and told once."""
    incident = desk.alert(alert(1, rule="t", remote=15))
    desk.rest(incident)
    assert desk.alert(alert(1, 1, rule="t", remote=15)) == incident
    desk.order(incident, "skip", step="verify")
    desk.rest(incident)
    desk.order(incident, "undo", overrides=["unverified", "shared"])
    state = desk.rest(incident)
    assert still.since_undo(state, desk.inbox.entry(incident)) == 0 and state.standing == []
    assert desk.alert(alert(1, 2, rule="t", remote=15)) == incident
    state = desk.until(incident, lambda s: any(r.kind == "alerts" and r.data["since_undo"] for r in s.records))
    assert desk.alert(alert(1, 3, rule="t", remote=15)) == incident
    assert still.since_undo(state, desk.inbox.entry(incident)) == 2
    (told,) = [n for n in notices(state.records) if n.event == "talking"]
    assert told.summary.startswith("1 alert(s) since the undo, the last at ")
    assert state.standing == [], "nothing is blocked again without a person"


def test_an_order_stops_the_step_that_is_under_way_and_one_that_is_refused_lets_it_go_on(office: Office) -> None:
    """Nobody waits five minutes for a verification that is no longer wanted."""
    office.write("playbooks/beacon.yaml", {"verify": {"intervals": 1, "at_least": 20.0, "at_most": 30.0}})
    with working(office) as desk:
        incident = desk.alert(alert(2, rule="c", remote=12))
        desk.until(incident, lambda s: s.running is Step.VERIFY)
        order = desk.inbox.order(incident, "undo", {}, "anna")
        desk.worker.ordered(incident, "undo")
        state = desk.until(incident, lambda s: s.running is Step.VERIFY and s.attempts[Step.VERIFY] == 2)
        assert [o.answer[:8] for o in desk.inbox.orders(incident) if o.id == order] == ["not done"]
        assert [r.kind for r in state.records][-2:] != ["step.ended"]
        assert desk.order(incident, "skip", step="verify") == "verify left out"
        assert Step.REPORT in desk.rest(incident).ends


def test_an_order_half_followed_is_finished_and_not_done_again(office: Office) -> None:
    """The process died behind the first of the four records of a skip: the next one writes the other three."""
    with working(office) as desk:
        incident = desk.alert(alert(0, rule="d", remote=13), most="ask")
        desk.rest(incident)
    inbox = Inbox(office.folder / ".hemostat" / "inbox.db")
    inbox.order(incident, "skip", {"step": "triage"}, "anna")
    (order,) = inbox.pending()
    with reopened(office.reports / incident) as case:
        case.record("order", order=order.id, asked="skip", by="anna", arguments={"step": "triage"})
        case.record("step.skipped", order=order.id, step="triage", by="anna", reason="triage was skipped")
    with reopened(office.reports / incident) as case:
        orders.follow(case, inbox)
        orders.follow(case, inbox)
        assert orders.answered(case, order) == "triage, collect, cleanup, verify left out"
        kinds = [r.data["step"] for r in case.state.records if r.kind == "step.skipped"]
    assert kinds == ["triage", "collect", "cleanup", "verify"]
    assert inbox.pending() == []
    inbox.close()


def test_a_listener_that_fails_fails_nothing(desk: Desk) -> None:
    """As when the reader of serve's output is gone (rich then ends the thread), or its disk is full: every alert is still blocked."""

    def ends(_event: Event, _folder: Path) -> None:
        raise SystemExit(1)

    def full(_event: Event, _folder: Path) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    for listener in (ends, full):
        desk.worker.subscribe(listener)
    incident = desk.alert(alert(0, rule="p", remote=41))
    desk.until(incident, lambda s: s.done(Step.BLOCK))
    assert desk.rest(incident).attempts[Step.BLOCK] == 1
    assert desk.worker.alive


def test_an_incident_that_was_taken_away_kills_no_lane(desk: Desk, office: Office) -> None:
    """Nobody knows its host any more; it is a trouble that is told, and the next order for it is none for serve."""
    gone = office.reports / "20260101-000000-gone"
    gone.mkdir(parents=True)
    (gone / "journal.jsonl").write_text('{"data": {"incident": 5}}\n')
    desk.worker.ordered(gone.name, "resume")
    assert wait(lambda: bool(desk.worker.trouble(gone.name)), SOON)
    (gone / "journal.jsonl").unlink()
    desk.worker.ordered(gone.name, "resume")
    assert desk.worker.alive
    incident = desk.alert(alert(1, rule="g", remote=42))
    desk.until(incident, lambda s: s.done(Step.BLOCK))


def test_an_incident_that_was_taken_away_begins_anew_when_its_alert_comes_again(desk: Desk, office: Office) -> None:
    """A count on an incident that nobody can open is an alert lost."""
    incident = desk.alert(alert(2, rule="t", remote=43))
    desk.rest(incident)
    shutil.rmtree(office.reports / incident)
    assert desk.alert(alert(2, 1, rule="t", remote=43)) == incident
    desk.until(incident, lambda s: s.done(Step.BLOCK))
    assert [r.data["count"] for r in desk.rest(incident).records if r.kind == "alerts"] == [2]


def test_what_the_inbox_knows_comes_into_the_journal(desk: Desk) -> None:
    """The earlier incident of the host, and how many alerts there were."""
    old = desk.alert(alert(1, rule="e", remote=14))
    new = desk.alert(alert(1, 1, "e", remote=77), alert(1, 2, "e", remote=77), alert(1, 3, "e", remote=77))
    state = desk.rest(new)
    assert [r.data["incident"] for r in state.records if r.kind == "linked"] == [old]
    assert [r.data["count"] for r in state.records if r.kind == "alerts"] == [3]


def test_a_broken_file_is_waited_out(desk: Desk) -> None:
    """Somebody edits the inventory badly while an alert comes in: it is kept, tried again, and goes on once that is mended."""
    hosts = desk.office.folder / "inventory" / "hosts.yaml"
    good = hosts.read_text()
    known = sites.load(desk.office.folder)
    hosts.write_text(good + "oops: [\n")
    found = alerts.parse("plain", json.dumps(alert(2, rule="f", remote=15)).encode(), known.policy.inside)
    (ticket,) = desk.inbox.accept(doors.items(known, found, "desk", Sender("plain", "env:X")))
    desk.worker.alerted(ticket.incident, "h002")
    assert wait(lambda: "hosts.yaml" in desk.worker.trouble(ticket.incident), SOON)
    hosts.write_text(good)
    state = desk.until(ticket.incident, lambda s: Step.BLOCK in s.ends)
    assert state.ends[Step.BLOCK].outcome.finished
    desk.rest(ticket.incident)
    assert desk.worker.trouble(ticket.incident) == ""


def test_a_block_that_reached_no_device_is_tried_again_when_the_alert_comes_again(office: Office) -> None:
    """The firewall was away; the beacon goes on, the sensor says so again, and now the firewall is there: no person is needed."""
    file = office.folder / "inventory" / "hosts.yaml"
    good = file.read_text()
    office.write("inventory/hosts.yaml", {"asa": {"port": 1}})
    with working(office) as desk:
        incident = desk.alert(alert(0, 1, "g", remote=16))
        assert desk.rest(incident).ends[Step.BLOCK].outcome is Outcome.UNREACHABLE
    file.write_text(good)
    with working(office) as desk:
        assert desk.rest(incident).ends[Step.BLOCK].outcome is Outcome.UNREACHABLE, "a restart alone is no news"
        desk.alert(alert(0, 2, "g", remote=16))
        state = desk.until(incident, lambda s: s.ends[Step.BLOCK].outcome is Outcome.DONE)
        desk.rest(incident)
        assert [r.data["why"] for r in state.records if r.kind == "goes.on"] != []


def test_a_step_that_was_cut_off_ten_times_waits_for_a_person(office: Office) -> None:
    """It may be what kills the process; all other incidents must be served."""
    with working(office) as desk:
        incident = desk.alert(alert(1, rule="h", remote=17), most="ask")
        desk.rest(incident)
    with reopened(office.reports / incident) as case:
        case.record("step.started", step="block", attempt=9)
        assert orders.goes_on(case.state)
        case.record("step.started", step="block", attempt=10)
        assert not orders.goes_on(case.state)
        case.record("resumed", by="anna", reason="")
        assert orders.goes_on(case.state)


def test_a_slow_firewall_holds_up_no_other(lab: Range, office: Office, tmp_path: Path) -> None:
    """Twelve incidents stand before a device that takes its time; one of another device is contained meanwhile."""
    with Range(tmp_path / "other", "keepalive", 5.0) as other:
        twin = Office(tmp_path / "twin", other)
        twin.furnish(1)
        hosts = json.loads(json.dumps(_read(twin)))
        office.write(
            "inventory/hosts.yaml", {"quick-asa": {**hosts["asa"], "password": "env:OTHER", "secret": "env:OTHER_2"}}
        )
        office.write("inventory/hosts.yaml", {"h002": {"firewalls": ["quick-asa"]}})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OTHER", other.plan.password)
            patch.setenv("OTHER_2", other.plan.secret)
            lab.faults(delay=2.0)
            with working(office) as desk:
                slow = [desk.alert(alert(0, n, f"s{n}", remote=100 + n)) for n in range(12)]
                quick = desk.alert(alert(2, 0, "q", remote=200))
                desk.until(quick, lambda s: s.ends.get(Step.BLOCK))
                waiting = [i for i in slow if not (office.reports / i / "journal.jsonl").exists()]
                lab.faults()
                assert len(waiting) >= 8, f"the quick one waited until {12 - len(waiting)} slow ones had begun"
                for incident in slow:
                    desk.until(incident, lambda s: s.ends.get(Step.BLOCK))


def _read(office: Office) -> Json:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(office.folder / "inventory" / "hosts.yaml")


def test_playbooks_of_these_tests_are_fast() -> None:
    """They wait for no real beacon: a slow test is a wrong one."""
    assert FAST["verify"]["at_most"] < 1
