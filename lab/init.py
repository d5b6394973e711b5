"""Plays cron and systemd for a victim's folder: what an entry starts, starts again. Knows entries and processes; no network.

It reads the entries anew at every tick, as cron does every minute, and starts what is not running. So a beacon that is killed
while its entry stands comes back, and one whose entry is off, or whose file is gone, does not. Only executables inside
the victim's folder are ever started, by argument vector, never by a shell.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

# cron(8) of Debian ignores files in cron.d with any other character in their names.
CRON_NAME = re.compile(r"[A-Za-z0-9_-]+")
_CRON_LINE = re.compile(r"(?:@\w+|(?:[\d*/,-]+\s+){4}[\d*/,-]+)\s+\w[\w-]*\s+(?P<command>/.*)")
EXEC_START = re.compile(r"^ExecStart=(?P<command>/.*)$", re.M)


def commands(root: Path) -> Iterator[list[str]]:
    """The argument vectors that the victim's cron.d and enabled user units would start, as the victim names the files."""
    for file in sorted((root / "etc/cron.d").glob("*")):
        if CRON_NAME.fullmatch(file.name):
            yield from filter(None, map(_cron_command, text(file).splitlines()))
    for unit in sorted(root.glob("home/*/.config/systemd/user/default.target.wants/*.service")):
        found = EXEC_START.search(text(unit))
        if found:
            yield _words(found["command"])


def _cron_command(line: str) -> list[str]:
    found = _CRON_LINE.fullmatch(line.strip())
    return _words(found["command"]) if found else []


def _words(command: str) -> list[str]:
    """The words up to a redirection or an ampersand."""
    with suppress(ValueError):
        return [word for word in shlex.split(re.split(r"\s(?:\d*>|&)", command)[0]) if word]
    return []


def text(file: Path) -> str:
    try:
        return file.read_text(errors="replace") if file.is_file() else ""
    except OSError:
        return ""


class Init:
    """Starts what the entries say, one process an executable. `environment` is all that those processes get."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root, self.environment = root.resolve(), dict(environment)
        self.running: dict[Path, subprocess.Popen[bytes]] = {}
        # Whoever holds the writing end lives; the processes read the other one and end with it, however it ends.
        self._lifeline, self._alive = os.pipe()

    def tick(self) -> None:
        """Look at the entries once; start what is missing."""
        for words in commands(self.root):
            argv = [self._inside(word) for word in words]
            program = Path(argv[0])
            if self._may_run(program) and not self._runs(program):
                self._start(program, argv)

    def stop(self) -> None:
        """End every process that was started, by its id, and wait for it."""
        for process in self.running.values():
            process.kill()
            process.wait(10)
        os.close(self._alive)
        os.close(self._lifeline)

    def _start(self, program: Path, argv: list[str]) -> None:
        try:
            process = subprocess.Popen(  # noqa: S603
                argv,
                stdin=self._lifeline,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self.environment,
                cwd=self.root,
                start_new_session=True,
            )
        except OSError:
            return  # moved or made unexecutable since it was looked at; the next tick sees it
        self.running[program] = process
        # A killed process must be gone at once, not a zombie until the next tick.
        threading.Thread(target=process.wait, name="lab-reaper", daemon=True).start()

    def _inside(self, word: str) -> str:
        return str(self.root / word.lstrip("/")) if word.startswith("/") else word

    def _may_run(self, program: Path) -> bool:
        return program.resolve().is_relative_to(self.root) and program.is_file() and os.access(program, os.X_OK)

    def _runs(self, program: Path) -> bool:
        return program in self.running and self.running[program].poll() is None
