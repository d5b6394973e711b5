"""End a process tree on Windows. Knows identities and one shipped script, which spares what carries the machine; not why it is bad."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.model import Action, Finding, inert
from tasks.remedies.shape import Scope
from tasks.windows.remedy import Shipped, of_windows

kinds = ("windows.process",)
_SHIPPED = Shipped("process", final="a process that was ended does not come back")
look, act, look_restored, undo = _SHIPPED.look, _SHIPPED.act, _SHIPPED.look_restored, _SHIPPED.undo


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    if not scope.windows:
        return []
    found = [f for f in of_windows(findings, "process.") if f.facts["created"]]
    processes = {(f.facts["pid"], f.facts["created"]): f for f in found}
    return [_action(finding, scope) for _, finding in sorted(processes.items())]


def _action(finding: Finding, scope: Scope) -> Action:
    facts = {key: finding.facts[key] for key in ("pid", "created", "exe")}
    return Action(
        id=f"cleanup/process/{facts['pid']}@{facts['created']}",
        kind=kinds[0],
        on=scope.host,
        target=f"process {facts['pid']} ({inert(facts['exe'])}) and its descendants",
        reason=finding.what,
        commands=(f"Win32_Process.Terminate for {facts['pid']}, then its descendants",),
        facts=facts,
        undo=None,
        needs_approval=True,
    )
