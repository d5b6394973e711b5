"""Whole incidents over real WinRM when something is wrong: each ends honestly, in words, and nothing unseen is called clean."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.windows.range import Range
from lab.wsman import Cut, Faults
from tasks import remedies
from tasks.case import reopened
from tasks.facts import Unseen
from tasks.model import HemostatError, Outcome, Remote, Step
from tasks.remedies import Scope
from tasks.state import State, typed
from tasks.transports.winrm_hands import WinrmHands
from tasks.transports.winrm_wire import Wire
from tests.patience import BUSY, until
from tests.windows import ground

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy host is asked again at once."""
    monkeypatch.setattr(Wire, "busy_pause", 0.05)


def other_pin(range_: Range, folder: Path) -> None:
    """The host shows another certificate than the inventory pins."""
    assert range_.certificate is not None
    hosts = folder / "range" / "site" / "inventory" / "hosts.yaml"
    hosts.write_text(hosts.read_text().replace(range_.certificate.sha256, "ab" * 32))


def nothing(_range: Range, _folder: Path) -> None:
    """As it stands."""


# What is wrong, how triage ends, and what its message says.
WRONG: dict[str, tuple[Faults, Callable[[Range, Path], None], str, str]] = {
    "denied": (Faults(denied=True), nothing, "failed", "access is denied: the login is right"),
    "quota": (Faults(shells=0), nothing, "failed", "quota of remote shells or operations is used up"),
    "always busy": (Faults(busy=999), nothing, "failed", "it is busy (error 170)"),
    "a cut frame": (Faults(frame="cut"), nothing, "failed", "the answer is cut"),
    "a mixed frame": (Faults(frame="mixed"), nothing, "failed", "mixed with other output"),
    "a changed answer": (Faults(frame="hash"), nothing, "failed", "its hash is wrong"),
    "another web server": (Faults(page="<html>"), nothing, "unreachable", "is not WinRM (status 200, text/html)"),
    "another certificate": (Faults(), other_pin, "unreachable", "its certificate is not the pinned one"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_host_that_cannot_be_looked_at_is_blocked_and_told(name: str, tmp_path: Path) -> None:
    """The block stands, triage says what is wrong and what to do, and nobody says clean."""
    faults, prepare, outcome, says = WRONG[name]
    with ground.standing(tmp_path, "hidden_task", name == "another certificate", faults) as range_:
        prepare(range_, tmp_path)
        state = ground.looked(range_, tmp_path)
        end = state.ends[Step.TRIAGE]
        assert (state.ends[Step.BLOCK].outcome, end.outcome) == (Outcome.DONE, Outcome(outcome)), end
        assert says in end.summary
        assert end.next
        assert "clean" not in json.dumps([e.summary for e in state.ends.values()])
        assert range_.service.service.shells == {}


# What passes by itself: cut connections, a stall, a host that is busy once.
PASSES = {
    "cut": lambda r: r.faults.arm(*[Cut(at=at, after=at * 7) for at in (4, 15, 27)]),  # in their heads too
    "stall and busy": lambda r: (setattr(r.faults, "busy", 1), r.faults.arm(stalls={12: 1.0})),
}


@pytest.mark.parametrize("name", PASSES)
def test_what_passes_by_itself_loses_nothing(name: str, tmp_path: Path) -> None:
    """The same findings as on a quiet network."""
    with ground.standing(tmp_path, "hidden_task") as range_:
        PASSES[name](range_)
        state = ground.looked(range_, tmp_path)
        assert state.ends[Step.TRIAGE].outcome is Outcome.DONE, state.ends[Step.TRIAGE]
        assert set(range_.scenario.expect.found) <= loud(state)


def loud(state: State) -> set[str]:
    return {f.rule for f in state.findings if f.score >= 50}


def unseen(state: State) -> dict[str, str]:
    """What was told as not seen, and why."""
    rows = [typed(Unseen, row) for reading in state.readings for row in reading["unseen"]]
    return {row.what: row.why for row in rows}


def test_a_restarted_service_is_told_and_a_redo_goes_on(tmp_path: Path) -> None:
    """The shell is gone in the middle of triage: said so; the next attempt does it."""
    with ground.standing(tmp_path, "hidden_task") as range_:
        range_.faults.arm(Cut(at=6, action="Command", restart=True))
        state = ground.looked(range_, tmp_path)
        assert "its shell is gone in the middle" in state.ends[Step.TRIAGE].summary
        assert state.ends[Step.TRIAGE].outcome is Outcome.UNREACHABLE


@pytest.mark.parametrize("language", ["ConstrainedLanguage", "Denied"])
def test_console_tools_alone_see_the_talker_and_say_what_they_do_not(language: str, tmp_path: Path) -> None:
    """Chinese Windows, no script may run: netstat and tasklist in code page 936; all else is told as unseen, to the end."""
    faults = Faults(language=language, codepage=936)
    with ground.standing(tmp_path, "hidden_task", faults=faults) as range_:
        beacon = range_.host.processes[range_.host.beacon]
        range_.host.processes[beacon.pid] = replace(beacon, name="更新程序.exe")
        state = ground.run(range_, tmp_path)
        assert {"process.talks", "connection.remote"} <= loud(state)
        assert any("更新程序.exe" in f.what for f in state.findings)
        assert {"signatures and hashes", "files", "hidden processes", "events"} <= unseen(state).keys()
        assert state.ends[Step.CLEANUP].outcome is Outcome.NOTHING_TO_DO
        assert state.ends[Step.VERIFY].outcome is Outcome.FAILED
        assert range_.at_work("process")


def test_a_section_that_is_denied_is_told_and_loses_nothing_else(tmp_path: Path) -> None:
    """The registry may not be read: said so; tasks, files and processes are found all the same."""
    with ground.standing(tmp_path, "hidden_task") as range_:
        range_.host.broken["registry"] = "Requested registry access is not allowed."
        state = ground.looked(range_, tmp_path)
        assert unseen(state)["registry"] == "Requested registry access is not allowed."
        assert set(range_.scenario.expect.found) <= loud(state)
        assert "could not be seen" in state.ends[Step.TRIAGE].summary


@pytest.mark.parametrize("section", ["connections", "processes"])
def test_sockets_or_processes_that_cannot_be_seen_are_no_empty_host(section: str, tmp_path: Path) -> None:
    """A provider that hangs is a failed triage, not "no socket" or "no process"."""
    with ground.standing(tmp_path, "hidden_task") as range_:
        range_.host.broken[section] = "it did not end within 30.0 seconds; only what it had found by then is here"
        state = ground.looked(range_, tmp_path)
        assert state.ends[Step.TRIAGE].outcome is Outcome.FAILED
        assert "it did not end within 30.0 seconds" in state.ends[Step.TRIAGE].summary


def test_a_pid_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    """The beacon ended after triage and its pid is an honest program's now: the remedy finds it gone and ends nothing."""
    with ground.standing(tmp_path, "lolbin") as range_:
        ground.looked(range_, tmp_path)
        old = range_.host.processes[range_.host.beacon]
        with reopened(tmp_path / "incident") as case:
            remedy = remedies.load("windows_process")
            action = next(
                a
                for a in remedy.plan(case.state.findings, Scope(case.incident.id, case.host.name, "", windows=True))
                if a.facts["pid"] == old.pid
            )
            range_.host.beacon = 0
            range_.host.processes[old.pid] = replace(
                old, name="notepad.exe", exe="C:\\Windows\\notepad.exe", created=old.created + 9000
            )
            look = remedy.look(case.hands(), action)
            assert look.present
            assert "gone" in look.seen
            remedy.act(case.hands(), action, look)
        assert range_.host.processes[old.pid].name == "notepad.exe"


def test_persistence_goes_before_the_process(tmp_path: Path) -> None:
    """Ended alone, the beacon comes back; the plan takes what starts it first, so that it does not."""
    with ground.standing(tmp_path, "service_dll") as range_:
        ground.looked(range_, tmp_path)
        with reopened(tmp_path / "incident") as case:
            scope = Scope(case.incident.id, case.host.name, "", windows=True)
            remedy = remedies.load("windows_process")
            action = remedy.plan(case.state.findings, scope)[0]
            remedy.act(case.hands(), action, remedy.look(case.hands(), action))
            assert until(lambda: range_.at_work("process"), 8), "the laboratory's service did not start it again"
            order = [
                a.kind
                for name in case.playbook.cleanup.remedies
                for a in remedies.load(name).plan(case.state.findings, scope)
            ]
            assert order.index("windows.service") < order.index("windows.process") < order.index("windows.quarantine")


def test_a_busy_host_is_looked_at_in_few_requests(tmp_path: Path) -> None:
    """More than 300 processes with services, tasks, registry, files and events, in one look: eight requests at the most."""
    with ground.standing(tmp_path, "clean") as range_:
        state = ground.looked(range_, tmp_path)
        assert loud(state) == set()
        with reopened(tmp_path / "incident") as case:
            hands = case.hands()
            assert isinstance(hands, WinrmHands)
            hands.blind()
            before = len(range_.service.log)
            found = hands._look(
                "connections", "processes", "files", *("services", "tasks", "registry", "drivers", "events", "notes")
            )
            assert len(found.rows["processes"]) > 300
            assert len(range_.service.log) - before <= 8


def test_a_file_that_changes_while_it_is_read_is_no_evidence(tmp_path: Path) -> None:
    """The copy's hash is not the one that the host took: refused, in words."""
    with ground.standing(tmp_path, "hidden_task") as range_, ground.held(range_, tmp_path) as case:
        path = range_.scenario.files[0].path
        stored = range_.host.file(path)
        assert stored is not None
        range_.service.faults.rewrite = lambda data: _other(range_, path, data)  # type: ignore[method-assign]
        with (tmp_path / "copy").open("wb") as into, pytest.raises(HemostatError, match="changes while it is read"):
            case.hands().fetch(path, into, 1 << 20)


def _other(range_: Range, path: str, data: bytes) -> bytes:
    """After the first answer, the hash, the file is another one."""
    stored = range_.host.file(path)
    if stored is not None and data.startswith(b"BEGIN"):
        stored.origin = "another"
    return data


def test_a_watch_lasts_until_the_remote_shows(tmp_path: Path) -> None:
    """One run on the host asks again and again: back at once with the owner when a socket stands, after its time when none does."""
    with ground.standing(tmp_path, "hidden_task") as range_, ground.held(range_, tmp_path) as case:
        hands, remote = case.hands(), case.incident.remote
        before = len(range_.service.log)
        assert {c.pid for c in hands.watch(remote, 5.0)} == {range_.host.beacon}
        assert len(range_.service.log) - before <= 14
        begun = time.monotonic()
        assert list(hands.watch(Remote.parse("198.51.100.9:1"), 0.6)) == []
        assert 0.6 <= time.monotonic() - begun < 5 * BUSY
