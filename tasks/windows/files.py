"""Judges files dropped on a Windows host: the beacon's own, unsigned programs in odd places, hidden ones. Facts in, reasons out."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.collectors.context import Context
from tasks.facts import FileSeen, Process, Snapshot
from tasks.facts_windows import Windows
from tasks.signs import Sign
from tasks.windows import places
from tasks.windows.paths import plain, started
from tasks.windows.processes import sideloaded, signed

_PROGRAMS = (".exe", ".dll", ".sys", ".scr", ".com", ".cpl", ".pif", ".ocx")
_SCRIPTS = (".ps1", ".vbs", ".vbe", ".js", ".jse", ".wsf", ".hta", ".bat", ".cmd", ".lnk")


def own(process: Process, windows: Windows | None) -> list[str]:
    """The files that make this process what it is: what Windows' own hosts were given to run, else its executable; what it side-loaded."""
    loaded = [path for path, _ in sideloaded(process, windows)] if windows else []
    named = [*started(" ".join(process.cmdline)), *loaded]
    theirs = [path for path in named if not places.system(path)]
    return theirs if places.system(process.exe) else [process.exe, *theirs]


def reasons(file: FileSeen, snapshot: Snapshot, context: Context) -> Iterator[tuple[str, Sign]]:
    """Every reason against one file."""
    if snapshot.windows is None:
        return
    for process in context.beacons(snapshot):
        if plain(file.path) in {plain(path) for path in own(process, snapshot.windows)}:
            words = f"is the program of process {process.pid}, {context.guilt(process)}"
            yield "file.beacon", Sign(words, 90, "T1105")
        elif file.sha256 and file.sha256 == process.sha256 and not places.system(process.exe):
            words = f"is a copy (same SHA-256) of the program of process {process.pid}, {context.guilt(process)}"
            yield "file.beacon", Sign(words, 85, "T1105")
    if context.sha256 and file.sha256 == context.sha256:
        yield "file.hash", Sign("has the SHA-256 that the alert names", 95, "T1204.002")
    yield from _dropped(file, snapshot)


def _dropped(file: FileSeen, snapshot: Snapshot) -> Iterator[tuple[str, Sign]]:
    seen = signed(snapshot.windows).get(plain(file.path)) if snapshot.windows else None
    name = file.path.lower()
    if file.magic != "pe" and not name.endswith((*_PROGRAMS, *_SCRIPTS)):
        return
    if seen and (sign := places.hides(seen)):
        yield "file.hidden_program", sign
    if seen and (sign := places.signature(seen)):
        yield "file.signature", sign
    sign = places.odd(file.path, seen)
    if sign is None:
        return
    program = file.magic == "pe" or name.endswith(_PROGRAMS)
    if file.magic == "pe" and not name.endswith(_PROGRAMS):
        yield "file.disguised", Sign("is a program under a name that says otherwise", 65, "T1036.008")
    # Lying there is less than running from there: an installer's left-overs are no alarm.
    yield "file.program", Sign(f"lies {sign.words}", min(sign.score // 2 + 10, 45) if program else 25, sign.attack)
