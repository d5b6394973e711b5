"""Judges persistence entries: what starts the beacon again, and what starts what it should not. Looks at no host."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.access import opened
from tasks.beacon import names
from tasks.collectors.context import Context
from tasks.facts import Autostart, Process, Snapshot
from tasks.model import Finding, inert
from tasks.shellwords import command, interprets, mentions, script, started
from tasks.signs import Sign, place, tricks
from tasks.windows import autostarts as windows

ATTACK = {
    "cron": "T1053.003",
    "cron_script": "T1053.003",
    "at": "T1053.002",
    "systemd": "T1543.002",
    "systemd_timer": "T1053.006",
    "profile": "T1546.004",
    "authorized_keys": "T1098.004",
    "rc_local": "T1037.004",
    "init": "T1037.004",
    "motd": "T1037",
    "ld_preload": "T1574.006",
    "xdg": "T1547.013",
    "inittab": "T1037.004",
    "upstart": "T1543",
    "generator": "T1543.002",
    "udev": "T1546.017",
    "modprobe": "T1547.006",
    "package_hook": "T1546.016",
    "network_hook": "T1546",
    "ld_conf": "T1574.006",
    "pam": "T1556.003",
    "sudoers": "T1548.003",
    "sshd": "T1098.004",
    "account": "T1136.001",
}
# Added when the file was changed near the beacon's start.
_RECENT = 25
# Hidden files that a home's profile loads on every machine.
_USUAL = (
    ".bash_aliases",
    ".bashrc",
    ".profile",
    ".bash_profile",
    ".zshrc",
    ".zshenv",
    "/.cargo/env",
    "/.nvm/nvm.sh",
    "/.fzf.bash",
)


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """The gravest reason of each entry, the others in its words."""
    found = [(entry, list(_signs(entry, snapshot, context))) for entry in snapshot.autostarts]
    return [
        *(_finding(entry, signs, snapshot, context) for entry, signs in found if signs),
        *windows.judge(snapshot, context),
    ]


Reason = tuple[str, Sign]


def _signs(entry: Autostart, snapshot: Snapshot, context: Context) -> Iterator[Reason]:
    home = context.home_for(entry.path)
    yield from _beacon(entry, home, snapshot, context)
    yield from _unit(entry, snapshot, context)
    yield from _timer(entry, snapshot, context)
    yield from _remote(entry, context)
    yield from _preload(entry, context)
    yield from opened(entry, context)
    yield from _starts(entry, home, snapshot, context)
    yield from (("autostart.command", Sign(s.words, s.score, s.attack)) for s in tricks(entry.text))
    yield from _recent(entry, snapshot, context)


def _beacon(entry: Autostart, home: str, snapshot: Snapshot, context: Context) -> Iterator[Reason]:
    """Names a file of the beacon; a system's interpreter that the beacon uses is everyone's and counts for nothing."""
    for process in context.beacons(snapshot):
        for path in (*files_of(process), *copies_of(process, snapshot)):
            ways = {path, context.own(path)}
            if ways & set(_files(entry, home)) or mentions(
                entry.text, path, context.own(path), home or context.home_of(path)
            ):
                words = f"starts {inert(path, 200)}, the program of process {process.pid}, {context.guilt(process)}"
                yield "autostart.beacon", Sign(words, 95, ATTACK[entry.kind])
                return


def files_of(process: Process) -> list[str]:
    """The files that make this process what it is: its script, and its executable unless that is a shared interpreter."""
    text = script(process.cmdline, process.cwd)
    shared = bool(text) and interprets(process.exe) and process.exe.startswith(("/usr/", "/bin/"))
    return [path for path in (text, "" if shared or process.memfd else process.exe) if path]


def copies_of(process: Process, snapshot: Snapshot) -> list[str]:
    """The files with the same content as this process's program: what is left where that was deleted or ran from memory alone."""
    own = process.exe in files_of(process) or process.memfd
    return [file.path for file in snapshot.files if own and file.sha256 and file.sha256 == process.sha256]


def _unit(entry: Autostart, snapshot: Snapshot, context: Context) -> Iterator[Reason]:
    """The unit that a beacon runs in, where it is not the distribution's: what it starts may be written so that no path is seen.

    No proof alone: what broke into an honest service runs there, too.
    """
    folder, _, name = context.own(entry.path).rpartition("/")
    if entry.kind != "systemd" or folder.startswith(("/usr/lib/", "/lib/")) or not entry.text.startswith("ExecStart"):
        return
    for process in context.beacons(snapshot):
        unit = process.unit.partition(" ")[0]
        if unit and name in (unit, re.sub(r"@[^.]*\.", "@.", unit)):
            words = f"is the unit in which process {process.pid} runs, {context.guilt(process)}"
            yield "autostart.unit", Sign(words, 60, ATTACK[entry.kind])
            return


