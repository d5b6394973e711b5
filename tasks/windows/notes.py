"""Judges the smaller artefacts of a Windows host: names, proxies, the hosts file, BITS jobs. Facts in, findings out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.beacon import names
from tasks.collectors.context import Context
from tasks.facts import Snapshot
from tasks.facts_windows import Note
from tasks.model import Finding, inert
from tasks.signs import Sign

# Whoever keeps these away keeps the scanner's signatures and Windows' patches away.
_GUARDS = re.compile(
    r"(?:^|\s)(?:[\w-]+\.)*(?:microsoft|windowsupdate|windows|virustotal|kaspersky|symantec|mcafee|sophos)\.(?:com|net|org)(?:\s|$)",
    re.I,
)
_BARE = re.compile(r"^https?://\d+\.\d+\.\d+\.\d+", re.I)


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """One finding a note that speaks of the remote, or does what only an intruder's does."""
    if snapshot.windows is None:
        return []
    found = [(note, sign) for note in snapshot.windows.notes for sign in _signs(note, context)]
    return [_finding(note, sign) for note, sign in found]


def _signs(note: Note, context: Context) -> Iterator[Sign]:
    told = names((note.what, note.detail), context.remote)
    if told and note.kind in _NAMED:
        words, score, attack = _NAMED[note.kind]
        yield Sign(words.format(remote=context.remote.address), score, attack)
    elif note.kind == "hosts" and _GUARDS.search(note.what):
        yield Sign("sends an update server or a scanner's vendor elsewhere", 60, "T1562.001")
    elif note.kind == "bits" and _BARE.match(note.what):
        yield Sign("fetches from a bare address in the background", 55, "T1197")
    elif note.kind == "notify":
        yield Sign("is what a BITS job starts when it is done or fails", 65, "T1197")


_NAMED = {
    "dns": ("is the name under which {remote} was looked up", 40, "T1071.004"),
    "hosts": ("gives a name to {remote}, the address of the alert", 65, "T1565.001"),
    "proxy": ("sends the user's web traffic through {remote}, the address of the alert", 65, "T1090"),
    "bits": ("fetches from {remote}, the address of the alert, in the background", 65, "T1197"),
    "neighbour": ("is {remote}, the address of the alert, in this very network", 40, "T1021"),
}


def _finding(note: Note, sign: Sign) -> Finding:
    return Finding(
        f"note.{note.kind}",
        f"{inert(note.what, 200)} {sign.words}",
        f"{note.kind}: {inert(note.what, 300)}",
        inert(f"{note.what} {note.detail}".strip(), 600),
        sign.score,
        "medium" if sign.score >= 50 else "low",
        sign.attack,
        {"kind": note.kind, "what": note.what, "detail": note.detail, "at": note.at},
    )
