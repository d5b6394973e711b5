"""Guards and blast radius for one incident: gathers the own path and asks tasks.guards. Knows no step."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks import guards, neighbours
from tasks.case import Case
from tasks.model import Json, Refused
from tasks.own_path import effective_own_path

# Names of the own path may take this many seconds to resolve, all together: the block waits for it.
RESOLVE_WITHIN = 1.0


def admit(case: Case) -> None:
    """Let the remote pass all guards, or raise Refused; an override that lifted one is journalled by name."""
    incident, today = case.incident, datetime.now(UTC).date()
    if case.own_path is None:
        case.own_path = effective_own_path(case.site, RESOLVE_WITHIN)
        if case.own_path.unresolved:
            names = ", ".join(case.own_path.unresolved)
            case.record("note", about="own path", text=f"not protected, for they did not resolve in time: {names}")
    own = case.own_path.addresses
    try:
        guards.admit(incident.remote, case.site.policy, own, incident.mode, today)
    except Refused as error:
        guards.admit(incident.remote, case.site.policy, own, incident.mode, today, case.state.overrides)
        case.record("guard", guard=error.guard, override=error.override, by=case.operator, seen=error.seen)


def blast_radius(case: Case) -> dict[str, Json]:
    """What a person must know before they say yes: who else is behind the devices, what is touched, what undoes it."""
    remote, minutes = case.incident.remote, case.playbook.block.minutes
    behind = [
        h.name
        for h in case.site.hosts.values()
        if set(h.firewalls) & set(case.host.firewalls) and h.name != case.host.name
    ]
    met = neighbours.hosts_with(case.folder, remote)
    return {
        "host": f"{case.host.name} (criticality {case.host.criticality}, owner {case.host.owner or 'not in the inventory'})",
        "remote": str(remote),
        "devices": list(case.host.firewalls),
        "also behind them": behind,
        "remote also met by": met,
        "expires": f"after {minutes} minutes" if minutes else "not by itself",
        "undo": f"hemostat undo {case.incident.id}",
    }
