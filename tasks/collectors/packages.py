"""Judges programs by their packages: changed since they were installed, or run and brought by none. Facts in, findings out."""

from __future__ import annotations

from tasks.collectors.context import Context
from tasks.facts import Snapshot
from tasks.facts_linux import Package
from tasks.model import Finding, inert
from tasks.signs import base

# Where only packages put programs; /usr/local and /opt are the owner's.
PACKAGED = (
    "/usr/bin/",
    "/usr/sbin/",
    "/bin/",
    "/sbin/",
    "/usr/lib/",
    "/lib/",
    "/usr/libexec/",
    "/usr/lib64/",
    "/lib64/",
)


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """One finding a program that is not what its package installed, or that no package brought to a packages' folder."""
    if context.root != "/":
        return []
    guilty = {process.exe for process in context.beacons(snapshot)}
    return [found for row in snapshot.packages if (found := _judged(row, row.path in guilty, snapshot))]


def _judged(row: Package, guilty: bool, snapshot: Snapshot) -> Finding | None:
    if row.verdict == "changed":
        words = f"is not the file that its package {inert(row.package, 80)} installed"
        why = "Its digest is not the recorded one: it was replaced or patched. An upgrade that is just running does so, too."
        return _finding("package.changed", row, words, why, 90 if guilty else 80, snapshot)
    runs = any(process.exe == row.path for process in snapshot.processes)
    if row.verdict == "unowned" and runs and row.path.startswith(PACKAGED):  # one that only lies there: see privileges
        words = "runs from a folder of the system, but no package brought it"
        why = "Somebody copied it there by hand. A name among the system's is a good place to hide."
        return _finding("package.unowned", row, words, why, 65 if guilty else 35, snapshot)
    return None


def _finding(rule: str, row: Package, words: str, why: str, score: int, snapshot: Snapshot) -> Finding:
    pids = [process.pid for process in snapshot.processes if process.exe == row.path]
    return Finding(
        rule,
        f"{inert(base(row.path), 80)} {words}",
        inert(row.path, 400),
        f"{why} {inert(row.detail, 200)}".strip(),
        score,
        "high" if score >= 80 else "medium" if score >= 50 else "low",
        "T1554" if rule == "package.changed" else "T1036.005",
        {"path": row.path, "package": row.package, "manager": row.manager, "detail": row.detail, "pids": pids[:32]},
    )
