"""Disable and stop a Windows scheduled task. Knows the finding's facts and one shipped script; must not know why a task is bad.

A task whose security descriptor is gone is listed by no tool and disabled by none: it is left to a person, and what it starts is
quarantined, so that it starts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.model import Action, Finding, inert
from tasks.remedies.shape import Scope, mark
from tasks.windows.remedy import Shipped, of_windows

kinds = ("windows.task",)
_SHIPPED = Shipped("task")
look, act, look_restored, undo = _SHIPPED.look, _SHIPPED.act, _SHIPPED.look_restored, _SHIPPED.undo


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    if not scope.windows:
        return []
    tasks = {f.facts["name"]: f for f in of_windows(findings, "task.") if not f.facts["hidden"]}
    return [_action(name, finding, scope) for name, finding in sorted(tasks.items())]


def _action(name: str, finding: Finding, scope: Scope) -> Action:
    return Action(
        id=f"cleanup/task/{mark(name)}",
        kind=kinds[0],
        on=scope.host,
        target=f"scheduled task {inert(name)}",
        reason=finding.what,
        commands=(f"disable {inert(name)}, then stop what runs of it",),
        facts={"name": name},
        undo="enabled again if it was",
        needs_approval=True,
    )
