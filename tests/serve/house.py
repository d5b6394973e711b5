"""A site with many hosts behind one laboratory firewall, and `hemostat serve` for it as a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from flows.inbox import Inbox
from lab.range import Range
from tasks.case import incidents, load_state
from tasks.journal import NAME, first_data
from tasks.model import Json
from tasks.state import State
from tests.cli.house import CODE, QUICK, House
from tests.patience import BUSY, until

STARTS_WITHIN = 30.0
FAST = {
    **QUICK,
    "confirm": {"samples": 1, "window": 0.05, "when_unsure": "block"},
    "triage": {"collectors": ["connections"], "samples": 1, "window": 0.05},
    "verify": {"intervals": 1, "at_least": 0.05, "at_most": 0.2},
}


@dataclass
class Office:
    """The site, and what is asked of it over HTTP."""

    folder: Path
    lab: Range
    serve: Serve | None = None

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def folders(self) -> list[Path]:
        """Those that have been opened: their first line is whole."""
        return [folder for folder in incidents(self.reports) if first_data(folder / NAME)]

    def state(self, incident: str) -> State:
        return load_state(self.reports / incident)

    def furnish(self, hosts: int, playbook: Json = FAST) -> None:
        """Hosts h000, h001, … of this machine, each with an empty folder for /, all behind the laboratory's ASA."""
        self.lab.write_site(self.folder)
        house = House(self.folder, self.lab)
        house.merge("playbooks/beacon.yaml", playbook)
        (self.folder / "playbooks" / "drill.yaml").unlink()
        made = {}
        for number in range(hosts):
            root = self.folder / "roots" / f"h{number:03}"
            root.mkdir(parents=True)
            made[f"h{number:03}"] = {
                "hostname": f"192.0.2.{number + 1}",
                "platform": "linux",
                "transport": "local",
                "firewalls": ["asa"],
                "root": str(root),
            }
        house.merge("inventory/hosts.yaml", made)

    def write(self, file: str, content: Json) -> None:
        """Change keys of a file of the site."""
        House(self.folder, self.lab).merge(file, content)

    def denied(self) -> list[str]:
        """Each address that the firewall was told to deny, as often as it was told."""
        return re.findall(r"network-object host (203\.0\.113\.\d+)", "\n".join(self.lab.accounting()))


@dataclass
class Serve:
    """One process of `hemostat serve`."""

    office: Office
    words: tuple[str, ...] = ("--no-prefect",)
    environment: dict[str, str] = field(default_factory=dict)
    url: str = ""
    trust: Path | None = None

    def __enter__(self) -> Serve:
        # Bound, not listening: the kernel gives the port to nobody else, and serve may still have it (SO_REUSEADDR, socket(7)).
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._port.close()

    def start(self) -> None:
        """Start it; returns when it listens. The port stays the same for every start, and nobody else gets it in between."""
        port = str(self._port.getsockname()[1])
        self._log = (self.office.folder / "serve.log").open("ab")
        self._said = self.office.folder / "said"
        self._said.write_bytes(b"")
        with self._said.open("ab") as said:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "flows.cli",
                    "serve",
                    "--site",
                    str(self.office.folder),
                    "--port",
                    port,
                    *self.words,
                ],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.office.folder),
                    "PYTHONPATH": str(CODE),
                    **self.office.lab.environment,
                    **self.environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=self._log,
            )
        self._log.close()
        assert wait(lambda: "alerts:" in self.said or self.process.poll() is not None, STARTS_WITHIN), (
            "it does not start"
        )
        assert self.process.poll() is None, f"serve ended: {(self.office.folder / 'serve.log').read_text()[-2000:]}"
        self.url = re.findall(r"POST (http\S+?)/alerts", self.said)[0]
        trust = ssl.create_default_context(cafile=self.trust)
        headers = {"Authorization": f"Bearer {self.token}"}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=30 * BUSY, verify=trust)

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def token(self) -> str:
        """The one that serve made; empty where inventory/serve.yaml names people."""
        file = self.office.folder / ".hemostat" / "token"
        return file.read_text().strip() if file.exists() else ""

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Signal it, by its process id, and wait for its end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30 * BUSY)
        self._http.close()
        return code

    def child(self, word: str) -> psutil.Process:
        """Its child with that word in its command line: `-m prefect`, or `-m flows.backroom`."""
        found: list[psutil.Process] = []

        def there() -> bool:
            with suppress(psutil.Error):  # one that ends at this moment
                found[:] = [c for c in psutil.Process(self.process.pid).children() if word in " ".join(c.cmdline())]
            return len(found) == 1

        assert wait(there, STARTS_WITHIN), f"not one child with {word}: {found}"
        return found[0]

    def post(self, *alerts: Json, source: str = "plain") -> httpx.Response:
        """Send alerts, one a line."""
        body = "\n".join(json.dumps(alert) for alert in alerts)
        return self._http.post(f"/alerts/{source}", content=body)

    def health(self) -> Any:
        return self._http.get("/healthz").json()

    def idle(self, seconds: float) -> bool:
        """Wait until nothing waits and nothing is in work."""
        return wait(lambda: not any(self.health()["worker"].values()), seconds)

    def order(self, incident: str, kind: str, who: str = "anna", **arguments: Json) -> str:
        """An order as a page takes it, but straight into the inbox: the process looks at it at its next start, or alert."""
        inbox = Inbox(self.office.folder / ".hemostat" / "inbox.db")
        try:
            return inbox.order(incident, kind, arguments, who)  # type: ignore[arg-type]
        finally:
            inbox.close()


def alert(host: int, event: int = 0, rule: str = "calls home", remote: int | None = None) -> dict[str, Json]:
    """One alert of our own JSON: host number so and so talks to a remote of its own."""
    return {
        "host": f"h{host:03}",
        "remote_ip": f"203.0.113.{(host if remote is None else remote) + 1}",
        "rule": rule,
        "time": datetime.now(UTC).isoformat(),
        "id": f"{host}/{event}",
    }


def wait(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is true; whether it became so within that time of an idle machine."""
    return until(true, seconds, 0.05)
