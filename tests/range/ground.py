"""What the range's tests share: why one cannot be made here, a quick one for a test, the product's own session with its firewalls."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows import doors, runs
from flows.launch import Launch, carry_on
from lab.netns import frr, scenario
from lab.netns.range import Range, missing
from lab.netns.scenario import Scenario
from tasks import firewalls, site
from tasks.case import load_state
from tasks.firewalls import Entry
from tasks.model import Json, Mode, Remote, Step
from tasks.settings import Host
from tasks.state import State
from tasks.transports import device
from tests import patience
from tests.patience import until

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
                merge(folder / "site/inventory/defaults.yaml", {"timeout": 10.0 * patience.BUSY})
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
    return until(lambda: len(range_.c2_messages()) > before, seconds)


def silent(range_: Range, seconds: float = 1.0) -> bool:
    """Does a time come that long in which no message reaches the C2? Some may be on their way."""
    return patience.silent(lambda: len(range_.c2_messages()), seconds)


def respond(range_: Range, folder: Path, reports: Path | None = None, **changes: Json) -> State:
    """One incident of this range by all steps that it lets happen, approved unasked; how its journal stands.

    Args:
        folder: gets the site.
        changes: keys of playbooks/drill.yaml, as the owner may write them; `timeout` is the hosts'.
    """
    range_.write_site(folder / "site")
    merge(folder / "site/inventory/defaults.yaml", {"timeout": changes.pop("timeout", 5.0 * patience.BUSY)})
    merge(folder / "site/playbooks/drill.yaml", {"confirm": {"when_unreachable": "block"}, **changes})
    known, requests = doors.by_alert(folder / "site", "suricata", range_.alert(), Mode.DRILL)
    options = runs.Options(reports or folder / "reports", True, False, True)
    (made,) = runs.respond_all(known, requests, options)
    return load_state(made)


def merge(file: Path, changes: dict[str, Json]) -> None:
    """Change keys of a YAML file; a mapping is merged, anything else replaces."""
    yaml = YAML()
    content = yaml.load(file)
    for key, value in changes.items():
        content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
    with file.open("w") as stream:
        yaml.dump(content, stream)


def go_on(state: State, folder: Path, redo: Step) -> State:
    """Redo a step of an incident and go on, on the range that runs."""
    made = folder / "reports" / state.incident.id
    runs.decide(made, redo, None, "a test", ())
    carry_on(made, Launch(ask=lambda plan: (True, "a test"), operator="olive"), None, 0)
    return load_state(made)


def told(state: State, step: Step) -> str:
    """How a step ended, in the words of its message: outcome, summary, what to do."""
    end = state.ends[step]
    return f"{end.outcome}: {end.summary} {end.next}"