def _timer(entry: Autostart, snapshot: Snapshot, context: Context) -> Iterator[Reason]:
    """A timer starts the service that it names, else the one of its own name (systemd.timer(5), Unit=)."""
    if entry.kind != "systemd_timer":
        return
    folder, _, name = entry.path.rpartition("/")
    named = re.search(r"(?:^|\s)Unit\s*=\s*(\S+)", entry.text)
    unit = named[1] if named else f"{name.removesuffix('.timer')}.service"
    for other in snapshot.autostarts:
        if other.path == f"{folder}/{unit}":
            home = context.home_for(other.path)
            for rule, sign in (*_beacon(other, home, snapshot, context), *_unit(other, snapshot, context)):
                yield rule, Sign(f"starts {inert(unit, 100)}, which {sign.words}", sign.score, ATTACK[entry.kind])


def _remote(entry: Autostart, context: Context) -> Iterator[Reason]:
    if names([entry.text], context.remote):
        words = f"names {context.remote.address}, the address of the alert"
        yield "autostart.remote", Sign(words, 90, ATTACK[entry.kind])


def _preload(entry: Autostart, context: Context) -> Iterator[Reason]:
    if entry.kind == "ld_preload":
        own = context.own(entry.text.split()[0]) if entry.text.split() else ""
        usual = own.startswith(("/usr/lib/", "/lib/")) and "/." not in own
        words = "makes every program load this library first: so a rootkit hides processes and files from all tools"
        yield "autostart.preload", Sign(words, 65 if usual else 85, "T1574.006")
    elif "LD_PRELOAD=" in entry.text and entry.kind in ("profile", "cron", "systemd"):
        words = "makes programs load a library of its choice first"
        yield "autostart.preload", Sign(words, 45, "T1574.006")


def _starts(entry: Autostart, home: str, snapshot: Snapshot, context: Context) -> Iterator[Reason]:
    """Starts a file in an odd place; in a drill the entry may name it as the victim sees it or as it really is."""
    bad = {p.exe: p for p in snapshot.processes if p.exe and p.deleted and place(p.exe, context)}
    for path in _files(entry, home):
        sign = place(path, context)
        if sign is None or (entry.kind == "profile" and path.endswith(_USUAL)):
            continue
        # Nobody installs a scheduled job to a folder for temporary files.
        score = sign.score + 10 if sign.score >= 50 else sign.score
        gone = ", a file that was deleted while it runs" if path in bad else ""
        yield "autostart.place", Sign(f"starts {inert(path, 200)}{gone}, {sign.words}", score, ATTACK[entry.kind])


def _files(entry: Autostart, home: str) -> list[str]:
    if entry.kind in ("authorized_keys", "ld_preload", "systemd_timer"):
        return []
    if entry.text.startswith("link to "):
        return [entry.text[8:]]
    return [path for line in command(entry).split("\n") if not line.startswith("#") for path in started(line, home)]


def _recent(entry: Autostart, snapshot: Snapshot, context: Context) -> Iterator[Reason]:
    if context.near_start(snapshot, entry.modified):
        score = 55 if entry.kind == "authorized_keys" else 40
        words = "lies in a file that was changed within ten minutes of the beacon's start"
        yield "autostart.recent", Sign(words, score, ATTACK[entry.kind])


def _finding(entry: Autostart, signs: list[Reason], snapshot: Snapshot, context: Context) -> Finding:
    # That the file is fresh weighs alone only if nothing else does; else it makes the other reason graver.
    others = [reason for reason in signs if reason[0] != "autostart.recent"]
    rule, gravest = max(others or signs, key=lambda reason: reason[1].score)
    score = min(gravest.score + _RECENT * (0 < len(others) < len(signs)), 98)
    at = f"{inert(entry.path, 400)}:{entry.line}" if entry.line else inert(entry.path, 400)
    reasons = "; ".join(dict.fromkeys(f"it {sign.words}" for _, sign in signs))
    return Finding(
        rule,
        f"an entry of {entry.kind} {gravest.words}"[:600],
        at,
        f"{reasons}. It says: {inert(entry.text, 300)}",
        score,
        "high" if score >= 85 else "medium" if score >= 50 else "low",
        gravest.attack,
        {
            "kind": entry.kind,
            "path": entry.path,
            "line": entry.line,
            "text": entry.text,
            "sha256": entry.sha256,
            "owner": entry.owner,
            "modified": entry.modified,
            "pids": [p.pid for p in context.beacons(snapshot) if rule == "autostart.beacon"],
            "starts": _files(entry, context.home_for(entry.path))[:8],
        },
    )
