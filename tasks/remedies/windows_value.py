"""Park a registry value that starts something on Windows. Knows which values may go and what some must say; not why one is bad."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.facts_windows import UNREADABLE
from tasks.model import Action, Finding, inert
from tasks.remedies.shape import Scope, mark
from tasks.windows.remedy import Shipped, of_windows

kinds = ("windows.value",)
_SHIPPED = Shipped("value")
look, act, look_restored, undo = _SHIPPED.look, _SHIPPED.act, _SHIPPED.look_restored, _SHIPPED.undo
# No script can name a value whose name holds a null character: that is left to a person.
# Without the value, Windows itself does what it does on a clean machine. Security packages and boot programs are left to a person.
GOES = (
    "run.",
    "ifeo.",
    "silent_exit.",
    "appcert.",
    "active_setup.",
    "com_user.",
    "portproxy.",
    "winlogon.",
    "appinit.",
)
# Windows cannot do without these: what they say on a clean machine (by kind and name, lower case).
CLEAN = {
    ("winlogon", "shell"): "explorer.exe",
    ("winlogon", "userinit"): "C:\\Windows\\system32\\userinit.exe,",
    ("winlogon", "vmapplet"): "SystemPropertiesPerformance.exe /pagefile",
    ("appinit", "appinit_dlls"): "",
}


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    if not scope.windows:
        return []
    values = {
        (f.facts["key"], f.facts["name"], f.facts["view"]): f
        for f in of_windows(findings, *GOES)
        if f.facts["type"] != UNREADABLE
    }
    return [_action(finding, scope) for _, finding in sorted(values.items())]


def _action(finding: Finding, scope: Scope) -> Action:
    facts = {key: finding.facts[key] for key in ("key", "name", "view", "data")}
    where = f"{facts['key']}\\{facts['name']}"
    clean = None if facts["key"].startswith("HKU") else CLEAN.get((finding.facts["kind"], str(facts["name"]).lower()))
    return Action(
        id=f"cleanup/value/{facts['view']}/{mark(where)}",
        kind=kinds[0],
        on=scope.host,
        target=inert(where),
        reason=finding.what,
        commands=(
            f"give it its clean text {clean!r}"
            if clean is not None
            else "take it away; a copy is parked in the registry",
        ),
        facts={**facts, "clean": clean, "incident": scope.incident},
        undo="written back with its type and data",
        needs_approval=True,
    )
