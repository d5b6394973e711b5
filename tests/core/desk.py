"""A case without a laboratory: a real journal in a folder, and a site that is made of a few nouns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tasks.case import Case
from tasks.fold import fold
from tasks.journal import Journal
from tasks.model import Action, Incident, Mode, Remote
from tasks.settings import Host, Playbook, Policy, Site

REMOTE = Remote.parse("203.0.113.9:443")
PLAYBOOK = Playbook("a playbook for a test", name="test", sha256="0" * 64)
INCIDENT = Incident(
    "20260101-000000-test",
    "web",
    REMOTE,
    "test",
    "0" * 64,
    "anna",
    Mode.LIVE,
    "/site",
    datetime(2026, 1, 1, tzinfo=UTC),
)


def sit_down(
    folder: Path, root: Path | str = "/", playbook: Playbook = PLAYBOOK, incident: Incident = INCIDENT
) -> Case:
    """Open the incident of that folder, or go on with it; the host is this machine, fenced to `root`."""
    host = Host("web", "127.0.0.1", "linux", "local", root=str(root))
    journal = Journal(folder)
    if not journal.records:
        journal.append("incident.opened", incident=incident, host={"name": "web"}, playbook=playbook)
    site = Site(str(folder), {"web": host}, Policy(), {"test": playbook})
    return Case(folder, journal, fold(journal.records), site)


def action(name: str = "one", **changes: object) -> Action:
    """An action of no remedy in particular."""
    return replace(Action(f"cleanup/{name}", "test", "web", name, "a test wants it", undo="put it back"), **changes)
