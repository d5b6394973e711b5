"""What the range's tests share: why one cannot be made here, a quick one for a test, the product's own session with its firewalls."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab.netns import frr, scenario
from lab.netns.range import Range, missing
from lab.netns.scenario import Scenario
from lab.range import Range as Loopback
from tasks import firewalls, site
from tasks.firewalls import Entry
from tasks.model import Remote
from tasks.settings import Host
from tasks.transports import device

WHY_NOT = "needs root" if os.geteuid() else missing() or frr.missing()
MARKS = [pytest.mark.range, pytest.mark.skipif(bool(WHY_NOT), reason=f"no range here: {WHY_NOT}")]
INCIDENT = "20260101-000000-victim"
INTERVAL = 0.1


def chosen(name: str = "keepalive", **changes: object) -> Scenario:
    """A scenario of the repository, with a quick beacon."""
    return replace(scenario.load(name), interval=INTERVAL, **changes)  # type: ignore[arg-type]


@contextmanager
def running(folder: Path, wanted: Scenario) -> Iterator[Range]:
    """A running range whose folder goes with it; its credentials are in the environment meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            with Range(folder / "range", wanted) as made:
                for name, value in made.environment.items():
                    patch.setenv(name, value)
                made.write_site(folder / "site")
                yield made
        finally:
            shutil.rmtree(folder / "range", ignore_errors=True)


def host(range_: Range, name: str) -> Host:
    """The inventory's host of that name, from the site that the range wrote."""
    return site.load(range_.folder.parent / "site").host(name)


def block(range_: Range, name: str, undo: bool = False, cut: bool = True) -> None:
    """Deny the C2 on that firewall as the block step does: the platform's words, the product's session, sessions cut."""
    gate = host(range_, name)
    firewall = firewalls.load(gate.platform)
    entry = Entry(Remote(range_.remote.address), INCIDENT)
    secrets = {f"env:{key}": value for key, value in range_.environment.items()}
    with device.opened(gate, firewall, secrets.__getitem__, range_.folder / "locks") as session:
        listing = firewall.read(entry, session.ask(firewall.look(entry)))
        session.ask((firewall.unblock if undo else firewall.block)(entry, listing))
        session.ask(firewall.cut(entry) if cut else ())


def hears(range_: Range, seconds: float) -> bool:
    """Does a further message reach the C2 within that time?"""
    before = len(range_.c2_messages())
    return Loopback.wait(lambda: len(range_.c2_messages()) > before, seconds)


def silent(range_: Range, seconds: float = 1.0) -> bool:
    """No message reaches the C2 for that long (after one that may be on its way)."""
    hears(range_, 2 * INTERVAL)
    return not hears(range_, seconds)
