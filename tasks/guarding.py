"""Guards and blast radius for one incident: gathers the own path and asks tasks.guards. Knows no step."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks import guards
from tasks.case import Case
from tasks.model import Json
from tasks.own_path import effective_own_path


def admit(case: Case) -> None:
    """Let the remote pass all guards, or raise Refused; an override that lifted one is journalled by name."""
    incident = case.incident
    lifted = guards.admit(
        incident.remote,
        case.site.policy,
        effective_own_path(case.site),
        incident.mode,
        datetime.now(UTC).date(),
        incident.overrides,
    )
    for guard in lifted or ():
        case.record("guard", guard=guard, by=incident.operator, remote=str(incident.remote))


def blast_radius(case: Case) -> dict[str, Json]:
    """What a person must know before they say yes: who else talks to the remote, what is touched, what undoes it."""
    remote = case.incident.remote
    sharing = [
        h.name
        for h in case.site.hosts.values()
        if set(h.firewalls) & set(case.host.firewalls) and h.name != case.host.name
    ]
    return {
        "remote": str(remote),
        "devices": list(case.host.firewalls),
        "hosts behind the same devices": sharing,
        "inventory hosts at the remote": list(case.site.talkers(remote)),
        "expires": f"after {case.playbook.block.minutes} minutes" if case.playbook.block.minutes else "not by itself",
        "undo": f"hemostat undo {case.incident.id} --step block",
    }
