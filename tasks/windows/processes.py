"""Judges a Windows host's processes: place, signature, starter, account, command line, hiding. Facts in, suspicions out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from tasks.collectors.context import Context, parents
from tasks.facts import Process, Snapshot
from tasks.facts_windows import Signed, Windows
from tasks.model import inert
from tasks.signs import Sign
from tasks.windows import places, system
from tasks.windows.paths import base, mentions, plain, started
from tasks.windows.tricks import tricks

Suspicion = tuple[str, Sign, str]

_OFFICE = frozenset(
    {
        "winword.exe",
        "excel.exe",
        "powerpnt.exe",
        "outlook.exe",
        "msaccess.exe",
        "visio.exe",
        "onenote.exe",
        "wps.exe",
        "et.exe",
        "wpp.exe",
    }
)
_SERVERS = frozenset(
    {
        "w3wp.exe",
        "httpd.exe",
        "nginx.exe",
        "tomcat.exe",
        "tomcat9.exe",
        "php-cgi.exe",
        "sqlservr.exe",
        "umworkerprocess.exe",
    }
)
_SHELLS = frozenset(
    {
        "cmd.exe",
        "powershell.exe",
        "pwsh.exe",
        "wscript.exe",
        "cscript.exe",
        "mshta.exe",
        "rundll32.exe",
        "regsvr32.exe",
        "certutil.exe",
    }
)
_BAD = ("NotSigned", "HashMismatch", "NotTrusted", "UnknownError")


@lru_cache(maxsize=2)
def signed(windows: Windows) -> dict[str, Signed]:
    """What is known of each file, by its plain path."""
    return {plain(file.path): file for file in windows.signed}


def suspicions(process: Process, snapshot: Snapshot, context: Context) -> Iterator[Suspicion]:
    """Every reason against one process of a Windows host, beside those that hold on every system."""
    windows = snapshot.windows
    if windows is None:
        return
    above = parents(snapshot, process)
    files = signed(windows)
    for rule, sign in system.against(process, above[0] if above else None):
        yield rule, sign, "high" if sign.score >= 75 else "medium"
    yield from _file(process, files)
    yield from _loads(process, files)
    yield from _sideloads(process, windows)
    for sign in tricks(" ".join(process.cmdline)):
        yield "process.command", Sign(f"its command line {sign.words}", sign.score, sign.attack), "medium"
    yield from _child(process, above)
    yield from _keeper(process, snapshot, context)


def _file(process: Process, files: dict[str, Signed]) -> Iterator[Suspicion]:
    if not process.exe:
        return
    file = files.get(plain(process.exe))
    if sign := places.odd(process.exe, file):
        yield "process.place", Sign(f"runs from a file {sign.words}", sign.score, sign.attack), _sure(sign)
    if file is None:
        return
    if sign := places.signature(file):
        yield "process.signature", Sign(f"its file {sign.words}", sign.score, sign.attack), _sure(sign)
    if sign := places.hides(file):
        yield "process.file_hidden", Sign(f"its file {sign.words}", sign.score, sign.attack), _sure(sign)


def _loads(process: Process, files: dict[str, Signed]) -> Iterator[Suspicion]:
    """What Windows' own hosts were given to run: a library for rundll32, a script for wscript."""
    if base(process.exe or process.name) not in system.KNOWN:
        return
    for path in started(" ".join(process.cmdline)):
        if base(path) in system.KNOWN:
            continue
        if sign := places.odd(path, files.get(plain(path))):
            words = f"runs {inert(path, 200)}, {sign.words}"
            yield (
                "process.script",
                Sign(words, sign.score, "T1218.011" if path.lower().endswith(".dll") else "T1059"),
                _sure(sign),
            )


def sideloaded(process: Process, windows: Windows) -> Iterator[tuple[str, Sign]]:
    """The libraries that a well signed suspect has loaded from an odd place and that nobody vouches for: path and place.

    The signature of the program is what an intruder wants it for (attack.mitre.org, T1574.002). Beside an unsigned program they say nothing
    that it does not say itself. .NET's own images (unsigned, made on each machine) lie in Windows' folder, in no odd place.
    """
    odd = {m.path: sign for m in windows.modules if m.pid == process.pid and (sign := places.place(m.path))}
    files = signed(windows) if odd else {}
    if not places.trusted(files.get(plain(process.exe))):
        return
    for path, sign in odd.items():
        file = files.get(plain(path))
        if file and file.status in _BAD:
            yield path, sign


def _sideloads(process: Process, windows: Windows) -> Iterator[Suspicion]:
    for path, sign in sideloaded(process, windows):
        words = f"is signed itself, but has loaded {inert(path, 200)}, {sign.words}, for which nobody vouches"
        yield "process.sideload", Sign(words, 75, "T1574.002"), "high"


def _child(process: Process, above: tuple[Process, ...]) -> Iterator[Suspicion]:
    starter = above[0].name.lower() if above else ""
    if process.name.lower() not in _SHELLS:
        return
    if starter in _OFFICE:
        words = f"was started by {inert(starter, 40)} ({above[0].pid}): a document ran a program"
        yield "process.office_child", Sign(words, 75, "T1204.002"), "high"
    if starter in _SERVERS:
        words = (
            f"is a shell that a server ({inert(starter, 40)}, process {above[0].pid}) started: a web shell does that"
        )
        yield "process.server_shell", Sign(words, 70, "T1505.003"), "medium"


def _keeper(process: Process, snapshot: Snapshot, context: Context) -> Iterator[Suspicion]:
    """A parent whose own command line names the beacon's file would start it again; Windows' starters only pass it on."""
    if process.name.lower() in ("services.exe", "svchost.exe", "explorer.exe", "userinit.exe"):
        return
    for beacon in context.beacons(snapshot):
        above = parents(snapshot, beacon)
        if above and above[0].pid == process.pid and mentions(" ".join(process.cmdline), beacon.exe):
            words = f"started the suspect process {beacon.pid} and names its file: it would start it again"
            yield "process.keeper", Sign(words, 80, "T1059"), "high"


def _sure(sign: Sign) -> str:
    return "high" if sign.score >= 75 else "medium" if sign.score >= 50 else "low"
