"""Process 1 of a host: starts what its entries say, reaps what ends. Knows entries and processes; must not know the range.

Everything is started within the host's root folder (chroot), as the login that the entry names, with nothing of ours in its
environment. A lab's minute is CRON seconds.
"""

from __future__ import annotations

import os
import pwd
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from lab.netns import entries, kernel, root
from lab.netns.entries import Start

CRON = 1.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SSHD = ("/usr/sbin/sshd", "-D", "-f", "/etc/ssh/sshd_config")


class Init:
    """The host's processes, for as long as it is up."""

    def __init__(self, folder: Path, obeys: bool) -> None:
        """`obeys`: cron, units and the like are obeyed; else only `services` run."""
        self.root, self.obeys = folder, obeys
        self._units: dict[str, int] = {}
        self._next_cron = 0.0

    def tick(self) -> None:
        """Reap; start the units that do not run; once a lab's minute, what cron starts."""
        self._reap()
        if not self.obeys:
            return
        for start in entries.units(self.root):
            if start.by not in self._units:
                self._units[start.by] = self.start(start)
        if time.monotonic() >= self._next_cron:
            self._next_cron = time.monotonic() + CRON
            self.all(entries.cron(self.root))

    def sshd(self) -> None:
        """Start the host's SSH server."""
        self.start(Start("sshd", "root", SSHD))

    def boot(self) -> None:
        """What a start of the machine runs once, beside its SSH server."""
        if self.obeys:
            self.all(entries.at_boot(self.root))

    def provoke(self) -> None:
        """Everything that may start something, at once: a boot, a login, the time of every job."""
        for source in (entries.at_boot, entries.at_login, entries.at_jobs, entries.cron):
            self.all(source(self.root))

    def all(self, starts: Iterable[Start]) -> None:
        for start in starts:
            self.start(start)

    def leave(self) -> None:
        """The range ends."""
        root.released(self.root)

    def down(self) -> None:
        """Every process of the host but this one ends, as when its power fails."""
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        self._units.clear()
        while self._reap():
            time.sleep(0.005)

    def words(self, argv: Sequence[str]) -> list[str]:
        """How a program is started within the host, by whoever has called `enter`."""
        return list(argv)

    def enter(self) -> None:
        """Make the host's root folder this process's own."""
        os.chroot(self.root)
        os.chdir("/")

    def start(self, start: Start) -> int:
        """Start it; its process id."""
        return kernel.forked(lambda: self._become(start.user, start.argv))

    def _become(self, user: str, argv: Sequence[str]) -> None:
        login = pwd.getpwnam(user) if user in ("root", "frr") else None
        uid, gid = (login.pw_uid, login.pw_gid) if login else (1000, 1000)
        home = "/root" if user == "root" else f"/home/{user}"
        nothing = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        os.closerange(3, 256)
        os.setsid()
        self.enter()
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
        os.execve(argv[0], list(argv), {"PATH": PATH, "HOME": home, "LOGNAME": user, "USER": user, "SHELL": "/bin/sh"})  # noqa: S606

    def _reap(self) -> bool:
        """Take what has ended; False when no child is left."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            self._units = {name: running for name, running in self._units.items() if running != pid}


def wait(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until it is so, at most that long; whether it became so."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
