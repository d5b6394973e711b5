"""A Windows host over WinRM: the verbs of `Hands`, each one shipped script. Knows which script answers what; must not judge.

Triage writes nothing there. Where PowerShell is in constrained language mode, console tools show sockets and processes, and the rest is
told as unseen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NoReturn

from tasks.facts import Autostart, Connection, FileSeen, Process, Start, System, Unseen
from tasks.facts_windows import Preflight, Signed, Windows
from tasks.journal import pretty
from tasks.model import Json, Remote, TargetError, inert
from tasks.settings import Host
from tasks.transports import winrm_console, winrm_files, winrm_memory, winrm_read
from tasks.transports.hands import Fetched, Ran, Stat
from tasks.transports.winrm import Client
from tasks.transports.winrm_frame import Blocked, shipped
from tasks.transports.winrm_read import Sections
from tasks.transports.winrm_wire import Resolve
from tasks.windows.paths import plain

# Seconds that one section may take there, and the whole look.
EACH = 30.0
WHOLE = 300.0
# One watch, shorter than a section may take.
WATCH = 20.0
SIGNATURES = 120.0
HASHED = 256 << 20
# A file that was looked at so many seconds ago may be another by now.
FRESH = 60.0


class WinrmHands:
    """One Windows host.

    Args:
        host: the inventory's entry.
        secret: resolves a credential reference, at the moment of use.
    """

    def __init__(self, host: Host, secret: Resolve) -> None:
        self.host, self.root = host, "/"
        self._client = Client(host, secret)
        self._preflight: Preflight | None = None
        self._blocked: Blocked | None = None
        self._signed: dict[str, Signed] = {}
        self._signed_at = 0.0
        self._missed: list[Unseen] = []

    def close(self) -> None:
        """Let go of the connections; the next verb opens them anew."""
        self._client.close()

    def shipped(self, name: str, arguments: Mapping[str, Json], timeout: float = 120.0) -> Json:
        """Run one of the shipped scripts by its name and give its answer; `timeout` in seconds.

        Raises:
            Blocked: no script can run there.
            TargetError: it failed, or its answer is no JSON.
            Unreachable: the host does not answer.
        """
        raw = self._run(name, arguments, timeout)
        try:
            return json.loads(raw)
        except ValueError:
            raise TargetError(f"read the answer of {name}", "it is no JSON", "run it again") from None

    # --- looks -------------------------------------------------------------------------------------------------------

    def homes(self) -> Sequence[str]:
        """None that a judge of Windows paths would need."""
        return ()

    def boot_time(self) -> float:
        """Seconds since the epoch; 0.0 where only console tools can look."""
        told = self._told()
        return told.boot if told else 0.0

    def blind(self) -> Sequence[Unseen]:
        """What this login, or this language mode, does not show."""
        told = self._told()
        if told is None:
            return winrm_console.UNSEEN
        lacks = {
            "other users' processes and protected keys": "" if told.admin else "the login is no administrator there",
            "the 64-bit registry and System32": "" if told.process64 else "PowerShell runs as a 32-bit process there",
        }
        return [Unseen(what, why) for what, why in lacks.items() if why]

    def connections(self) -> Sequence[Connection]:
        """One sample of every TCP and UDP socket, v4 and v6.

        Raises:
            TargetError: the host cannot tell; that is not "no socket".
        """
        found = self._seen("connections")
        if found is None:
            return winrm_console.connections(self._client, time.time())
        sockets = winrm_read.connections(found)
        self._told_all("connections", found)
        return sockets

    def watch(self, remote: Remote, seconds: float) -> Sequence[Connection]:
        """Look again and again, there, in one run, until a socket to the remote shows: a short connect stands open for a moment only."""
        begun, seconds = time.monotonic(), min(seconds, WATCH)
        if self._told() is None:
            time.sleep(seconds)
            return ()
        found = self._look("watch", remote=str(remote.address), watch=seconds)
        time.sleep(max(0.0, begun + seconds - time.monotonic()) if not found.rows.get("watch") else 0.0)
        found.rows["connections"] = found.rows.get("watch", [])
        return winrm_read.connections(found)

    def processes(self, pids: Sequence[int] | None = None) -> Sequence[Process]:
        """All processes (or these), with the hashes of their files."""
        found = self._seen("processes")
        if found is None:
            return [p for p in winrm_console.processes(self._client) if pids is None or p.pid in pids]
        self._told_all("processes", found)
        if pids is not None:
            found.rows["processes"] = [row for row in found.rows["processes"] if row.get("pid") in pids]
        self._sign(str(row.get("exe") or "") for row in found.rows.get("processes", []))
        return winrm_read.processes(found, self._signed)

    def autostarts(self) -> tuple[Sequence[Autostart], Sequence[Unseen]]:
        """None of Linux's kinds; `windows` has the others."""
        return (), ()

    def files(self, since: float) -> tuple[Sequence[FileSeen], Sequence[Unseen]]:
        """Programs and hidden files in folders that users may write, changed after `since`."""
        found = self._seen("files", since=since)
        if found is None:
            return (), ()
        unseen = self._sign(str(row.get("path") or "") for row in found.rows.get("files", []))
        return winrm_read.files(found, self._signed), [*found.unseen, *unseen]

    def system(self, parts: Sequence[str], since: float, starts: Sequence[float], exes: Sequence[str]) -> System:
        """Nothing of Linux's system is here; `windows` has what Windows shows."""
        return System()

    def windows(self, since: float, pids: Sequence[int]) -> tuple[Windows | None, Sequence[Unseen]]:
        """Services, tasks, registry, subscriptions, drivers, events, and the suspects' modules; each section in its own time."""
        found, told = (
            self._seen(*winrm_read.SYSTEM, "modules", "phantom", since=since, pids=list(pids)),
            self._preflight,
        )
        if found is None or told is None:
            return Windows(winrm_console.PREFLIGHT), ()
        phantom = [int(row["pid"]) for row in found.rows.get("phantom", []) if isinstance(row.get("pid"), int)]
        unseen = self._sign(winrm_read.named(found))
        result = winrm_read.windows(found, told, tuple(self._signed.values()), phantom)
        missed, self._missed = [*self._missed, *found.unseen, *unseen], []
        return result, missed

    def details(self, pid: int) -> dict[str, bytes]:
        """The process's row, its modules and what is known of its file, as JSON texts."""
        found = self._look("processes", "modules", pids=[pid])
        rows = [row for row in found.rows.get("processes", []) if row.get("pid") == pid]
        if not rows:
            raise TargetError(f"look at process {pid}", "it is gone", "its file and entries may still be there")
        file = self._signed.get(plain(str(rows[0].get("exe") or "")))
        texts = {"cmdline": str(rows[0].get("command") or "").encode(), "process": pretty(rows[0])}
        signature = {"signature": pretty(asdict(file))} if file else {}
        return texts | signature | {"modules": pretty(found.rows.get("modules", []))}

    # --- files -------------------------------------------------------------------------------------------------------

    def stat(self, path: str) -> Stat | None:
        """The metadata of one file; None when it is not there."""
        rows = self._files([path])
        if not rows or not rows[0].exists:
            return None
        return Stat(path, rows[0].size, 0o100644, 0, 0, rows[0].modified, 0, 0)

    def sha256(self, path: str) -> str:
        """The SHA-256 as the host takes it."""
        return winrm_files.stat(self._client, path).sha256

    def read(self, path: str, limit: int) -> bytes:
        """The first `limit` bytes of a file."""
        with TemporaryDirectory() as folder:
            target = Path(folder) / "read"
            winrm_files.fetch(self._client, path, target, limit)
            return target.read_bytes()

    def fetch(self, path: str, into: BinaryIO, limit: int) -> Fetched:
        """Copy a file in checked pieces, resumed after a break."""
        there = winrm_files.stream(self._client, path, into, limit)
        return Fetched(there.hashed, there.sha256, there.hashed < there.size)

    def replace(self, path: str, data: bytes, expect_sha256: str) -> None:
        """Refused: nothing on Windows is cleaned by rewriting a file."""
        self._not_here(f"rewrite {inert(path)}")

    def move(
        self, source: str, target: str, mode: int, expect_sha256: str = "", into: tuple[int, int] | None = None
    ) -> None:
        """Refused: the remedies for Windows have scripts of their own."""
        self._not_here(f"move {inert(source)}")

    def signal(self, pid: int, start: Start, number: int) -> bool:
        """Refused: Windows has no signals."""
        self._not_here(f"signal process {pid}")

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 30.0) -> Ran:
        """Refused: no program of the host's is started with data in its command line."""
        self._not_here(f"run {inert(argv[0])}")

    def memory(self, pid: int, start: Start, into: BinaryIO, limit: int) -> Fetched:
        """A full minidump by the procdump that the operator staged on the host; see winrm_memory.dump."""
        row = next((p for p in self.processes([pid]) if p.start.same(start)), None)
        whose = winrm_memory.Whose(pid, start.created, row.exe if row else "")
        return winrm_memory.dump(self._client, whose, into, limit)

    def came_from(self) -> tuple[str, int] | None:
        """Where our connections come from as the host sees them: the far end of its sockets at WinRM's port.

        Raises:
            TargetError: no such socket shows, or several callers have one.
        """
        port = self.host.port or (5986 if self.host.winrm.tls else 5985)
        far = {
            c.remote for c in self.connections() if c.local_port == port and c.remote_port and c.state == "ESTABLISHED"
        }
        if len(far) != 1:
            seen = f"{len(far)} addresses have a connection to port {port}"
            raise TargetError("learn our own address", seen, "put the runner's address into policy.yaml: own")
        return far.pop(), port

    def renew(self, own: Sequence[str]) -> str:
        """Prove the way with a new connection and a new login."""
        self._client.close()
        told = winrm_read.preflight(self._look("preflight"))
        return f"a new login by WinRM was answered by {inert(told.computer)}"

    # --- inside ------------------------------------------------------------------------------------------------------

    def _not_here(self, tried: str) -> NoReturn:
        raise TargetError(tried, f"{self.host.name} is a Windows host", "use the remedies for Windows")

    def _told(self) -> Preflight | None:
        """What Windows this is; None when no script of ours can run there."""
        if self._preflight is None:
            self._seen()
        return self._preflight

    def _seen(self, *names: str, since: float = 0.0, pids: Sequence[int] = ()) -> Sections | None:
        """Look; the first time also at what Windows this is, in the same run. None when no script of ours can run there."""
        if self._blocked is not None:
            return None
        first = () if self._preflight else ("preflight",)
        try:
            found = self._look(*first, *names, since=since, pids=pids)
        except Blocked as error:
            self._blocked = error
            return None
        if first:
            self._preflight = winrm_read.preflight(found)
        return found

    def _told_all(self, name: str, found: Sections) -> None:
        """What of a section could not be seen is told with the rest; TargetError when nothing of it was seen."""
        self._missed += found.unseen
        if found.unseen and not found.rows.get(name):
            raise TargetError(f"look at {name} of {self.host.name}", found.unseen[0].why, "look at the host by hand")

    def _look(
        self, *names: str, since: float = 0.0, pids: Sequence[int] = (), remote: str = "", watch: float = 0.0
    ) -> Sections:
        arguments: dict[str, Json] = {"sections": list(names), "seconds": EACH, "since": since, "pids": list(pids)}
        arguments |= {"remote": remote, "watch": watch}
        return winrm_read.sections(self._run("look", arguments, WHOLE), names)

    def _run(self, name: str, arguments: Mapping[str, Json], timeout: float) -> bytes:
        return self._client.run_script(shipped(name), json.dumps(arguments).encode(), timeout)

    def _sign(self, paths: Iterable[str]) -> Sequence[Unseen]:
        """Look at those files that were not looked at yet, or too long ago; what could not be looked at."""
        if time.monotonic() - self._signed_at > FRESH:
            self._signed, self._signed_at = {}, time.monotonic()
        new = [path for path in winrm_read.unique(paths) if path not in self._signed]
        if not new:
            return ()
        rows, unseen = winrm_read.signed(self._signed_raw(new))
        self._signed |= {plain(row.path): row for row in rows}
        return unseen

    def _files(self, paths: list[str]) -> list[Signed]:
        return winrm_read.signed(self._signed_raw(paths))[0]

    def _signed_raw(self, paths: list[str]) -> bytes:
        return self._run("signed", {"paths": paths, "seconds": SIGNATURES, "largest": HASHED}, SIGNATURES + EACH)
