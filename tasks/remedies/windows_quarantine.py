"""Rename a file on Windows into a locked folder on its own volume. Knows which files are the system's; must not know why one is bad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.model import Action, Finding, inert
from tasks.remedies.shape import Scope, mark
from tasks.windows.paths import on_windows, plain
from tasks.windows.remedy import Shipped, of_windows

kinds = ("windows.quarantine",)
_SHIPPED = Shipped("quarantine")
look, act, look_restored, undo = _SHIPPED.look, _SHIPPED.act, _SHIPPED.look_restored, _SHIPPED.undo
VAULTS = ("c:\\programdata\\hemostat\\", "\\hemostat-quarantine\\")


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    if not scope.windows:
        return []
    files = {plain(path): (path, digest, f) for f in of_windows(findings, *_RULES) for path, digest in _named(f)}
    return [_action(*file, scope) for name, file in sorted(files.items()) if not any(vault in name for vault in VAULTS)]


_RULES = ("process.", "file.", "driver.", "service.", "task.", "run.", "wmi.", "startup.")


def _named(finding: Finding) -> Iterator[tuple[str, str]]:
    """The file of the finding, if its hash was seen and the finding speaks against the file and not against a use of Windows' own."""
    path, digest = finding.facts.get("path"), finding.facts.get("sha256")
    windows = plain(str(path)).startswith("c:\\windows\\")
    against = finding.rule in _AGAINST_FILE or not finding.rule.startswith("process.")
    if on_windows(path) and digest and (not windows or against):
        yield str(path), str(digest)


# A living-off-the-land finding is about rundll32's command line, not about rundll32.exe.
_AGAINST_FILE = ("process.signature", "process.masquerade", "process.file_hidden")


def _action(path: str, digest: str, finding: Finding, scope: Scope) -> Action:
    return Action(
        id=f"cleanup/quarantine/{mark(path)}",
        kind=kinds[0],
        on=scope.host,
        target=inert(path),
        reason=finding.what,
        commands=("rename it into a locked folder on its own volume",),
        facts={"path": path, "sha256": digest, "incident": scope.incident},
        undo="rename it back, with its access list, attributes and times",
        needs_approval=True,
    )
