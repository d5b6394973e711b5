"""Disable and stop a Windows service. Knows the finding's facts and one shipped script; must not know why a service is bad."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.model import Action, Finding, inert
from tasks.remedies.shape import Scope, mark
from tasks.windows.remedy import Shipped, of_windows

kinds = ("windows.service",)
_SHIPPED = Shipped("service")
look, act, look_restored, undo = _SHIPPED.look, _SHIPPED.act, _SHIPPED.look_restored, _SHIPPED.undo


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    if not scope.windows:
        return []
    services = {f.facts["name"]: f for f in of_windows(findings, "service.")}
    return [_action(name, finding, scope) for name, finding in sorted(services.items())]


def _action(name: str, finding: Finding, scope: Scope) -> Action:
    return Action(
        id=f"cleanup/service/{mark(name)}",
        kind=kinds[0],
        on=scope.host,
        target=f"service {inert(name)}",
        reason=finding.what,
        commands=(f"disable {inert(name)}, then stop it",),
        facts={"name": name, "dll": finding.facts.get("dll", "")},
        undo="its start type as it was, and started again if it ran",
        needs_approval=True,
    )
