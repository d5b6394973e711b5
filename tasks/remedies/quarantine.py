"""Quarantine: renames a file into a locked vault on its own file system; never deletes. Must not know why a file is bad."""

from __future__ import annotations

import stat as modes
from collections.abc import Sequence
from pathlib import PurePosixPath

from tasks.model import Action, Finding, Look, Receipt, TargetError
from tasks.remedies.shape import Scope
from tasks.transports.hands import Hands, Stat

kinds = ("file.quarantine",)
# Renaming one of these away takes the machine down with it; a person must decide.
SYSTEM = ("/usr/bin/", "/usr/sbin/", "/usr/lib/", "/bin/", "/sbin/", "/lib/", "/boot/")


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    named = [
        f
        for f in reversed(findings)
        if f.rule.startswith(("process.", "file.")) and f.facts["path"] and f.facts["sha256"]
    ]
    files = {f.facts["path"]: f for f in named}
    return [_action(f, scope) for path, f in sorted(files.items()) if not path.startswith(SYSTEM)]


def _action(finding: Finding, scope: Scope) -> Action:
    path, sha256 = finding.facts["path"], finding.facts["sha256"]
    return Action(
        id=f"cleanup/quarantine/{path}",
        kind="file.quarantine",
        on=scope.host,
        target=path,
        reason=finding.what,
        commands=(f"rename into the vault {scope.vault}, mode 0000",),
        facts={"path": path, "sha256": sha256, "vault": scope.vault},
        undo="rename it back and restore its mode",
        needs_approval=True,
    )


def look(hands: Hands, action: Action) -> Look:
    there = hands.stat(action.facts["path"])
    if there is None:
        return Look(True, f"{action.facts['path']} is not there")
    record = {"mode": modes.S_IMODE(there.mode), "uid": there.uid, "gid": there.gid, "modified": there.modified}
    return Look(
        False,
        f"{there.size} bytes, mode {modes.S_IMODE(there.mode):04o}",
        {**record, "kept": _place(hands, action, there)},
    )


def act(hands: Hands, action: Action, before: Look) -> None:
    path = action.facts["path"]
    there = hands.stat(path)
    if there is None:
        return
    if not modes.S_ISREG(there.mode) or hands.sha256(path) != action.facts["sha256"]:
        raise TargetError(
            f"quarantine {path}", "it is no longer the file that triage saw", "redo triage; nothing was moved"
        )
    hands.move(path, str(before.record["kept"]), 0)


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    there = hands.stat(action.facts["path"])
    if there is None:
        return Look(False, f"{action.facts['path']} is not there")
    same = hands.sha256(action.facts["path"]) == action.facts["sha256"]
    return Look(same, "it stands again, with its hash" if same else "another file stands in its place")


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    path = action.facts["path"]
    if hands.stat(path) is not None:
        raise TargetError(f"put {path} back", "another file stands in its place", "move that one away first")
    hands.move(str(receipt.record["kept"]), path, int(receipt.record["mode"]))


def _place(hands: Hands, action: Action, there: Stat) -> str:
    """A free path in the vault if that is on the file's own file system, else in a hidden folder beside the file."""
    folder = _folder(hands, action, there)
    name = f"{action.facts['sha256'][:16]}-{PurePosixPath(action.facts['path']).name}"
    # The same file may have come back and be quarantined once more.
    names = (name, *(f"{name}.{number}" for number in range(2, 1000)))
    return next(str(folder / n) for n in names if hands.stat(str(folder / n)) is None)


def _folder(hands: Hands, action: Action, there: Stat) -> PurePosixPath:
    vault = PurePosixPath(action.facts["vault"])
    known = next(filter(None, (hands.stat(str(folder)) for folder in (vault, *vault.parents))), None)
    return vault if known is not None and known.device == there.device else _beside(action)


def _beside(action: Action) -> PurePosixPath:
    return PurePosixPath(action.facts["path"]).parent / f".hemostat-{PurePosixPath(action.facts['vault']).name}"
