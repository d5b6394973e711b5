"""Take a permanent WMI subscription apart. Knows the finding's facts and one shipped script; must not know why it is bad."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.model import Action, Finding, inert
from tasks.remedies.shape import Scope, mark
from tasks.windows.remedy import Shipped, of_windows

kinds = ("windows.subscription",)
_SHIPPED = Shipped("subscription")
look, act, look_restored, undo = _SHIPPED.look, _SHIPPED.act, _SHIPPED.look_restored, _SHIPPED.undo


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    if not scope.windows:
        return []
    found = {(f.facts["namespace"], f.facts["name"]): f for f in of_windows(findings, "wmi.")}
    return [_action(finding, scope) for _, finding in sorted(found.items())]


def _action(finding: Finding, scope: Scope) -> Action:
    facts = {key: finding.facts[key] for key in ("namespace", "name", "type")}
    name = f"{facts['namespace']}:{facts['name']}"
    return Action(
        id=f"cleanup/wmi/{mark(name)}",
        kind=kinds[0],
        on=scope.host,
        target=f"WMI consumer {inert(name)}",
        reason=finding.what,
        commands=("remove its bindings, then the consumer, then the filters that nothing else uses",),
        facts=facts,
        undo="filter, consumer and binding made again",
        needs_approval=True,
    )
