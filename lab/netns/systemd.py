"""A host whose process 1 is the machine's own systemd, as in a container. Knows systemd's demands of its manager; must not know the range.

What it wants of whoever starts it: systemd's "Container Interface" and file-hierarchy(7). /sys and /proc/sys are read-only and what would
reach beyond the host's namespaces (clock, modules, the kernel's log) it may not do, so no unit of it can change the machine.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lab.netns import cgroups, entries, kernel, root
from lab.netns.entries import Start
from lab.netns.init import PATH, wait

PROGRAM = Path("/lib/systemd/systemd")
UNITS = Path("/lib/systemd/system")
TARGET = "multi-user.target"
ENABLED = ("ssh.service", "cron.service")
NEEDED = {
    "ssh.service": "openssh-server",
    "cron.service": "cron",
    "dbus.service": "dbus",
    "systemd-logind.service": "libpam-systemd",
}
# capabilities(7): audit_control, audit_read, mac_admin, mac_override, sys_module, sys_rawio, sys_time, syslog, wake_alarm.
FORBIDDEN = (30, 37, 33, 32, 16, 17, 25, 34, 35)
# A restart and an end of the machine, as a PID namespace's parent sees them (reboot(2), "Behavior inside PID namespaces").
REBOOTED = signal.SIGHUP
POWEROFF = signal.SIGRTMIN + 4
END = 3.0
READY = 20.0


def missing() -> str:
    """Why no host can be under a real systemd here, in words with what to do; or nothing."""
    if os.geteuid() != 0:
        return "a host under a real systemd needs root"
    if not PROGRAM.exists() or not shutil.which("nsenter"):
        return "systemd or nsenter not found: install Debian's systemd and util-linux"
    absent = [package for unit, package in NEEDED.items() if not (UNITS / unit).exists()]
    if absent:
        return f"units of {', '.join(absent)} not found: install them"
    return cgroups.missing()


def prepare(folder: Path) -> None:
    """What of /etc and /var a start by systemd needs beside `root.build`: an own identity, its target, what is enabled, a journal."""
    etc = folder / "etc"
    (etc / "machine-id").write_text(f"{secrets.token_hex(16)}\n")  # without one, a first boot enables everything
    for old in (*etc.glob("rc?.d"), etc / "systemd/system/default.target"):
        shutil.rmtree(old, ignore_errors=True)
    (etc / "fstab").write_text("")
    (etc / "systemd/system/default.target").symlink_to(UNITS / TARGET)
    wants = etc / f"systemd/system/{TARGET}.wants"
    wants.mkdir(exist_ok=True)
    for unit in ENABLED:
        (wants / unit).symlink_to(UNITS / unit)
    for made in ("var/log/journal", "var/lib/systemd"):
        (folder / made).mkdir(parents=True, exist_ok=True)
    settings = etc / "systemd/journald.conf.d/lab.conf"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text("[Journal]\nSystemMaxUse=32M\nRuntimeMaxUse=16M\n")


class Systemd:
    """The host's systemd, on and off. The same to a host as lab.netns.init.Init."""

    def __init__(self, folder: Path) -> None:
        self.root, self.pid = folder, 0

    def sshd(self) -> None:
        """Switch it on: sshd is one of its units."""
        if not (self.root / "proc/self").exists():
            kernel.mount("proc", self.root / "proc", "proc")  # in which its number is the one that we know
        cgroups.sweep()  # what a range left that was killed as a whole
        self.pid = kernel.init_of_new(kernel.NEWNS, self._become)

    def boot(self) -> None:
        """What a start of the machine runs it has run."""

    def tick(self) -> None:
        """Reap; a host that restarted itself is switched on again."""
        if self._ended() is REBOOTED:
            self.sshd()

    def down(self) -> None:
        """Its power fails."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            wait(lambda: self._ended() is not None, END)
        cgroups.sweep()

    def leave(self) -> None:
        """Let it stop its units and end, within a few seconds."""
        if self.pid:
            os.kill(self.pid, POWEROFF)
            wait(lambda: self._ended() is not None, END)
        self.down()
        root.released(self.root)

    def provoke(self) -> None:
        """Everything that may start something: a real start of the machine, logins, the time of every job."""
        self.down()
        self.sshd()
        self.ready()
        for source in (entries.at_login, entries.at_jobs, entries.cron):
            for start in source(self.root):
                self.start(start)

    def ready(self) -> None:
        """Wait until it has started what it must; OSError when it does not come so far."""
        words = self.words(["sh", "-c", f"systemctl --quiet is-active {TARGET} || {{ sleep 0.1; false; }}"])
        if not wait(lambda: os.waitstatus_to_exitcode(_status(words)) == 0, READY):
            raise OSError(f"systemd did not reach {TARGET}")

    def start(self, start: Start) -> None:
        """Start it as that login, within the host."""
        user = (
            ()
            if start.user == "root"
            else ("setpriv", f"--reuid={start.user}", f"--regid={start.user}", "--init-groups")
        )
        _status(self.words(["setsid", "--fork", *user, "env", f"HOME={_home(start.user)}", *start.argv]))

    def words(self, argv: Sequence[str]) -> list[str]:
        """How a program is started within the host, from without."""
        its = self.root / f"proc/{self.pid}"
        spaces = (
            f"--{name}={its}/ns/{file}" for name, file in (("mount", "mnt"), ("pid", "pid"), ("cgroup", "cgroup"))
        )
        return ["nsenter", *spaces, f"--root={its}/root", f"--wd={its}/root", "--", *argv]

    def enter(self) -> None:
        """The words say it all."""

    def _ended(self) -> signal.Signals | None:
        """How it ended, once; None while it runs or when it was off."""
        ended: signal.Signals | None = None
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self.pid:
                    self.pid, ended = 0, signal.Signals(os.WTERMSIG(found[1]) or signal.SIGTERM)
        return ended

    def _become(self) -> None:
        cgroups.join()
        kernel.unshare(kernel.NEWCGROUP)
        root.mounted(self.root)
        kernel.mount("cgroup2", self.root / "sys/fs/cgroup", "cgroup2", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
        kernel.bind(self.root / "proc/sys", self.root / "proc/sys", read_only=True)
        (self.root / "run/spare").mkdir()
        kernel.pivot(self.root, "/run/spare")
        kernel.without(FORBIDDEN)
        nothing = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        os.umask(0o022)
        os.execve(PROGRAM, [str(PROGRAM)], {"container": "hemostat", "PATH": PATH})  # noqa: S606


def _home(user: str) -> str:
    return "/root" if user == "root" else f"/home/{user}"


def _status(words: list[str]) -> int:
    """Run it with nothing to read or say; how it ended, as waitpid tells it."""
    pid = os.posix_spawnp(
        words[0], words, {"PATH": PATH},
        file_actions=[(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in range(3)],
    )  # fmt: skip
    return os.waitpid(pid, 0)[1]
