"""Quarantine: renames a file into a locked vault on its own file system; never deletes. Must not know why a file is bad."""

from __future__ import annotations

import json
import stat as modes
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from tasks.model import Action, Finding, Json, Look, Receipt, TargetError, inert
from tasks.remedies.shape import Scope, mark
from tasks.transports.hands import Hands, Stat

kinds = ("file.quarantine",)
# Renaming one of these away takes the machine down with it; a person must decide.
SYSTEM = ("/usr/bin/", "/usr/sbin/", "/usr/lib/", "/bin/", "/sbin/", "/lib/", "/boot/")
# Of a name's 255 bytes (NAME_MAX), what is left beside the hash and a number.
NAME_BYTES = 230
LIST = "manifest.jsonl"


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    if scope.windows:
        return []
    named = [
        f
        for f in reversed(findings)
        if f.rule.startswith(("process.", "file.")) and f.facts["path"] and f.facts["sha256"]
    ]
    files = {f.facts["path"]: f for f in named}
    return [_action(f, scope) for path, f in sorted(files.items()) if not _spared(path, scope)]


def _spared(path: str, scope: Scope) -> bool:
    """The system's own, and hemostat's: its vaults and the folder of this incident are no place of the threat."""
    vaults = str(PurePosixPath(scope.vault).parent)
    return path.startswith((*SYSTEM, *(f"{folder.rstrip('/')}/" for folder in (vaults, *scope.own))))


def _action(finding: Finding, scope: Scope) -> Action:
    path, sha256 = finding.facts["path"], finding.facts["sha256"]
    return Action(
        id=f"cleanup/quarantine/{mark(path)}",
        kind="file.quarantine",
        on=scope.host,
        target=inert(path),
        reason=finding.what,
        commands=(f"rename into the vault {scope.vault}, mode 0000",),
        facts={"path": path, "sha256": sha256, "vault": scope.vault},
        undo="rename it back and restore its mode",
        needs_approval=True,
    )


def look(hands: Hands, action: Action) -> Look:
    path = action.facts["path"]
    if not path.startswith("/"):
        # The kernel says so of a file outside of our mounts, "(unreachable)/x": a look there would look elsewhere.
        raise TargetError(f"look at {inert(path)}", "it cannot be reached from here", "look at it by hand")
    there = hands.stat(path)
    if there is None:
        return Look(True, f"{inert(path)} is not there")
    if _locked(path, there):
        return Look(True, "it is in a vault of hemostat, locked")
    record = {"mode": modes.S_IMODE(there.mode), "uid": there.uid, "gid": there.gid, "modified": there.modified}
    return Look(
        False,
        f"{there.size} bytes, mode {modes.S_IMODE(there.mode):04o}",
        {**record, "folder": _identity(hands, path), "kept": _place(hands, action, there)},
    )


def act(hands: Hands, action: Action, before: Look) -> None:
    path = action.facts["path"]
    there = hands.stat(path)
    if there is None:
        return
    if not modes.S_ISREG(there.mode) and not _same_link(there, action):
        raise TargetError(f"quarantine {inert(path)}", "it is no regular file any more", "redo triage")
    kept = str(before.record["kept"])
    hands.move(path, kept, 0, action.facts["sha256"])
    _immutable(hands, kept, "+i")
    _listed(hands, kept, {"kept": kept, "path": path, "sha256": action.facts["sha256"], **before.record})


def _same_link(there: Stat, action: Action) -> bool:
    """The link that triage saw, which still leads where it led."""
    return modes.S_ISLNK(there.mode) and bool(there.link) and there.link == action.facts.get("link")


def _immutable(hands: Hands, path: str, how: str) -> None:
    """chattr(1): not even root renames or runs it by accident. Where the file system or the host has no such thing, mode 0000 must do."""
    if hands.root == "/":  # a drill's folder must be easy to take away
        with suppress(TargetError):
            hands.run(["chattr", how, "--", path])


def _listed(hands: Hands, kept: str, row: dict[str, Json]) -> None:
    """One line in the vault's own list, for whoever looks at the host without hemostat's journal."""
    if hands.root == "/":
        with suppress(TargetError):
            line = json.dumps(row, default=str, sort_keys=True).encode() + b"\n"
            hands.run(["tee", "-a", "--", f"{PurePosixPath(kept).parent}/{LIST}"], line)


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    path = action.facts["path"]
    if hands.stat(path) is None:
        return Look(False, f"{inert(path)} is not there")
    if link := action.facts.get("link"):
        there = hands.stat(path)
        same = there is not None and there.link == link
    else:
        same = hands.sha256(path) == action.facts["sha256"]
    return Look(same, "it stands again, with its hash" if same else "another file stands in its place")


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    path, record = action.facts["path"], receipt.record
    if hands.stat(path) is not None:
        raise TargetError(f"put {inert(path)} back", "another file stands in its place", "move that one away first")
    # The folder is never made: whoever may write above it could have turned the way elsewhere.
    device, inode = record.get("folder") or _identity(hands, path)
    kept = str(record["kept"])
    _immutable(hands, kept, "-i")
    hands.move(kept, path, int(record["mode"]), action.facts["sha256"], (int(device), int(inode)))
    _listed(hands, kept, {"kept": kept, "path": path, "put back": True})


def _locked(path: str, there: Stat) -> bool:
    """Ours already: nothing else stands without any right in such a folder, and a name alone proves nothing."""
    return PurePosixPath(path).parent.name.startswith(".hemostat-") and modes.S_IMODE(there.mode) == 0


def _identity(hands: Hands, path: str) -> list[int]:
    """Device and inode of the file's folder, links resolved: an undo puts it back into that very one or nowhere."""
    folder = hands.stat(f"{PurePosixPath(path).parent}/.")
    return [folder.device, folder.inode] if folder else [0, 0]


def _place(hands: Hands, action: Action, there: Stat) -> str:
    """A free path in the vault if that is on the file's own file system, else in a hidden folder beside the file."""
    folder = _folder(hands, action, there)
    name = f"{action.facts['sha256'][:16]}-{_cut(PurePosixPath(action.facts['path']).name)}"
    # The same file may have come back and be quarantined once more.
    names = (name, *(f"{name}.{number}" for number in range(2, 1000)))
    return next(str(folder / n) for n in names if hands.stat(str(folder / n)) is None)


def _cut(name: str) -> str:
    return name.encode("utf-8", "surrogateescape")[:NAME_BYTES].decode("utf-8", "surrogateescape")


def _folder(hands: Hands, action: Action, there: Stat) -> PurePosixPath:
    vault = PurePosixPath(action.facts["vault"])
    known = next(filter(None, (hands.stat(str(folder)) for folder in (vault, *vault.parents))), None)
    return vault if known is not None and known.device == there.device else _beside(action)


def _beside(action: Action) -> PurePosixPath:
    return PurePosixPath(action.facts["path"]).parent / f".hemostat-{PurePosixPath(action.facts['vault']).name}"
