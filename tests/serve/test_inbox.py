"""The inbox: what folds into what, what is taken whole, and what is on the disk when it says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.inbox import Inbox, Item, NoRoom
from tasks.model import Alert, Remote
from tests.cli.house import CODE

NOW = datetime(2026, 1, 1, 3, tzinfo=UTC)


class Clock:
    """Time that a test moves."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(tmp_path: Path, clock: Clock) -> Iterator[Inbox]:
    made = Inbox(tmp_path / "inbox.db", duplicate_hours=2, clock=clock)
    yield made
    made.close()


def item(event: str, host: str = "web", remote: str = "203.0.113.9", signature: str = "beacon") -> Item:
    """One alert of a sender named desk."""
    return Item(Alert("plain", event, host, Remote.parse(remote), signature, NOW), host, "beacon", "desk")


def test_alerts_of_one_kind_fold_into_one_incident_and_are_counted(inbox: Inbox, clock: Clock) -> None:
    """The same host, remote and signature; the last time is kept, and the answer names the incident."""
    (first,) = inbox.accept([item("1")])
    clock.now += timedelta(minutes=5)
    (second,) = inbox.accept([item("2")])
    assert (first.duplicate, first.count, second.duplicate, second.count) == (False, 1, True, 2)
    assert second.incident == first.incident and second.path == f"/incidents/{first.incident}"
    entry = inbox.entry(first.incident)
    assert entry and (entry.first, entry.last, entry.count) == (NOW, clock.now, 2)


def test_a_second_delivery_of_one_event_is_no_second_alert(inbox: Inbox) -> None:
    """A sender that saw no answer sends again: nothing is counted twice, also when a body holds it twice."""
    first = inbox.accept([item("1"), item("1")])
    again = inbox.accept([item("1")])
    assert [t.count for t in (*first, *again)] == [1, 1, 1]
    assert {t.incident for t in (*first, *again)} == {first[0].incident}


