"""What a host of the range starts by itself, and as whom: cron, at, units, timers, login and boot files. Knows formats; starts nothing.

systemd.unit(5), crontab(5), udev(7), run-parts of pam_motd(8). Read anew at every look. Of cron only the lines that are due in every
minute are obeyed: the range lives for some minutes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.init import CRON_NAME, EXEC_START, text

_EVERY_MINUTE = r"(?:\*(?:/\d+)?\s+\*\s+\*\s+\*\s+\*)\s+"
_WITH_USER = re.compile(rf"{_EVERY_MINUTE}(?P<user>\w[\w-]*)\s+(?P<command>.+)")
_OWN = re.compile(rf"{_EVERY_MINUTE}(?P<command>.+)")
_USER = re.compile(r"^User=(?P<user>\w+)$", re.M)
_TIMER_UNIT = re.compile(r"^Unit=(?P<unit>\S+)$", re.M)
_RUN = re.compile(r'RUN\+?="(?P<command>[^"]+)"')


@dataclass(frozen=True, slots=True)
class Start:
    """One thing to start: an argument vector, the login that it gets, and the name of what started it."""

    by: str
    user: str
    argv: tuple[str, ...]


def _shell(by: str, user: str, command: str) -> Start:
    return Start(by, user, ("/bin/sh", "-c", command))


def units(root: Path) -> Iterator[Start]:
    """Enabled services, and those that enabled timers start."""
    for folder, user in (
        ("etc/systemd/system", "root"),
        ("home/ops/.config/systemd/user", "ops"),
        ("root/.config/systemd/user", "root"),
    ):
        for link in sorted((root / folder).glob("*.wants/*")):
            yield from _unit(root / folder, root / folder / link.name, user) if _enabled(root, link) else ()


def _enabled(root: Path, link: Path) -> bool:
    """The link leads to a file that is there; an absolute one counts from the host's root."""
    target = link.readlink() if link.is_symlink() else Path(link.name)
    return (root / str(target).lstrip("/")).exists() if target.is_absolute() else (link.parent / target).exists()


def _unit(folder: Path, file: Path, user: str) -> Iterator[Start]:
    if file.suffix == ".timer":
        named = _TIMER_UNIT.search(text(file))
        file = folder / (named["unit"] if named else f"{file.stem}.service")
    command, login = EXEC_START.search(text(file)), _USER.search(text(file))
    if command:
        yield Start(file.name, login["user"] if login else user, tuple(shlex.split(command["command"])))


def cron(root: Path) -> Iterator[Start]:
    """What cron starts in every minute: the system's tables and each login's own."""
    tables = [
        root / "etc/crontab",
        *(f for f in sorted((root / "etc/cron.d").glob("*")) if CRON_NAME.fullmatch(f.name)),
    ]
    for row in (row.strip() for table in tables for row in text(table).splitlines()):
        if found := _WITH_USER.fullmatch(row):
            yield _shell("cron", found["user"], found["command"])
    for table in sorted((root / "var/spool/cron/crontabs").glob("*")):
        for row in text(table).splitlines():
            if found := _OWN.fullmatch(row.strip()):
                yield _shell("cron", table.name, found["command"])


def at_boot(root: Path) -> Iterator[Start]:
    """What a start of the machine runs beside units and cron: rc.local, and rules for devices as they appear."""
    if _runs(root / "etc/rc.local"):
        yield Start("rc.local", "root", ("/etc/rc.local",))
    for rule in sorted((root / "etc/udev/rules.d").glob("*.rules")):
        rows = [row for row in text(rule).splitlines() if not row.lstrip().startswith("#")]
        for found in (match for row in rows for match in _RUN.finditer(row)):
            yield Start("udev", "root", tuple(shlex.split(found["command"])))


def at_login(root: Path) -> Iterator[Start]:
    """What a login runs: the message of the day's scripts, and a login shell and an interactive one for each person."""
    for script in sorted((root / "etc/update-motd.d").glob("*")):
        if _runs(script):
            yield Start("motd", "root", (f"/etc/update-motd.d/{script.name}",))
    for user in ("ops", "root"):
        yield Start("login", user, ("/bin/sh", "-l", "-c", "true"))
        yield Start("shell", user, ("/bin/bash", "-i", "-c", "true"))


def at_jobs(root: Path) -> Iterator[Start]:
    """Every waiting job of at, as if its time had come."""
    for job in sorted((root / "var/spool/cron/atjobs").glob("a*")):
        if _runs(job):
            yield Start("at", "root", ("/bin/sh", f"/var/spool/cron/atjobs/{job.name}"))


def _runs(file: Path) -> bool:
    return file.is_file() and bool(file.stat().st_mode & 0o100)
