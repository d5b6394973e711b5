"""This very host, through psutil and /proc: the verbs of `Hands`. Knows its siblings; must not know what an incident is."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from tasks.facts import Autostart, Connection, FileSeen, Process, Start, System, Unseen
from tasks.facts_windows import Windows
from tasks.model import ConfigError, Json, Remote, TargetError, inert, parse_address, parse_port
from tasks.transports import (
    local_autostarts,
    local_change,
    local_files,
    local_memory,
    local_move,
    local_processes,
    local_sockets,
    local_walk,
    look_local,
    ssh_look,
)
from tasks.transports import local_proc as procfs
from tasks.transports.answering import answering
from tasks.transports.hands import Fetched, Ran, Stat
from tasks.transports.linux_files import WRITABLE


class LocalHands:
    """The local host.

    Args:
        root: "/" for the real host. A drill's victim is a folder: its files stand below it, paths are shown as they
            really are on this machine, and nothing outside it is changed or signalled.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def close(self) -> None:
        """Nothing to let go of."""

    def homes(self) -> Sequence[str]:
        """From the root's etc/passwd, system accounts left out."""
        return [path for _, path in local_files.homes(self.root)]

    def boot_time(self) -> float:
        """Seconds since the epoch."""
        return procfs.boot_time()

    def blind(self) -> Sequence[Unseen]:
        """What cannot be seen on this host at all, with this user in these namespaces."""
        with procfs.uncovered() as proc:
            closed = local_processes.closed(proc)
            covered = procfs.covers() if str(proc) == "/proc" else {}
            _, whole = procfs.hidden(proc, local_processes.HIDDEN_SECONDS)
        lacks = {
            "sockets of other processes": closed,
            "processes of other users": "/proc is mounted with hidepid" if procfs.hides_others() else "",
            "what a mount over /proc covers": f"process {min(covered)}: uncovering needs root" if covered else "",
            "hidden processes": "" if whole else "the search for them ran out of time",
            "processes outside this container": "" if procfs.all_pids_visible() else "hemostat runs in a PID namespace",
        }
        return [Unseen(what, why) for what, why in lacks.items() if why]

    def connections(self) -> Sequence[Connection]:
        """One sample of every TCP and UDP socket of this network namespace, IPv4-mapped IPv6 as IPv4."""
        return local_sockets.sample(time.time())

    def watch(self, remote: Remote, seconds: float) -> Sequence[Connection]:
        """Look some hundred times a second for sockets to the remote, and at once for who holds them; ends at the first owner."""
        return local_sockets.watch(remote, seconds)

    def processes(self, pids: Sequence[int] | None = None) -> Sequence[Process]:
        """All processes (or these, if they live), also those that hide; executables hashed through /proc/PID/exe."""
        return local_processes.snapshot(pids)

    def autostarts(self) -> tuple[Sequence[Autostart], Sequence[Unseen]]:
        """Every persistence entry below the root and its homes, and what could not be read."""
        return local_autostarts.read_all(self.root)

    def files(self, since: float) -> tuple[Sequence[FileSeen], Sequence[Unseen]]:
        """Files below the root's writable folders and homes that changed after `since`, and hidden programs there."""
        folders = [local_files.below(self.root, path) for path in WRITABLE]
        return local_walk.recent([*folders, *self.homes()], since)

    def system(self, parts: Sequence[str], since: float, starts: Sequence[float], exes: Sequence[str]) -> System:
        """By the same script that a host over SSH runs; a drill's victim has no kernel, packages or login records of its own."""
        wanted = [part for part in parts if self.root == "/" or part == "privileges"]
        return ssh_look.system(look_local.asker(), wanted, since, starts, exes, self.root)

    def details(self, pid: int) -> dict[str, bytes]:
        """cmdline, environ, maps, status, open_files, limits, cgroup, mountinfo …; `unseen` names what was refused."""
        return local_processes.details(pid)

    def stat(self, path: str) -> Stat | None:
        """The metadata of one file, None when it is not there."""
        return local_files.look(path)

    def sha256(self, path: str) -> str:
        """The SHA-256 of one regular file or of /proc/PID/exe."""
        return local_files.sha256(path)

    def read(self, path: str, limit: int) -> bytes:
        """The first `limit` bytes of one regular file."""
        return local_files.read(path, limit)

    def fetch(self, path: str, into: BinaryIO, limit: int) -> Fetched:
        """Copy at most `limit` bytes of a regular file or of /proc/PID/exe."""
        return local_files.fetch(path, into, limit)

    def memory(self, pid: int, start: Start, into: BinaryIO, limit: int) -> Fetched:
        """Copy the readable memory of exactly that process; see local_memory.dump."""
        return local_memory.dump(self.root, pid, start, into, limit)

    def came_from(self) -> tuple[str, int] | None:
        """The operator's end of an SSH login here and the port that it came to (SSH_CONNECTION, ssh(1)); None at the console."""
        words = os.environ.get("SSH_CONNECTION", "").split()
        try:
            return str(parse_address(words[0].partition("%")[0])), parse_port(words[3])
        except (IndexError, ConfigError):
            return None

    def renew(self, own: Sequence[str]) -> str:
        """An answer to a new TCP connection from one of the owner's addresses; see tasks.transports.answering."""
        return answering(own)

    def shipped(self, name: str, arguments: Mapping[str, Json], timeout: float = 120.0) -> Json:  # noqa: ARG002
        """Refused: those scripts are for Windows."""
        raise TargetError(f"run {name}", "this is no Windows host", "use the remedies for Linux")

    def windows(self, since: float, pids: Sequence[int]) -> tuple[Windows | None, Sequence[Unseen]]:  # noqa: ARG002
        """Nothing: this is no Windows host."""
        return None, ()

    def replace(self, path: str, data: bytes, expect_sha256: str) -> None:
        """New content in a file's place, if it still is the expected one; see local_change.replace."""
        local_change.replace(self.root, path, data, expect_sha256)

    def move(
        self, source: str, target: str, mode: int, expect_sha256: str = "", into: tuple[int, int] | None = None
    ) -> None:
        """Rename within one file system, never over anything; see local_move.move."""
        local_move.move(self.root, source, target, mode, expect_sha256, into)

    def signal(self, pid: int, start: Start, number: int) -> bool:
        """Signal exactly that process; see local_change.signal."""
        return local_change.signal(self.root, pid, start, number)

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 30.0) -> Ran:
        """Run a program by its argument vector in a session of its own, with a plain environment; `timeout` in seconds.

        Raises:
            TargetError: there is no such program, or it did not end in time (it is killed).
        """
        plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"} | {
            k: v for k, v in os.environ.items() if k in ("HOME", "USER", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
        }
        try:
            done = subprocess.run(  # noqa: S603
                list(argv), input=stdin, capture_output=True, timeout=timeout, env=plain, start_new_session=True
            )
        except subprocess.TimeoutExpired:
            raise TargetError(f"run {inert(argv[0])}", f"it did not end within {timeout:.0f} s") from None
        except OSError as error:
            raise TargetError(f"run {inert(argv[0])}", error.strerror or str(error)) from None
        return Ran(done.returncode, done.stdout, done.stderr)
