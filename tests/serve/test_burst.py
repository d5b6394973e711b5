"""A burst of alerts while serve dies by SIGKILL again and again: none lost, none doubled, no act twice, approvals kept.

HEMOSTAT_BURST=all takes 1,000 alerts of 100 incidents; else it is a fifth of that. Every host is this machine with an empty folder for /,
so that all seven steps run; what is behind them is one laboratory ASA, whose command accounting is the witness.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from flows.inbox import Inbox
from flows.orders import goes_on
from lab.range import Range
from tasks.audit import audit
from tasks.model import Json, Outcome, Result, Step
from tests.serve.house import FAST, Office, Serve, alert, wait

pytestmark = pytest.mark.lab

HOSTS = 100 if os.environ.get("HEMOSTAT_BURST") == "all" else 20
EACH = 10
KILLS = 5
# Every so many hosts' alerts want a person's yes before the block.
ASKED = 5
ENDS_WITHIN = 600.0 if HOSTS == 100 else 120.0


@dataclass
class Sensor:
    """Sends every alert until it is acknowledged, as sensors do; it does not know that serve dies."""

    serve: Serve
    alerts: list[Json]
    acknowledged: int = 0
    refused: list[str] = field(default_factory=list)

    def run(self) -> None:
        rng = random.Random(6)
        rest = list(self.alerts)
        rng.shuffle(rest)
        while rest:
            some = rest[: rng.randint(1, 2 * HOSTS // 5)]
            self._until_taken(some)
            del rest[: len(some)]
            self.acknowledged += len(some)

    def _until_taken(self, some: list[Json]) -> None:
        def taken() -> bool:
            try:
                answer = self.serve.post(*some)
            except (httpx.HTTPError, RuntimeError):
                return False  # nobody there, or the answer was cut off: send it again
            if answer.status_code not in (202, 429, 503):
                self.refused.append(answer.text)
            return answer.status_code not in (429, 503)  # both say: again, later

        assert wait(taken, 60), "serve did not come back"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The site, before a laboratory ASA."""
    folder = tmp_path_factory.mktemp("burst")
    with Range(folder / "range", "keepalive", 5.0) as lab:
        office = Office(folder / "site", lab)
        office.furnish(HOSTS)
        ask = {**FAST, "signatures": ["ask *"], "approvals": {"block": "ask", "cleanup": "auto"}}
        office.write("playbooks/ask.yaml", ask)
        yield office


def rule(host: int) -> str:
    return "ask first" if host % ASKED == 0 else "calls home"


def test_nothing_is_lost_or_doubled_by_five_deaths(office: Office) -> None:
    """What the sensor was told was taken stands once in the inbox, once in the reports, once in the firewall."""
    serve = Serve(office, words=())
    sensor = Sensor(serve, [alert(host, event, rule(host)) for host in range(HOSTS) for event in range(EACH)])
    with serve:
        sending = threading.Thread(target=sensor.run)
        sending.start()
        for number in range(1, KILLS + 1):
            assert wait(lambda share=number / (KILLS + 1): sensor.acknowledged >= share * len(sensor.alerts), 60)
            if number == 2:
                serve.child("-m prefect").kill()
            serve.kill()
            _approve(office)
            serve.start()
        sending.join(120)
        assert wait(lambda: _asked_is_all(office), ENDS_WITHIN), "not every incident that must ask has asked"
        serve.kill(signal.SIGTERM)
        _approve(office)
        serve.start()
        assert wait(lambda: _quiet(serve), ENDS_WITHIN), f"it does not come to rest: {serve.health()}"
    assert sensor.refused == []
    _each_once(office)


def _approve(office: Office) -> None:
    """A person says yes to every plan that waits, while nobody is there to hear it."""
    inbox = Inbox(office.folder / ".hemostat" / "inbox.db")
    for folder in office.folders:
        state = office.state(folder.name)
        if (plan := state.plans.get(Step.BLOCK)) and plan.digest in state.asked and not state.approvals:
            inbox.order(folder.name, "approve", {"digest": plan.digest, "reason": "seen"}, "anna", key=plan.digest)
    inbox.close()


def _asked_is_all(office: Office) -> bool:
    asked = [
        s for f in office.folders if (s := office.state(f.name)).incident.playbook == "ask" and s.asked | s.approvals
    ]
    return len(asked) == len(range(0, HOSTS, ASKED))


def _quiet(serve: Serve) -> bool:
    told = serve.health()["worker"]
    return not any(told[key] for key in ("urgent", "later", "in work"))


def _each_once(office: Office) -> None:
    inbox = Inbox(office.folder / ".hemostat" / "inbox.db")
    entries, waiting = inbox.entries(), inbox.pending()
    inbox.close()
    assert waiting == [], "these orders were not followed"
    assert Counter(e.item.host for e in entries.values()) == {f"h{n:03}": 1 for n in range(HOSTS)}
    assert {e.count for e in entries.values()} == {EACH}, "an alert was lost or counted twice"
    assert {f.name for f in office.folders} == set(entries), "an incident has no folder, or a folder no alert"
    assert Counter(office.denied()) == {f"203.0.113.{n + 1}": 1 for n in range(HOSTS)}, "by the firewall's own account"
    for name, entry in entries.items():
        _went_well(office, name, entry.item.playbook)


def _went_well(office: Office, name: str, playbook: str) -> None:
    state = office.state(name)
    assert not goes_on(state), f"{name} was left in the middle"
    assert state.ends[Step.BLOCK].outcome is Outcome.DONE, state.ends[Step.BLOCK]
    assert Step.VERIFY in state.ends, f"{name} did not go on behind the block: {state.ends}"
    bad = [check for check in audit(office.reports / name) if check.result is Result.FAIL]
    assert not bad, f"the record of {name} is not whole: {bad}"
    given = [r.data["by"] for r in state.records if r.kind == "approval.given"]
    assert given == (["anna"] if playbook == "ask" else []), f"{name}: approvals {given}"
    told = [r.data["receipt"]["changed"] for r in state.records if r.kind == "receipt"]
    assert told == [True], f"{name}: receipts {told}"
