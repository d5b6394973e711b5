"""Persistence off: takes a line out of a file, wherever it stands there. Knows lines and hashes; must not know why a line is bad.

A file of its own (a unit, a desktop entry) is not edited but quarantined whole: that is tasks.remedies.quarantine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tasks.model import Action, Finding, Look, Receipt, TargetError, inert
from tasks.persistence import MAX_LINE
from tasks.remedies.shape import Scope, mark
from tasks.transports.hands import Hands

kinds = ("autostart.line",)
WHOLE = ("systemd", "xdg")
# A wrong byte there locks everybody out, hemostat too; an account is locked and not taken out (tasks.remedies.account).
LEFT = ("pam", "sudoers", "sshd", "account")
LIMIT = 8 * 1024 * 1024


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    return [_action(f, scope) for f in _first_of_each(findings)]


def _first_of_each(findings: Sequence[Finding]) -> list[Finding]:
    """One finding a file and text, though several rules may speak of it and it may stand there twice; last lines first."""
    lines: dict[tuple[str, str], Finding] = {}
    for finding in sorted(filter(one_line, findings), key=lambda f: int(f.facts["line"])):
        lines.setdefault((finding.facts["path"], finding.facts["text"]), finding)
    # What is loaded into every program goes first: it may hide what is looked for afterwards.
    return sorted(
        lines.values(), key=lambda f: (f.facts["kind"] == "ld_preload", f.facts["path"], f.facts["line"]), reverse=True
    )


def one_line(finding: Finding) -> bool:
    """A line among others; a unit or desktop entry is bad as a whole."""
    return persists(finding) and bool(finding.facts["line"]) and finding.facts["kind"] not in WHOLE


def persists(finding: Finding) -> bool:
    """An entry that may be taken out; what stands in LEFT is for a person."""
    return finding.rule.startswith("autostart.") and finding.facts["kind"] not in LEFT


def _action(finding: Finding, scope: Scope) -> Action:
    path, number, text = finding.facts["path"], finding.facts["line"], finding.facts["text"]
    return Action(
        id=f"cleanup/autostart/{mark(path)}:{number}",
        kind="autostart.line",
        on=scope.host,
        target=f"{inert(path)}, line {number}",
        reason=finding.what,
        commands=(f"take this line out of {inert(path)}, wherever it stands: {inert(text)}",),
        facts={"path": path, "line": number, "text": text},
        undo=f"put the line back as line {number} of {inert(path)}",
        needs_approval=True,
    )


def look(hands: Hands, action: Action) -> Look:
    path = action.facts["path"]
    if hands.stat(path) is None:
        return Look(True, f"{inert(path)} is not there")
    lines = _lines(hands, path)
    found = _find(lines, action)
    if not found:
        return Look(True, "the line is not in the file")
    # The host's own bytes, as text that JSON can carry; every byte is one character of latin-1.
    taken = [[index, lines[index].decode("latin-1")] for index in found]
    stands = ", ".join(str(index + 1) for index in found[:20])
    return Look(False, f"the line stands as line {stands}", {"taken": taken, "was": _sum(lines)})


def act(hands: Hands, action: Action, before: Look) -> None:
    path = action.facts["path"]
    lines = _lines(hands, path)
    taken = {index for index, _ in before.record["taken"]}
    # Another file than the one that we looked at is refused: the record from before must be true for the undo.
    hands.replace(path, b"".join(line for n, line in enumerate(lines) if n not in taken), str(before.record["was"]))


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    path = action.facts["path"]
    if hands.stat(path) is None:
        return Look(False, f"{inert(path)} is not there")
    wanted, there = len(receipt.record["taken"]), len(_find(_lines(hands, path), action))
    return Look(there >= wanted, "the line stands again" if there >= wanted else "the line is not in the file")


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    path = action.facts["path"]
    lines = _lines(hands, path)
    was = _sum(lines)
    for index, raw in receipt.record["taken"]:
        _insert(lines, int(index), str(raw).encode("latin-1"))
    hands.replace(path, b"".join(lines), was)


def _insert(lines: list[bytes], index: int, raw: bytes) -> None:
    """At its old place, or at the end of a file that is shorter now; no line is glued to another."""
    index = min(index, len(lines))
    if index and not lines[index - 1].endswith(b"\n"):
        lines[index - 1] += b"\n"
    lines.insert(index, raw if raw.endswith(b"\n") or index == len(lines) else raw + b"\n")


def _lines(hands: Hands, path: str) -> list[bytes]:
    """The lines with their ends, cut at line feeds alone, as tasks.persistence counts them."""
    data = hands.read(path, LIMIT + 1)
    if len(data) > LIMIT:
        raise TargetError(f"edit {inert(path)}", f"it is larger than {LIMIT} bytes", "edit it by hand")
    *whole, last = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([last] if last else [])


def _find(lines: list[bytes], action: Action) -> list[int]:
    """Where the line is now, every time that it is: lines may have been added or removed since triage."""
    return [index for index, line in enumerate(lines) if same(line, action.facts["text"])]


def same(line: bytes, text: str) -> bool:
    """A line of the file against the text that triage showed (as tasks.persistence reads it: exact bytes, stripped, cut)."""
    return line.decode("utf-8", "surrogateescape").strip()[:MAX_LINE] == text.strip()[:MAX_LINE]


def _sum(lines: list[bytes]) -> str:
    return hashlib.sha256(b"".join(lines)).hexdigest()
