"""Notifications to a real HTTP receiver that fails, stalls, hangs up and says 429; and what kill -9 leaves to be told."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows import notify as notifying
from flows.notify import Notifier
from flows.outbox import Outbox
from tasks.journal import Journal
from tasks.model import Incident, Mode, Outcome, Remote
from tasks.notices import notices
from tasks.secrets import Secret
from tasks.serving import Notify, Serve
from tests.cli.house import CODE
from tests.patience import BUSY, until
from tests.serve.receiver import Receiver

pytestmark = pytest.mark.lab


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def incident(reports: Path, name: str = "one", mode: Mode = Mode.LIVE) -> Journal:
    """A journal that opens now; more may be written to it."""
    journal = Journal(reports / name)
    opened = Incident(name, "web-1", Remote.parse("203.0.113.9:443"), "beacon", "", "ops", mode, "", datetime.now(UTC))
    journal.append("incident.opened", incident=opened, host={})
    return journal


def ends(journal: Journal, outcome: Outcome = Outcome.DONE, step: str = "block") -> None:
    journal.append("step.ended", step=step, outcome=outcome, summary="so it is", next="")


@contextmanager
def notifier(
    folder: Path,
    receiver: Receiver,
    shape: Any = "json",
    targets: dict[str, Notify] | None = None,
    first_pause: float = 0.05,
) -> Iterator[Notifier]:
    """One that runs, with quick pauses; the target was there before, so that what happened meanwhile is news."""
    outbox = Outbox(folder / "inbox.db")
    serve = Serve(notify=targets or {"chat": Notify(shape, "env:URL")})
    outbox.targets(serve.notify)
    secrets = {"env:URL": receiver.url, "env:BAD": "http://127.0.0.1:9/s3cr3t", "env:NOT": "not a url s3cr3t"}
    made = Notifier(
        folder / "reports", outbox, serve, "http://pages", lambda name: Secret(secrets[name]), first_pause=first_pause
    )
    (folder / "reports").mkdir(exist_ok=True)
    made.start()
    try:
        yield made
    finally:
        made.stop(10 * BUSY)
        outbox.close()


def events(receiver: Receiver) -> list[str]:
    return [got.json["event"] for got in receiver.got]


def test_each_event_is_told_once_and_links_the_incident(receiver: Receiver, tmp_path: Path) -> None:
    """As the run goes on, in the order in which it happened."""
    with notifier(tmp_path, receiver) as telling:
        story = incident(tmp_path / "reports")
        telling.tell("opened", tmp_path)
        receiver.wait(1)
        for step, outcome in (("block", Outcome.DONE), ("triage", Outcome.UNREACHABLE), ("report", Outcome.DONE)):
            ends(story, outcome, step)
            telling.tell("contained", tmp_path)
        receiver.wait(4)
        assert until(lambda: telling.outbox.waiting() == 0, 5)
    assert events(receiver) == ["opened", "contained", "failed", "closed"]
    assert receiver.got[0].json["url"].startswith("http://pages/incidents/")
    assert receiver.got[0].headers["Content-Type"] == "application/json"


def test_only_the_wanted_events_are_told_and_no_drill(receiver: Receiver, tmp_path: Path) -> None:
    """`events` of the target; a drill is a laboratory's."""
    with notifier(tmp_path, receiver, targets={"chat": Notify("json", "env:URL", events=("contained",))}) as telling:
        ends(incident(tmp_path / "reports", "drill", Mode.DRILL))
        ends(incident(tmp_path / "reports", "live"))
        telling.tell("contained", tmp_path)
        receiver.wait(1)
        assert until(lambda: telling.outbox.waiting() == 0, 5)
    assert events(receiver) == ["contained"]


