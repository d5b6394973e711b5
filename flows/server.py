"""The embedded Prefect server: a supervised child on loopback. Knows processes and ports; must not import Prefect."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tasks.case import write_once
from tasks.model import TargetError
from tasks.transports.local_proc import ended, stat_fields

PORT = 4217
PROC = Path("/proc")
# Seconds. A first start makes the database: ten where the machine is idle, over sixty where it is very busy (measured).
STARTS_WITHIN = 180.0
_PR_SET_PDEATHSIG = 1  # prctl(2): the child gets this signal when its parent dies, so no server is left behind


class Server:
    """One Prefect server for one site. An already running one (PREFECT_API_URL's, or the site's own) is used and never stopped.

    Args:
        home: where Prefect keeps its database; the password file in it is readable by the owner alone.
        lasts: its command runs until a person ends it, so that other commands of the site may use the server meanwhile.
    """

    def __init__(self, home: Path, lasts: bool = False) -> None:
        self._home, self._lasts = home, lasts
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[str, str | None] = {}
        self._claims: list[socket.socket] = []
        self.foreign = os.environ.get("PREFECT_API_URL", "")
        self.url = self.foreign or ""

    @property
    def password_file(self) -> Path:
        """What the pages ask for."""
        return self._home / "auth"

    @property
    def ui(self) -> str:
        """The address of the web pages."""
        return self.url.removesuffix("/api")

    def start(self) -> None:
        """Start the child, if none of this site runs, and return at once: nothing waits for it.

        Its settings go into this process's environment too.
        """
        if self.foreign:
            return
        running = recorded(self._home)
        self.url = running or f"http://127.0.0.1:{self._port()}/api"
        ours = settings(self._home, self.url)
        self._before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        if not running:
            self._spawn()

    def revive(self) -> None:
        """Start a server that has died again, at the same address: a client that is already set up finds it there."""
        if not self.alive:
            self._spawn()

    def _port(self) -> int:
        """PORT, if it is free and no other hemostat has chosen it, else any: between the choice and the child's listening lie seconds.

        The claim is an abstract socket (unix(7)): as wide as the network namespace, and gone with this process. The port itself is held
        by a socket that is bound and does not listen: the kernel gives it to nobody who wants any port, and the child may still take it,
        for both have SO_REUSEADDR (socket(7)).
        """
        claim, wanted = socket.socket(socket.AF_UNIX), [PORT, 0]
        self._claims.append(claim)
        try:
            claim.bind(f"\0hemostat-prefect-{PORT}")
        except OSError:
            wanted = [0]
        held = _bound(*wanted)
        self._claims.append(held)
        return int(held.getsockname()[1])

    def _spawn(self) -> None:
        port = self.ui.rpartition(":")[2]
        log = (self._home / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and constant words
                [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        if self._lasts:
            record(self._home, self.url, self._process.pid)

    def ready(self) -> bool:
        """Does it answer now? Takes at most half a second."""
        return self._answers(0.5)

    def _answers(self, within: float) -> bool:
        """A dead child's port may be another's, so only a living one is asked."""
        if not self.alive:
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=within) as answer:  # noqa: S310 - http on loopback or the owner's URL
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def wait(self, seconds: float = STARTS_WITHIN) -> bool:
        """Wait until it answers; False if it does not in that time or has died."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.alive:
            if self._answers(2.0):
                return True
            time.sleep(0.1)
        return False

    @property
    def alive(self) -> bool:
        """Does its process live? Of a foreign one that is not known."""
        ours = self._process is not None and self._process.poll() is None
        return bool(self.foreign) or ours or recorded(self._home) == self.url

    def stop(self) -> None:
        """End our own child, by its process group, and take our settings out of the environment; another's is left alone."""
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        for claim in self._claims:
            claim.close()
        if self._process is None or self._process.poll() is not None:
            return
        for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                return


@contextlib.contextmanager
def running(home: Path, lasts: bool = False) -> Iterator[Server]:
    """A server for one `with` block, started but not waited for."""
    server = Server(home, lasts)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def answering(home: Path) -> Iterator[Server]:
    """One for a command that lasts and is nothing without it.

    Raises:
        TargetError: it does not answer.
    """
    with running(home, lasts=True) as server:
        if not server.wait():
            raise TargetError("reach Prefect", f"{server.url} did not answer in time", f"see {home / 'server.log'}")
        yield server


def record(home: Path, url: str, pid: int) -> None:
    """Tell the site's other commands of the server that has this process id. The folder is the owner's alone."""
    write_once(home / "server.json", json.dumps({"url": url, "pid": pid, "mark": _mark(pid)}).encode())


def recorded(home: Path) -> str | None:
    """The API of the server that a command of this site keeps up; None unless its very process lives, and so does its parent."""
    try:
        told = json.loads((home / "server.json").read_bytes())
        lives = _mark(told["pid"]) == told["mark"] and not ended(PROC, told["pid"])
        return str(told["url"]) if lives else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _mark(pid: int) -> str:
    """Its start and its parent, from proc_pid_stat(5): a pid may be another's by now, and one whose command was killed is ending."""
    fields = stat_fields(PROC, pid)
    return f"{fields[19]} {fields[1]}"


def settings(home: Path, url: str) -> dict[str, str]:
    """Prefect's settings for server and client: no telemetry, no pretence of being reachable, short patience, a password."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = _password(home)
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_API_AUTH_STRING": password,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_CLIENT_MAX_RETRIES": "1",
        "PREFECT_API_REQUEST_TIMEOUT": "5",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # its pages show the log; the terminal is the run's
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }


def _password(home: Path) -> str:
    path = home / "auth"
    if not path.exists():
        write_once(path, f"hemostat:{secrets.token_urlsafe(18)}".encode())
        path.chmod(0o600)
    return path.read_text()


def _bound(*wanted: int) -> socket.socket:
    """A socket at the first of these ports that is free; 0 is any. It does not listen."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for port in wanted:
        with contextlib.suppress(OSError):
            held.bind(("127.0.0.1", port))
            return held
    held.close()
    raise OSError("no free port on loopback")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
