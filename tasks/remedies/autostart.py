"""Persistence off: takes one line out of a file. Knows lines and hashes; must not know why a line is bad.

A file of its own (a unit, a desktop entry) is not edited but quarantined whole: that is tasks.remedies.quarantine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tasks.model import Action, Finding, Look, Receipt, TargetError
from tasks.remedies.shape import Scope
from tasks.transports.hands import Hands

kinds = ("autostart.line",)
WHOLE = ("systemd", "xdg")
LIMIT = 8 * 1024 * 1024


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    return [_action(f, scope) for f in _first_of_each(findings)]


def _first_of_each(findings: Sequence[Finding]) -> list[Finding]:
    """One finding a line, though several rules may speak of it; last lines first, so that line numbers stay true."""
    lines = {(f.facts["path"], f.facts["line"]): f for f in reversed(findings) if one_line(f)}
    return [lines[key] for key in sorted(lines, reverse=True)]


def one_line(finding: Finding) -> bool:
    """A line among others; a unit or desktop entry is bad as a whole."""
    return finding.rule.startswith("autostart.") and bool(finding.facts["line"]) and finding.facts["kind"] not in WHOLE


def _action(finding: Finding, scope: Scope) -> Action:
    path, number, text = finding.facts["path"], finding.facts["line"], finding.facts["text"]
    return Action(
        id=f"cleanup/autostart/{path}:{number}",
        kind="autostart.line",
        on=scope.host,
        target=f"{path}, line {number}",
        reason=finding.what,
        commands=(f"take this line out of {path}: {text}",),
        facts={"path": path, "line": number, "text": text},
        undo=f"put the line back as line {number} of {path}",
        needs_approval=True,
    )


def look(hands: Hands, action: Action) -> Look:
    path = action.facts["path"]
    if hands.stat(path) is None:
        return Look(True, f"{path} is not there")
    lines = _lines(hands, path)
    index = _find(lines, action)
    if index is None:
        return Look(True, "the line is not in the file")
    return Look(
        False,
        f"the line stands as line {index + 1}",
        {"index": index, "was": _sum(lines), "raw": lines[index].decode("latin-1")},
    )


def act(hands: Hands, action: Action, before: Look) -> None:
    path = action.facts["path"]
    lines = _lines(hands, path)
    index = _find(lines, action)
    if index is None:
        raise TargetError(f"take a line out of {path}", "it is no longer there", "redo triage")
    hands.replace(path, b"".join(lines[:index] + lines[index + 1 :]), _sum(lines))


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    if hands.stat(action.facts["path"]) is None:
        return Look(False, f"{action.facts['path']} is not there")
    there = _find(_lines(hands, action.facts["path"]), action) is not None
    return Look(there, "the line stands again" if there else "the line is not in the file")


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    path = action.facts["path"]
    lines = _lines(hands, path)
    index = min(int(receipt.record["index"]), len(lines))
    if index and not lines[index - 1].endswith(b"\n"):
        lines[index - 1] += b"\n"
    raw = str(receipt.record["raw"]).encode("latin-1")
    hands.replace(path, b"".join([*lines[:index], raw, *lines[index:]]), _sum(lines))


def _lines(hands: Hands, path: str) -> list[bytes]:
    data = hands.read(path, LIMIT + 1)
    if len(data) > LIMIT:
        raise TargetError(f"edit {path}", f"it is larger than {LIMIT} bytes", "edit it by hand")
    return data.splitlines(keepends=True)


def _find(lines: list[bytes], action: Action) -> int | None:
    """Where the line is: at its number, or elsewhere if lines were added or removed meanwhile."""
    wanted = action.facts["text"]
    hits = [i for i, line in enumerate(lines) if same(line, wanted)]
    expected = int(action.facts["line"]) - 1
    return expected if expected in hits else (hits[0] if hits else None)


def same(line: bytes, text: str) -> bool:
    """A line of the file against the text that triage showed (decoded with replacement, without its end)."""
    return line.decode("utf-8", "replace").strip() == text.strip()


def _sum(lines: list[bytes]) -> str:
    return hashlib.sha256(b"".join(lines)).hexdigest()
