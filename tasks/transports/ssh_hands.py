"""A Linux host over SSH: the verbs of `Hands`, as tasks.transports.local has them. Knows its siblings; not what an incident is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

from tasks.facts import Autostart, Connection, FileSeen, Process, Start, System, Unseen
from tasks.facts_windows import Windows
from tasks.model import Json, Remote, TargetError, Unreachable, inert
from tasks.settings import Host, Site
from tasks.transports import ssh_look, ssh_memory, ssh_stream, ssh_text
from tasks.transports.hands import Fetched, Ran, Stat
from tasks.transports.ssh_link import Link
from tasks.transports.ssh_session import understood

Resolve = Callable[[str], str]
# Seconds until a verb must be done. A host under attack may be slow; a step's own time-out stands above these.
QUICK, HASHING, CHANGING = 20.0, 120.0, 60.0
MAX_HASHED = 512 << 20
# One chunk of new content is one line there.
CHUNK = 2048


class SshHands:
    """A host over SSH. Nothing is opened yet: the first verb does, and a broken connection is opened anew for one that only looks.

    Args:
        host: whom to reach.
        site: where jump hosts are looked up.
        secret: resolves a credential reference, at the moment of use.
    """

    def __init__(self, host: Host, site: Site, secret: Resolve) -> None:
        self.root, self._link = host.root, Link(host, site, secret)
        self._missed: dict[str, Sequence[Unseen]] = {}

    def close(self) -> None:
        """Let go of the connection; the next verb opens it anew."""
        self._link.close()

    def ask(self, verb: str, arguments: Sequence[str], seconds: float, tried: str = "") -> bytes:
        """Have a verb of the scripts done that only looks; see ssh_session.Session.ask. After a broken connection: once more."""
        session = self._link.session()
        try:
            return session.ask(verb, arguments, seconds, tried)
        except Unreachable:  # the connection, or the shell on it, ended in the middle
            return self._link.session().ask(verb, arguments, seconds, tried)

    def _change(self, tried: str, verb: str, arguments: Sequence[str]) -> bytes:
        """As `ask`, never twice: whether it was done before the connection broke is for the next look to say."""
        return self._link.session().ask(verb, (self.root, *arguments), CHANGING, tried)

    def homes(self) -> Sequence[str]:
        """From etc/passwd, system accounts left out."""
        return ssh_look.homes(self.ask, self.root)

    def boot_time(self) -> float:
        """Seconds since the epoch."""
        return ssh_look.boot_time(self.ask)

    def blind(self) -> Sequence[Unseen]:
        """What cannot be seen on this host at all, with this login, and what the last looks at all sockets and processes left out."""
        return list(dict.fromkeys((*ssh_look.blind(self.ask), *(u for left in self._missed.values() for u in left))))

    def connections(self) -> Sequence[Connection]:
        """One sample of every TCP and UDP socket."""
        rows, self._missed["connections"] = ssh_look.connections(self.ask)
        return rows

    def watch(self, remote: Remote, seconds: float) -> Sequence[Connection]:
        """Look for short-lived sockets to the remote; ends at the first owner."""
        return ssh_look.watch(self.ask, remote, seconds)

    def processes(self, pids: Sequence[int] | None = None) -> Sequence[Process]:
        """All processes (or these, if they live), also those that hide; executables hashed."""
        rows, missed = ssh_look.processes(self.ask, pids)
        if pids is None:
            self._missed["processes"] = missed
        return rows

    def autostarts(self) -> tuple[Sequence[Autostart], Sequence[Unseen]]:
        """Every persistence entry, and what could not be read."""
        return ssh_look.autostarts(self.ask, self.root)

    def files(self, since: float) -> tuple[Sequence[FileSeen], Sequence[Unseen]]:
        """Files of writable folders and homes that changed after `since`, and hidden programs there."""
        return ssh_look.files(self.ask, since, self.root)

    def system(self, parts: Sequence[str], since: float, starts: Sequence[float], exes: Sequence[str]) -> System:
        """The system around the processes: those of `parts`."""
        return ssh_look.system(self.ask, parts, since, starts, exes, self.root)

    def details(self, pid: int) -> dict[str, bytes]:
        """Volatile texts of one process by name."""
        return ssh_look.details(self.ask, pid)

    def stat(self, path: str) -> Stat | None:
        """The metadata of one file, None when it is not there; times in whole seconds."""
        answer = self._looked("stat", path, QUICK)
        if answer is None:
            return None
        line, _, link = answer.partition(b"\n")
        with understood(f"look at {inert(path)}"):
            size, mode, uid, gid, modified, inode, device = (
                int(word, 16 if n == 1 else 10) for n, word in enumerate(line.split())
            )
            return Stat(path, size, mode, uid, gid, float(modified), inode, device, ssh_text.decoded(link))

    def _looked(self, verb: str, path: str, seconds: float) -> bytes | None:
        try:
            return self.ask(verb, (absolute(path),), seconds, f"look at {inert(path)}")
        except Unreachable:
            raise
        except TargetError as error:
            if error.seen in ("No such file or directory", "Not a directory"):
                return None
            raise

    def sha256(self, path: str) -> str:
        """The SHA-256 of one regular file or of /proc/PID/exe, in hexadecimal."""
        answer = self.ask("sha256", (absolute(path), str(MAX_HASHED)), HASHING, f"hash {inert(path)}")
        with understood(f"hash {inert(path)}"):
            return bytes.fromhex(answer.decode("ascii")).hex()

    def read(self, path: str, limit: int) -> bytes:
        """The first `limit` bytes of one regular file."""
        return self.ask("read", (absolute(path), str(limit)), HASHING, f"open {inert(path)}")

    def fetch(self, path: str, into: BinaryIO, limit: int) -> Fetched:
        """Copy at most `limit` bytes of a regular file or of /proc/PID/exe; see ssh_stream.fetch."""
        return ssh_stream.fetch(self._link.channel, absolute(path), into, limit)

    def memory(self, pid: int, start: Start, into: BinaryIO, limit: int) -> Fetched:
        """The readable memory of exactly that process as an ELF core file; see ssh_memory.dump."""
        whose = ssh_memory.Whose(self.root, pid, ssh_text.moment(start))
        return ssh_memory.dump(self._link.channel, whose, into, limit)

    def came_from(self) -> tuple[str, int] | None:
        """Where our connection comes from as the host's own sshd saw it, and the port that it came to (SSH_CONNECTION, ssh(1))."""
        return self._link.came_from()

    def renew(self, own: Sequence[str]) -> str:  # noqa: ARG002
        """A whole new login, and a shell on it that answers; the connection that stands is not used."""
        return self._link.renewed()

    def shipped(self, name: str, arguments: Mapping[str, Json], timeout: float = 120.0) -> Json:  # noqa: ARG002
        """Refused: those scripts are for Windows."""
        raise TargetError(f"run {name}", "this is no Windows host", "use the remedies for Linux")

    def windows(self, since: float, pids: Sequence[int]) -> tuple[Windows | None, Sequence[Unseen]]:  # noqa: ARG002
        """Nothing: this is no Windows host."""
        return None, ()

    def replace(self, path: str, data: bytes, expect_sha256: str) -> None:
        """New content in a file's place if it still is the expected one; owner, mode and, where cp can, attributes stay.

        Raises:
            Refused: outside the root.
            TargetError: the file is not the expected one any more, or the host refuses.
        """
        chunks = [ssh_text.octal(data[at : at + CHUNK]).decode("ascii") for at in range(0, len(data), CHUNK)]
        arguments = (absolute(path), expect_sha256, secrets.token_hex(4), *chunks)
        self._change(f"replace {inert(path)}", "replace", arguments)

    def move(
        self, source: str, target: str, mode: int, expect_sha256: str = "", into: tuple[int, int] | None = None
    ) -> None:
        """Rename within one file system, never over anything, and set the mode.

        Raises:
            Refused: one of the two lies outside the root.
            TargetError: it is another file or folder, the target is there already, or is on another file system.
        """
        folder = f"{into[0]} {into[1]}" if into else ""
        arguments = (absolute(source), absolute(target), f"{mode:o}", expect_sha256, folder)
        self._change(f"move {inert(source)} to {inert(target)}", "move", arguments)

    def signal(self, pid: int, start: Start, number: int) -> bool:
        """Signal the process if it still is the one of that `start`; False when it is gone.

        Raises:
            Refused: it is this connection's own shell, one of its ancestors, pid 1 or a kernel thread ("self"), or outside ("fence").
            TargetError: the kernel refuses.
        """
        arguments = (str(int(pid)), ssh_text.moment(start), str(int(number)))
        return self._change(f"signal process {pid}", "signal", arguments).strip() == b"sent"

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 30.0) -> Ran:
        """Run a program by its argument vector with a plain environment; `timeout` in seconds; see ssh_stream.run."""
        return ssh_stream.run(self._link.channel(), argv, stdin, timeout)


def absolute(path: str) -> str:
    """The path itself.

    Raises:
        TargetError: it is relative, or holds a zero byte: no file is called that.
    """
    if not path.startswith("/") or "\0" in path:
        raise TargetError(f"open {inert(path)}", "it is no absolute path", "give the whole path")
    return path
