"""One range with a fast playbook, goes at its one incident in fresh processes, and what must hold of it afterwards."""

from __future__ import annotations

import multiprocessing
import re
import signal
from dataclasses import replace
from pathlib import Path

from lab.range import Range
from tasks.audit import audit
from tasks.case import load_state
from tasks.model import Outcome, Result, Step
from tasks.state import State
from tests.crash.runner import PHASES, Order, go
from tests.patience import BUSY

ID = "20260101-000000-crash"
DEADLINE = 60.0 * BUSY
MANY = 400
# A server process that has imported everything forks each runner: no imports, and no thread of the tests in it.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.crash.runner", "netmiko", "tasks.transports.local"])
FAST = {"window": "0.1", "intervals": "1", "at_least": "0.2", "at_most": "2.0"}


class Rig:
    """A range and the goes at its one incident, for one `with` block."""

    def __init__(self, folder: Path) -> None:
        self.range = Range(folder / "range", "keepalive", 0.2)
        self.reports = folder / "reports"
        self.reports.mkdir()

    def __enter__(self) -> Rig:
        self.range.start()
        site = self.range.folder / "site"
        self.range.write_site(site)
        playbook = site / "playbooks" / "drill.yaml"
        text = playbook.read_text()
        for key, value in FAST.items():
            text = re.sub(rf"\b{key}: [\d.]+", f"{key}: {value}", text)
        playbook.write_text(text)
        self.order = Order(self.reports, ID, site, self.range.alert(), self.range.environment)
        return self

    def __exit__(self, *_: object) -> None:
        self.range.stop()

    def go(
        self,
        at: tuple[int, str] | None = None,
        survived: frozenset[str] | None = None,
        phases: tuple[str, ...] = PHASES,
        undo: bool = False,
    ) -> bool:
        """One go in a fresh process; True when it died by SIGKILL, as it was told, False when it came to its end."""
        order = replace(self.order, at=at, survived=survived, phases=phases, undo=undo)
        process = SERVER.Process(target=go, args=(order,))
        process.start()
        process.join(DEADLINE)
        if process.is_alive():
            process.kill()
        known = (0, -signal.SIGKILL)
        assert process.exitcode in known, f"the runner ended with {process.exitcode}: its traceback is on stderr"
        return process.exitcode != 0

    def until_it_lives(self, phases: tuple[str, ...], undo: bool = False) -> None:
        """Runner after runner dies, each at the next point; returns when one has come to its end."""
        for _ in range(MANY):
            if not self.go(survived=frozenset(self.deaths), phases=phases, undo=undo):
                return
        raise AssertionError(f"after {MANY} deaths there was no end; the last ones: {self.deaths[-3:]}")

    @property
    def deaths(self) -> list[str]:
        """The points at which runners died, in their order."""
        path = self.order.deaths
        return path.read_text().splitlines() if path.exists() else []

    @property
    def state(self) -> State:
        return load_state(self.order.folder)


def ended_well(rig: Rig) -> None:
    """What must hold of the incident, however often its runner died."""
    state = rig.state
    ends = {step: state.ends[step].outcome for step in Step if step in state.ends}
    assert ends == dict.fromkeys(Step, Outcome.DONE), f"not every step ended as it does without a crash: {ends}"
    bad = [f"{c.name}: {c.observed}" for c in audit(rig.order.folder) if c.result is not Result.PASS]
    assert not bad, f"the record is not whole: {bad}"
    _once_by_the_receipts(state)
    _once_by_the_targets(rig)


def _once_by_the_receipts(state: State) -> None:
    changed = [a.action.id for a in state.acts if a.receipt and a.receipt.changed]
    planned = [action.id for plan in state.plans.values() for action in plan.actions]
    assert changed == planned, f"each planned action has one receipt that says changed, in the plan's order: {changed}"


def _once_by_the_targets(rig: Rig) -> None:
    """The device's own log, the victim's files and processes: they know nothing of a journal."""
    entered = rig.range.accounting().count(f"network-object host {rig.range.plan.front[0]}")
    assert entered == 1, f"the device was told {entered} times to deny the remote"
    assert rig.range.beacons() == [], "the beacon runs, or runs again"
    kept = sorted(p.name[17:] for p in (rig.range.root / "var/lib/hemostat/quarantine").rglob("*") if p.is_file())
    assert kept == ["kworker-sync", "kworker-sync.service"], f"each bad file is in quarantine once: {kept}"
    left = [line for line in _persistence(rig.range.root) if "kworker" in line]
    assert not left, f"these lines start the beacon again: {left}"


def _persistence(root: Path) -> list[str]:
    """Lines that start something; the beacon's own comment in its cron file is none."""
    texts = [(root / name).read_text() for name in ("etc/cron.d/kworker-sync", "home/ops/.profile")]
    return [line for text in texts for line in text.splitlines() if not line.startswith("#")]
