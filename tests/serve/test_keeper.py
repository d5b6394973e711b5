"""What serve does on its own: it ends blocks whose time is over, and nothing of one incident hinders another."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from flows.inbox import Inbox
from flows.keeper import Expiry, Keeper
from tasks.case import reopened
from tests.cli.house import CODE
from tests.patience import BUSY
from tests.serve.house import Office, Serve, alert, wait
from tests.serve.test_worker import SOON, Desk

pytestmark = pytest.mark.lab


def test_a_block_ends_when_its_time_is_over_whatever_else_lies_about(office: Office) -> None:
    """A damaged incident beside it, and one whose block has no end; an incident that is held is looked at again later."""
    desk = Desk(office)
    desk.worker.start()
    forever = desk.alert(alert(0, rule="a", remote=30))
    desk.rest(forever)
    office.write("playbooks/beacon.yaml", {"block": {"minutes": 60}})
    timed = desk.alert(alert(1, rule="a", remote=31))
    desk.rest(timed)
    desk.worker.stop(SOON * BUSY)
    desk.inbox.close()
    (office.reports / "0-damaged").mkdir()
    (office.reports / "0-damaged" / "journal.jsonl").write_text("no record\n")

    expiry, now = Expiry(office.reports), datetime.now(UTC)
    expiry.run(now)
    assert _denied(office) == {30: True, 31: True}, "its hour is not over"
    later = now + timedelta(minutes=61)
    with reopened(office.reports / timed):
        expiry.run(later)
    assert _denied(office) == {30: True, 31: True} and set(expiry.troubles) == {"0-damaged", timed}
    expiry.run(later)
    assert _denied(office) == {30: True, 31: False} and set(expiry.troubles) == {"0-damaged"}
    assert office.state(timed).standing == [] and office.state(forever).standing != []


def test_a_beacon_that_comes_back_after_its_block_is_blocked_anew(office: Office) -> None:
    """Counted as a duplicate of an incident whose block has ended, it would call home undisturbed for a day."""
    office.write("playbooks/beacon.yaml", {"block": {"minutes": 60}})
    desk = Desk(office)
    desk.worker.start()
    first = desk.alert(alert(1, rule="a", remote=31))
    desk.rest(first)
    assert desk.alert(alert(1, 1, rule="a", remote=31)) == first
    Expiry(office.reports, desk.inbox.part).run(datetime.now(UTC) + timedelta(minutes=61))
    assert not _denied(office)[31]
    second = desk.alert(alert(1, rule="a", remote=31))
    assert second != first and desk.rest(second).standing
    assert _denied(office)[31]
    desk.worker.stop(SOON * BUSY)
    desk.inbox.close()


EXPIRE = """
import datetime, flows.runs
from flows.cli import main
class Later(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) + datetime.timedelta(minutes=61)
flows.runs.datetime = Later
main()
"""


def test_the_command_from_cron_tells_the_inbox_of_a_serve_that_runs_beside_it(office: Office) -> None:
    """`hemostat expire` ends the block; the same alert then is news for serve, and is blocked anew, instead of a duplicate."""
    office.write("playbooks/beacon.yaml", {"block": {"minutes": 60}})
    with Serve(office) as serve:
        first = serve.post(alert(1, rule="a", remote=33)).json()["incidents"][0]["id"]
        assert serve.idle(30)
        assert serve.post(alert(1, 1, rule="a", remote=33)).json()["incidents"][0]["id"] == first
        assert serve.idle(30)
        done = subprocess.run(
            [sys.executable, "-c", EXPIRE, "expire", "--site", str(office.folder), "--json"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(office.folder),
                "PYTHONPATH": str(CODE),
                **office.lab.environment,
            },
            capture_output=True,
            text=True,
            timeout=60 * BUSY,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert office.state(first).standing == []
        second = serve.post(alert(1, 2, rule="a", remote=33)).json()["incidents"][0]["id"]
        assert second != first
        assert serve.idle(30)
        assert office.state(second).standing


def test_an_incident_without_a_timed_block_is_not_read_again(office: Office) -> None:
    """A minute later there is nothing to do with a thousand journals that have not changed."""
    desk = Desk(office)
    desk.worker.start()
    incident = desk.alert(alert(2, rule="a", remote=32))
    desk.rest(incident)
    desk.worker.stop(SOON * BUSY)
    desk.inbox.close()
    expiry, journal = Expiry(office.reports), office.reports / incident / "journal.jsonl"
    expiry.run(datetime.now(UTC))
    stamp = journal.stat()
    journal.write_text("damaged, but with the time of before\n")
    os.utime(journal, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    expiry.run(datetime.now(UTC))
    assert expiry.troubles == {}


def test_the_keeper_works_by_itself(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread looks every minute, which is a moment here, and ends when it is told."""
    monkeypatch.setattr("flows.keeper.EVERY", 0.05)
    inbox = Inbox(office.folder / "inbox.db")
    keeper = Keeper(inbox, Expiry(office.reports), None)
    (office.reports / "0-damaged").mkdir(parents=True)
    (office.reports / "0-damaged" / "journal.jsonl").write_text("no record\n")
    keeper.start()
    assert wait(lambda: "0-damaged" in keeper.expiry.troubles, 10)
    keeper.stop()
    inbox.close()
    assert not any(thread.is_alive() for thread in keeper._threads)


def _denied(office: Office) -> dict[int, bool]:
    running = office.lab.device_state()["running"]
    return {number: f"network-object host 203.0.113.{number + 1}\n" in running for number in (30, 31)}
