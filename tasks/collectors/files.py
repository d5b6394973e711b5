"""Judges files in writable folders: the beacon's own, hidden programs, fresh ones. Facts in, findings out; looks at no host."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from tasks.collectors.autostarts import copies_of, files_of
from tasks.collectors.context import Context
from tasks.facts import FileSeen, Snapshot
from tasks.model import Finding, inert
from tasks.signs import Sign, base, place
from tasks.windows import files as windows

_PROGRAMS = ("elf", "pe")
# Added when the file was changed near the beacon's start.
_RECENT = 20


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """The gravest reason of each file."""
    found = [(file, list(_signs(file, snapshot, context))) for file in snapshot.files if context.inside(file.path)]
    return [_finding(file, signs, snapshot, context) for file, signs in found if signs]


Reason = tuple[str, Sign]


def _signs(file: FileSeen, snapshot: Snapshot, context: Context) -> Iterator[Reason]:
    if snapshot.windows is not None:
        yield from windows.reasons(file, snapshot, context)
        return
    yield from _beacon(file, snapshot, context)
    if context.sha256 and file.sha256 == context.sha256:
        yield "file.hash", Sign("has the SHA-256 that the alert names", 95, "T1204.002")
    if file.mode & stat.S_ISUID and file.owner == "root":
        yield (
            "file.setuid",
            Sign("gives whoever starts it root's rights, in a folder that others may write", 80, "T1548.001"),
        )
    yield from _program(file, context)


def _beacon(file: FileSeen, snapshot: Snapshot, context: Context) -> Iterator[Reason]:
    for process in context.beacons(snapshot):
        if file.path in files_of(process):
            words = f"is the program of process {process.pid}, {context.guilt(process)}"
            yield "file.beacon", Sign(words, 90, "T1105")
        elif file.path in copies_of(process, snapshot):
            words = f"is a copy (same SHA-256) of the program of process {process.pid}, {context.guilt(process)}"
            yield "file.beacon", Sign(words, 85, "T1105")


def _program(file: FileSeen, context: Context) -> Iterator[Reason]:
    sign, binary = place(file.path, context), file.magic in _PROGRAMS
    if sign is None or not (binary or (file.magic == "script" and file.executable)):
        return
    hidden, shared = sign.attack == "T1564.001", sign.score >= 50
    what = "is a program" if binary else "is an executable script"
    if hidden and file.executable and (shared or sign.score == 45):
        score = (70 if shared else 55) if binary else 45
        yield "file.hidden_program", Sign(f"{what} {sign.words}, and hidden", score, "T1564.001")
    elif binary and file.executable:
        score = 60 if sign.score >= 70 else 45 if shared else 20
        yield "file.program", Sign(f"{what} {sign.words}", score, sign.attack)
    elif shared:
        yield "file.program", Sign(f"{what} {sign.words}", 25, sign.attack)


def _finding(file: FileSeen, signs: list[Reason], snapshot: Snapshot, context: Context) -> Finding:
    rule, gravest = max(signs, key=lambda reason: reason[1].score)
    near = context.near_start(snapshot, file.modified, file.changed)
    score = min(gravest.score + _RECENT * near, 98)
    others = "; ".join(dict.fromkeys(f"it {sign.words}" for _, sign in signs))
    fresh = "; it was changed within ten minutes of the beacon's start" if near else ""
    return Finding(
        rule,
        f"{inert(base(file.path), 80)} {gravest.words}"[:600],
        inert(file.path, 400),
        f"{others}{fresh}. Owner {inert(file.owner)}, {file.size} bytes, kind: {file.magic or 'other'}.",
        score,
        "high" if score >= 85 else "medium" if score >= 50 else "low",
        gravest.attack,
        {
            "path": file.path,
            "sha256": file.sha256,
            "size": file.size,
            "mode": file.mode,
            "owner": file.owner,
            "modified": file.modified,
            "changed": file.changed,
            "magic": file.magic,
        },
    )