@pytest.mark.parametrize("moods", [[500, 503], ["cut"], [404], [301], ["stall"], [{"code": 19021}]], ids=str)
def test_a_receiver_that_fails_is_told_again(
    moods: list[Any], receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors, a hang-up, a redirect (not followed), no answer, a refusal inside a 200."""
    if moods == ["stall"]:
        monkeypatch.setattr(notifying, "ANSWER_WITHIN", 0.3)
    receiver.moods = deque(moods)
    with notifier(tmp_path, receiver, "feishu") as telling:
        incident(tmp_path / "reports")
        telling.tell("opened", tmp_path)
        receiver.wait(1)
        monkeypatch.setattr(notifying, "ANSWER_WITHIN", 10 * BUSY)
        receiver.wait(len(moods) + 1)
        assert until(lambda: telling.outbox.waiting() == 0, 5)
    assert len({got.body for got in receiver.got}) == 1
    # Whoever still waited 0.3 s for the second answer may have missed it on a busy machine, and has asked once more.
    assert len(receiver.got) == len(moods) + 1 or (moods == ["stall"] and len(receiver.got) > 2)


def test_a_429_is_obeyed(receiver: Receiver, tmp_path: Path) -> None:
    """Retry-After is longer than our own pause; nothing else is sent meanwhile."""
    receiver.moods, receiver.retry_after = deque([429]), "1"
    with notifier(tmp_path, receiver) as telling:
        ends(incident(tmp_path / "reports"))
        telling.tell("opened", tmp_path)
        receiver.wait(3)
    first, second = receiver.got[:2]
    assert second.at - first.at >= 0.95
    assert events(receiver) == ["opened", "opened", "contained"]


def test_one_bad_notice_holds_no_other_up(receiver: Receiver, tmp_path: Path) -> None:
    """The chat refuses one with 400, again and again; the next one gets through."""
    receiver.moods = deque([400, 200, 400])
    # A pause that no slow disk fills: else the refused one's turn comes again before the next one's.
    with notifier(tmp_path, receiver, first_pause=2.0) as telling:
        ends(incident(tmp_path / "reports"))
        telling.tell("opened", tmp_path)
        receiver.wait(4)
        assert until(lambda: telling.outbox.waiting() == 0, 5)
    assert events(receiver) == ["opened", "contained", "opened", "opened"]


def test_a_target_that_is_dead_holds_no_other_up_and_no_secret_is_logged(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One refuses connections, one has no URL for a URL, one's secret is missing; the fourth is told at once. No log has a URL."""
    targets = {
        "dead": Notify("json", "env:BAD"), "wrong": Notify("slack", "env:NOT"), "good": Notify("json", "env:URL"),
    }  # fmt: skip
    receiver.moods = deque([500])
    with caplog.at_level(logging.DEBUG), notifier(tmp_path, receiver, targets=targets) as telling:
        incident(tmp_path / "reports")
        telling.tell("opened", tmp_path)
        receiver.wait(2)
        assert until(lambda: "dead: " in caplog.text and "wrong: " in caplog.text, 5)
        assert until(lambda: telling.outbox.waiting() == 2, 5), "the good target's notice does not end"
    assert "s3cr3t" not in caplog.text and "/hook/" not in caplog.text


def test_a_step_never_waits_for_a_chat(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tell` returns while the receiver stalls: a thousand times within one attempt, which takes as long as the test lets it."""
    monkeypatch.setattr(notifying, "ANSWER_WITHIN", 300.0)
    receiver.moods = deque(["stall"])
    with notifier(tmp_path, receiver) as telling:
        incident(tmp_path / "reports")
        telling.tell("opened", tmp_path)
        receiver.wait(1)
        for _ in range(1000):
            telling.tell("contained", tmp_path)
        assert len(receiver.got) == 1 and telling.outbox.waiting() == 1, "the first attempt should still be under way"
        receiver.free()
        assert until(lambda: telling.outbox.waiting() == 0, 5)


def test_a_new_target_is_not_told_the_past(tmp_path: Path) -> None:
    """Who adds a chat does not get yesterday's incidents; what happens from then on, it does."""
    journal = incident(tmp_path)
    outbox = Outbox(tmp_path / "inbox.db")
    outbox.targets(["new"])
    ends(journal)
    assert outbox.put("new", notices(journal.records)) == 1
    assert outbox.put("new", notices(journal.records)) == 0
    outbox.targets([])
    outbox.targets(["new"])
    assert outbox.put("new", notices(journal.records)) == 0


def test_an_incident_of_the_command_line_is_told_too(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody calls `tell`: the journals are looked at from time to time."""
    monkeypatch.setattr(notifying, "LOOK_EVERY", 0.1)
    with notifier(tmp_path, receiver):
        incident(tmp_path / "reports")
        assert receiver.wait(1)[0].json["event"] == "opened"


PROCESS = """
import sys
from pathlib import Path
from flows.notify import Notifier
from flows.outbox import Outbox
from tasks.serving import Notify, Serve
folder = Path(sys.argv[1])
serve = Serve(notify={"chat": Notify("json", "env:URL")})
Notifier(folder / "reports", Outbox(folder / "inbox.db"), serve, first_pause=0.02).start()
print("up", flush=True)
sys.stdin.read()
"""


def test_kill_9_loses_none(receiver: Receiver, tmp_path: Path) -> None:
    """Ten incidents, six SIGKILLs of the teller at any moment while the receiver fails half of the time: each event arrives."""
    outbox = Outbox(tmp_path / "inbox.db")
    outbox.targets(["chat"])
    outbox.close()
    receiver.moods = deque([500, 200, "cut", 200] * 10)
    names = [f"i{number}" for number in range(10)]
    for name in names:
        ends(incident(tmp_path / "reports", name))
    for pause in (0.0, 0.05, 0.1, 0.2, 0.3, 0.4):
        with process(tmp_path, receiver.url):
            time.sleep(pause)
    with process(tmp_path, receiver.url):
        look = Outbox(tmp_path / "inbox.db")
        assert until(lambda: len(told(look)) == 20, 30), f"{look.waiting()} are left, {len(told(look))} were told"
        look.close()
    arrived = {(got.json["incident"], got.json["event"]) for got in receiver.got}
    assert arrived == {(name, event) for name in names for event in ("opened", "contained")}


def told(outbox: Outbox) -> list[str]:
    return [row["id"] for row in outbox._read("SELECT id FROM notice WHERE ended IS NOT NULL")]


@contextmanager
def process(folder: Path, url: str) -> Iterator[None]:
    """The teller as a process of its own, ended by SIGKILL."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CODE), "URL": url}
    running = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(folder)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert running.stdout and running.stdout.readline() == b"up\n"
        yield
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=10 * BUSY)