def test_a_sensor_that_never_stops_fills_no_disk(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the first so many, events are counted and not kept; what is known still counts once."""
    monkeypatch.setattr("flows.inbox.TOLD_APART", 3)
    tickets = inbox.accept([item(str(number)) for number in range(10)] + [item("1")])
    assert [t.count for t in tickets] == [*range(1, 11), 10]
    assert inbox._db.execute("SELECT count(*) FROM event").fetchone() == (3,)


def test_an_event_id_does_not_hide_another_host_or_remote(inbox: Inbox) -> None:
    """Sentinel and Alertmanager tell of many under one id: each is an incident."""
    tickets = inbox.accept([item("1"), item("1", host="db"), item("1", remote="203.0.113.10")])
    assert len({t.incident for t in tickets}) == 3


def test_a_sender_that_may_more_is_not_lost_in_one_that_may_less(inbox: Inbox) -> None:
    """The same alert of two senders: where the one only opens and the other blocks, each has its incident."""
    weak, strong = replace(item("1"), most="open"), item("1")
    other = replace(item("1"), playbook="watch")
    tickets = [inbox.accept([one])[0] for one in (weak, strong, other, strong)]
    assert [t.duplicate for t in tickets] == [False, False, False, True]
    assert tickets[3].incident == tickets[1].incident


def test_a_new_remote_of_the_same_host_is_a_new_incident_that_names_the_old(inbox: Inbox) -> None:
    """The link is on the disk with the incident."""
    old, new, other = inbox.accept([item("1"), item("2", remote="203.0.113.10"), item("3", host="db")])
    entries = inbox.entries()
    assert [entries[t.incident].linked for t in (old, new, other)] == ["", old.incident, ""]


def test_a_closed_incident_takes_duplicates_for_a_time(inbox: Inbox, clock: Clock) -> None:
    """Two hours here; after that the same alert, even the same event, opens an incident: a beacon that came back is news."""
    (first,) = inbox.accept([item("1")])
    inbox.close_incident(first.incident)
    clock.now += timedelta(hours=1, minutes=59)
    (soon,) = inbox.accept([item("2")])
    clock.now += timedelta(minutes=2)
    (late,) = inbox.accept([item("1")])
    assert soon.incident == first.incident
    assert late.incident != first.incident and not late.duplicate
    assert inbox.unfinished() == [late.incident]


def test_a_body_is_taken_whole_or_not_at_all(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error at the third alert leaves nothing of the first two."""
    with pytest.raises(AttributeError):
        inbox.accept([item("1"), item("2", host="db"), None])  # type: ignore[list-item]
    assert inbox.figures() == {"alerts": 0, "incidents": 0, "open": 0, "orders": 0}


def test_a_name_that_is_no_unicode_comes_back_as_it_was(inbox: Inbox) -> None:
    """JSON can say half a surrogate pair; it is data like any other."""
    odd = replace(item("\udc80"), sender="desk")
    odd = replace(odd, alert=replace(odd.alert, signature="x\ud800'); DROP TABLE incident; --"))
    (ticket,) = inbox.accept([odd])
    entry = inbox.entry(ticket.incident)
    assert entry and entry.item == odd


def test_an_order_with_one_mark_is_one_order(inbox: Inbox) -> None:
    """A double click is one order; without a mark each is its own."""
    marked = {inbox.order("i", "redo", {"step": "block"}, "anna", key="form-1") for _ in range(2)}
    free = {inbox.order("i", "redo", {"step": "block"}, "anna") for _ in range(2)}
    assert (len(marked), len(free), len(inbox.pending("i"))) == (1, 2, 3)
    inbox.done(marked.pop(), "block runs again")
    inbox.done(inbox.pending()[0].id, "\ud800")
    assert [o.answer for o in inbox.orders("i")] == ["block runs again", "\\ud800", ""]


def test_old_events_are_forgotten_with_their_incident_closed(inbox: Inbox, clock: Clock) -> None:
    """The file does not grow for ever; an open incident forgets nothing."""
    closed, kept = inbox.accept([item("1"), item("2", host="db")])
    inbox.close_incident(closed.incident)
    clock.now += timedelta(days=31)
    inbox.forget()
    left = inbox._db.execute("SELECT incident FROM event").fetchall()
    assert left == [(kept.incident,)]


def test_what_was_taken_survives_kill(tmp_path: Path) -> None:
    """A process takes an alert and an order, says so, and is killed in the same breath."""
    code = f"""if True:
        import os, signal
        from pathlib import Path
        from tests.serve.test_inbox import item
        from flows.inbox import Inbox
        inbox = Inbox(Path({str(tmp_path / "inbox.db")!r}))
        ticket, = inbox.accept([item("1")])
        inbox.order(ticket.incident, "resume", {{}}, "anna")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    died = subprocess.run(
        [sys.executable, "-c", code], cwd=CODE, env={**os.environ, "PYTHONPATH": str(CODE)}, check=False
    )
    assert died.returncode == -signal.SIGKILL
    inbox = Inbox(tmp_path / "inbox.db")
    assert [o.incident for o in inbox.pending()] == inbox.unfinished() and inbox.unfinished()
    inbox.close()


def test_a_file_that_is_no_inbox_is_told(tmp_path: Path) -> None:
    """Neither silence nor a bare traceback: the file is named."""
    (tmp_path / "inbox.db").write_bytes(b"this is no database, and it is long enough to have a header" * 20)
    with pytest.raises(Exception, match=r"inbox\.db"):
        Inbox(tmp_path / "inbox.db")


def test_it_is_readable_for_its_owner_alone(inbox: Inbox) -> None:
    """Alerts may name what is nobody else's business."""
    inbox.accept([item("1")])
    modes = {path.name: path.stat().st_mode & 0o077 for path in inbox.path.parent.glob("inbox.db*")}
    assert set(modes.values()) == {0}, modes


def test_no_room_is_an_error_of_its_own() -> None:
    """The app makes 507 of it, and of nothing else."""
    assert NoRoom("write", "no space", "make room").outcome.name == "FAILED"
