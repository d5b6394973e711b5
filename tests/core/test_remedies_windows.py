"""The remedies for Windows over real WinRM on a simulated host: planned from what triage found, done, re-read, refused, taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.windows.range import Range
from tasks import remedies
from tasks.case import reopened
from tasks.model import Action, HemostatError, Receipt
from tasks.remedies import Remedy, Scope
from tasks.transports.hands import Hands
from tests.windows import ground

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Bench:
    """One remedy with its action, on a host that triage has looked at."""

    range: Range
    remedy: Remedy
    action: Action
    hands: Hands


def visible(range_: Range) -> None:
    """The scenario's hidden task, listed as any other."""
    range_.host.tasks[("\\Updater",)].update(hidden=False)


def as_it_is(_range: Range) -> None:
    """Nothing to prepare."""


# remedy → scenario, what it takes off the host, how the host is prepared
CASES: dict[str, tuple[str, str, Callable[[Range], None]]] = {
    "windows_service": ("service_dll", "service HelperSvc", as_it_is),
    "windows_task": ("hidden_task", "task \\Updater", visible),
    "windows_value": ("run_key", "registry", as_it_is),
    "windows_subscription": ("wmi", "wmi", as_it_is),
    "windows_quarantine": ("hidden_task", "file C:\\ProgramData\\Updater\\updater.exe", as_it_is),
}


@contextmanager
def bench(folder: Path, name: str, scenario: str, prepare: Callable[[Range], None] = as_it_is) -> Iterator[Bench]:
    with ground.standing(folder, scenario) as range_:
        prepare(range_)
        ground.looked(range_, folder)
        with reopened(folder / "incident") as case:
            remedy = remedies.load(name)
            actions = remedy.plan(case.state.findings, Scope(case.incident.id, case.host.name, "", windows=True))
            assert actions, f"{name} plans nothing on {scenario}"
            yield Bench(range_, remedy, actions[0], case.hands())


def _name(range_: Range, what: str) -> str:
    """What `at_work` asks for: the scenario's own name where the kind alone was given."""
    if what == "registry":
        return f"registry {range_.scenario.registry[0]['name']}"
    if what == "wmi":
        return f"wmi {next(s['name'] for s in range_.scenario.subscriptions if s['kind'] == 'consumer')}"
    return what


@pytest.mark.parametrize("name", CASES)
def test_done_re_read_and_taken_back(name: str, tmp_path: Path) -> None:
    """Not gone, then gone; done twice it is still gone; taken back it stands as it stood, and the look says so."""
    scenario, what, prepare = CASES[name]
    with bench(tmp_path, name, scenario, prepare) as b:
        thing = _name(b.range, what)
        before = b.remedy.look(b.hands, b.action)
        assert not before.present
        assert b.range.at_work(thing)
        b.remedy.act(b.hands, b.action, before)
        after = b.remedy.look(b.hands, b.action)
        assert after.present, after.seen
        assert not b.range.at_work(thing)
        receipt = Receipt(b.action.id, True, True, after.seen, {**after.record, **before.record})
        assert not b.remedy.look_restored(b.hands, b.action, receipt).present
        b.remedy.undo(b.hands, b.action, receipt)
        restored = b.remedy.look_restored(b.hands, b.action, receipt)
        assert restored.present, restored.seen
        assert b.range.at_work(thing)


def test_linux_gets_none_of_them(tmp_path: Path) -> None:
    """On a host of another system they plan nothing, whatever was found."""
    with ground.standing(tmp_path, "run_key") as range_:
        findings = ground.looked(range_, tmp_path).findings
    for name in ("windows_process", *CASES):
        assert remedies.load(name).plan(findings, Scope("i", "web", "")) == [], name


def test_a_process_is_ended_and_does_not_come_back_by_our_hand(tmp_path: Path) -> None:
    """windows_process: the very process, by pid and start; its command line is kept; an undo is refused in words."""
    with bench(tmp_path, "windows_process", "lolbin") as b:
        before = b.remedy.look(b.hands, b.action)
        assert "-enc" in before.record["cmdline"]
        b.remedy.act(b.hands, b.action, before)
        assert b.remedy.look(b.hands, b.action).present
        assert not b.range.at_work("process")
        with pytest.raises(HemostatError, match="does not come back"):
            b.remedy.undo(b.hands, b.action, Receipt(b.action.id, True, True, "", before.record))


def test_a_protected_process_is_told(tmp_path: Path) -> None:
    """Windows refuses: an error with its words, and the process still runs."""
    with bench(tmp_path, "windows_process", "driver") as b:
        with pytest.raises(HemostatError, match="Windows refused with 2"):
            b.remedy.act(b.hands, b.action, b.remedy.look(b.hands, b.action))
        assert b.range.at_work("process")


def changed_file(range_: Range) -> None:
    next(iter(range_.host.files.values())).origin = "another file"


def changed_dll(range_: Range) -> None:
    range_.host.services[("HelperSvc",)]["dll"] = "C:\\Windows\\System32\\honest.dll"


def changed_value(range_: Range) -> None:
    name = range_.scenario.registry[0]["name"]
    next(row for row in range_.host.registry.values() if row["name"] == name)["data"] = (
        "C:\\Program Files\\Honest\\h.exe"
    )


@pytest.mark.parametrize(
    ("name", "scenario", "change", "says"),
    [
        ("windows_quarantine", "hidden_task", changed_file, "another file stands in its place"),
        ("windows_service", "service_dll", changed_dll, "it loads C:.*honest.dll now"),
        ("windows_value", "run_key", changed_value, "it says C:.*h.exe now"),
    ],
)
def test_what_changed_since_triage_is_left_alone(
    name: str, scenario: str, change: Callable[[Range], None], says: str, tmp_path: Path
) -> None:
    """Another file, library or value stands there now: refused with what is there."""
    with bench(tmp_path, name, scenario) as b:
        before = b.remedy.look(b.hands, b.action)
        change(b.range)
        with pytest.raises(HemostatError, match=says):
            b.remedy.act(b.hands, b.action, before)


def test_a_hidden_task_is_left_to_a_person(tmp_path: Path) -> None:
    """windows_task: what no tool lists, no tool can disable."""
    with ground.standing(tmp_path, "hidden_task") as range_:
        findings = ground.looked(range_, tmp_path).findings
    assert any(f.rule == "task.beacon" for f in findings)
    assert remedies.load("windows_task").plan(findings, Scope("i", "web", "", windows=True)) == []
