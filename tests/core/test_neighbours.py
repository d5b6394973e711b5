"""Time to live, shared blocks and widely used remotes: what one incident owes the others. On a real device of the laboratory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.doors import by_alert
from flows.launch import Launch, urgent
from lab.range import Range
from tasks import expire, neighbours, undo
from tasks.case import Case, load_state, opened, reopened
from tasks.journal import Journal
from tasks.model import Approval, Mode, Most, Outcome, Refused, Step

pytestmark = pytest.mark.lab
LATER = timedelta(minutes=31)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Range]:
    with Range(tmp_path / "range", "keepalive", 0.2) as range_:
        for name, value in range_.environment.items():
            monkeypatch.setenv(name, value)
        range_.write_site(tmp_path / "site")
        yield range_


def blocked(lab: Range, folder: Path, minutes: int) -> Path:
    """An incident on the range's beacon with its block proved, and a time to live."""
    site, (request,) = by_alert(folder / "site", "suricata", lab.alert(), Mode.DRILL)
    book = request.playbook
    quick = replace(
        book,
        confirm=replace(book.confirm, window=0.2, when_unsure="block"),
        block=replace(book.block, minutes=minutes, save=False),
    )
    with opened(folder / "reports", site, replace(request, playbook=quick)) as case:
        urgent(case, Launch())
        assert case.state.done(Step.BLOCK), case.state.ends
        return case.folder


def as_live(case: Case) -> None:
    """A drill's incidents never expire, for their laboratory is gone; this one's stands, so it may."""
    case.state.incident = replace(case.state.incident, mode=Mode.LIVE)


def listed(lab: Range) -> bool:
    return f"network-object host {lab.remote.address}" in str(lab.device_state()["running"])


def test_a_block_ends_when_its_time_is_over_and_not_before(lab: Range, tmp_path: Path) -> None:
    """The ASA has no timed entries: hemostat's own clock takes the entry out, once, and journals it."""
    folder = blocked(lab, tmp_path, 30)
    with reopened(folder) as case:
        as_live(case)
        assert expire.run(case, datetime.now(UTC)) == []
        assert listed(lab)
        (result,) = expire.run(case, datetime.now(UTC) + LATER)
        assert result.back, result.why
        assert not listed(lab)
        assert expire.run(case, datetime.now(UTC) + LATER) == [], "it expired twice"
    assert not load_state(folder).standing


def test_a_block_without_a_time_to_live_never_expires(lab: Range, tmp_path: Path) -> None:
    """minutes: 0 is until undone."""
    with reopened(blocked(lab, tmp_path, 0)) as case:
        as_live(case)
        assert expire.due(case.state, datetime.now(UTC) + timedelta(days=3650)) == []


def test_a_block_that_another_incident_stands_on_stays(lab: Range, tmp_path: Path) -> None:
    """The second incident found the entry there. It outlives the first one's time and undo, until the second lets it go."""
    first = blocked(lab, tmp_path, 30)
    second = blocked(lab, tmp_path, 0)
    with reopened(first) as case:
        as_live(case)
        (result,) = expire.run(case, datetime.now(UTC) + LATER)
        assert not result.back
        assert second.name in result.why
        case.record("override", word="unverified", by="test")
        with pytest.raises(Refused) as caught:
            undo.run(case, [Step.BLOCK], Approval.AUTO)
        assert (caught.value.guard, caught.value.override) == ("shared-block", "shared")
    assert listed(lab)
    with reopened(second) as case:
        case.record("override", word="unverified", by="test")
        assert undo.run(case, [Step.BLOCK], Approval.AUTO) == [], "what was there before is not ours to take"
    with reopened(first) as case:
        (result,) = undo.run(case, [Step.BLOCK], Approval.AUTO)
        assert result.back, result.why
    assert not listed(lab)


def test_a_remote_that_many_hosts_met_waits_for_a_person(lab: Range, tmp_path: Path) -> None:
    """Three other hosts had incidents with the same address: it may be everyone's service, so the block asks."""
    folder = blocked(lab, tmp_path, 0)
    for number in range(3):
        _copy_as(folder, f"20260101-00000{number}-dead", f"host-{number}")
    assert neighbours.hosts_with(folder, lab.remote) == ["host-0", "host-1", "host-2"]
    site, (request,) = by_alert(tmp_path / "site", "suricata", lab.alert(), Mode.DRILL)
    with opened(tmp_path / "reports", site, request) as case:
        as_live(case)
        from tasks.block import _rule
        from tasks.model import Decision, Verdict

        assert _rule(case, Verdict(Decision.CONFIRMED, 95, ()), True) is Approval.ASK
    assert Outcome.WAITING.finished is False


def test_a_sender_that_may_not_act_makes_no_block_wait(lab: Range, tmp_path: Path) -> None:
    """Its word that three hosts met the remote would keep everybody else's sensor from blocking it."""
    folder = blocked(lab, tmp_path, 0)
    for number, most in enumerate(("open", "ask", "playbook")):
        _copy_as(folder, f"20260101-00000{number}-dead", f"host-{number}", most)
    assert neighbours.hosts_with(folder, lab.remote, trusted=True) == ["host-2"]
    assert len(neighbours.hosts_with(folder, lab.remote)) == 3, "whoever approves is told of all"


def _copy_as(folder: Path, name: str, host: str, most: Most = "playbook") -> None:
    """Another incident's journal with the same remote and another host."""
    state = load_state(folder)
    incident = replace(state.incident, id=name, host=host, most=most)
    with closing(Journal(folder.parent / name)) as copy:
        copy.append("incident.opened", incident=incident, host={"name": host})
