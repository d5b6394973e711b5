"""A Windows victim on loopback, with a C2 and a firewall before it. Knows how to start, keep and end them; not what a drill does.

All of it runs in threads of this process, so that nothing is left when it ends, however it ends.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab import c2, plan, site
from lab.c2 import C2, Message
from lab.devices import load
from lab.inside import PROVISION
from lab.relay import Relay
from lab.sshd import Sshd
from lab.victim import Planted
from lab.windows import scenario as scenarios
from lab.windows.host import Windows
from lab.windows.link import Link
from lab.windows.machine import machine
from lab.windows.scenario import Scenario
from lab.wsman import Account, Certificate, Faults, Wsman, made
from tasks.model import ConfigError, Json

NAME = "windows.json"
USER = "hemostat"
# Names of environment variables; another range of this process has its own.
PASSWORD, DEVICE, ENABLE = "HEMOSTAT_LAB_WINDOWS", "HEMOSTAT_LAB_WINDOWS_ASA", "HEMOSTAT_LAB_WINDOWS_ENABLE"
# The runner's address, as the simulated host sees it; its firewall counts for it as for any other.
CALLER, MOVED = "10.66.0.7", "10.66.0.8"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a range is reopened with."""

    scenario: str
    tls: bool
    port: int
    password: str
    interval: float


class Range:
    """One Windows victim, for one `with` block.

    Args:
        folder: where all of it is kept.
        name: the scenario's.
        tls: https with a pinned certificate; else http, sealed by NTLM.
        interval: the beacon's, in seconds.
        faults: the WinRM service's knobs.
    """

    def __init__(
        self, folder: Path, name: str, tls: bool = False, interval: float = 0.5, faults: Faults | None = None
    ) -> None:
        self.folder = folder.absolute()
        if (self.folder / NAME).exists():
            raise ConfigError(f"make a range in {folder}", "there is one already", "reopen it, or name another folder")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.kept = Kept(name, tls, _free_port(), secrets.token_urlsafe(18), interval)
        self.plan = plan.choose("keepalive", interval)
        plan.save(self.plan, self.folder)
        self._save()
        self._begin(faults or Faults())

    @classmethod
    def reopen(cls, folder: Path) -> Range:
        """A range that was there before: same addresses, keys and state of host and device."""
        self = cls.__new__(cls)
        self.folder = folder.absolute()
        self.kept = Kept(**json.loads((folder / NAME).read_text("utf-8"))["kept"])
        self.plan = plan.load(self.folder)
        self._begin(Faults())
        self.host.restore(json.loads((folder / NAME).read_text("utf-8"))["host"])
        return self

    def _begin(self, faults: Faults) -> None:
        self.scenario: Scenario = scenarios.load(self.kept.scenario)
        self.host, self.faults = Windows(self.scenario), faults
        self.link: Link | None = None
        self.callers, self.moves = [CALLER], False
        self.certificate: Certificate | None = made(self.folder, "win-lab") if self.kept.tls else None
        self._open = ExitStack()

    def __enter__(self) -> Range:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Bring up device, C2, relay, beacon and the WinRM service; back when the C2 has heard the beacon, if there is one."""
        with ExitStack() as stack:
            self.device = load("cisco_asa")(self.plan.username, self.plan.password, self.plan.secret)
            self.device.restore(self._device_state())
            stack.callback(self._save)
            stack.callback(Sshd(self.device, self.plan.device, self.plan.key).close)
            stack.callback(C2(self.plan.back, self.folder / "c2.jsonl").close)
            stack.callback(Relay(self.device, self.plan.front, self.plan.back).close)
            if self.scenario.beacon:
                self.link = Link(self.host, self.plan.victim, self.plan.front, self.kept.interval)
                stack.callback(self.link.close)
            account = Account(USER, self.kept.password)
            mine = machine(self.host, self.link, self._callers)
            service = Wsman(mine, account, self.certificate, self.faults, port=self.kept.port, admits=self._admits)
            stack.callback(service.close)
            self.service = service
            self._open = stack.pop_all()

    def _callers(self) -> list[Json]:
        """Whoever has a connection to the WinRM service, as the host's table shows it."""
        return [{"local": self.plan.victim, "port": self.kept.port, "remote": caller} for caller in self.callers]

    def _admits(self) -> bool:
        """Does the host's firewall let the runner in? With `moves` its packets come from elsewhere than its table shows."""
        return not self.host.denies(MOVED if self.moves else self.callers[0])

    def stop(self) -> None:
        """End everything and keep how it stood; a second call does nothing."""
        self._open.close()

    def _device_state(self) -> Json:
        kept = self.folder / "device.json"
        if kept.exists():
            return json.loads(kept.read_text("ascii"))
        return {"running": PROVISION, "startup": PROVISION, "hits": {}}

    def _save(self) -> None:
        with suppress(AttributeError):  # before the first start there is neither
            (self.folder / "device.json").write_text(json.dumps(self.device.dump()), encoding="ascii")
        host = self.host.dump() if hasattr(self, "host") else None
        text = json.dumps({"kept": asdict(self.kept), "host": host})
        path = self.folder / NAME
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")

    # --- what there is -----------------------------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """Nothing stands before a path on Windows."""
        return Path()

    @property
    def planted(self) -> tuple[Planted, ...]:
        """What a triage should find: the scenario's entries and files."""
        planted = [Planted("file", file.path) for file in self.scenario.files if file.signed != "Valid"]
        for kind, rows in (
            ("service", self.scenario.services),
            ("task", self.scenario.tasks),
            ("registry", self.scenario.registry),
        ):
            planted += [Planted(kind, str(row.get("name") or row.get("path"))) for row in rows]
        planted += [
            Planted("wmi", str(row["name"])) for row in self.scenario.subscriptions if row["kind"] == "consumer"
        ]
        return tuple(planted)

    def at_work(self, what: str) -> bool:
        """Is that thing of a scenario (`service NAME`, `task PATH`, `file PATH`, `registry NAME`, `wmi NAME`, `process`) still at work?"""
        kind, _, name = what.partition(" ")
        host = self.host
        if kind == "process":
            return bool(host.beacon)
        if kind == "file":
            return host.file(name) is not None
        if kind == "service":
            service = host.services[(name,)]
            return bool(service["start"] != "Disabled" or service["state"] == "Running")
        if kind == "task":
            return bool(host.tasks[(name,)].get("enabled", True))
        if kind == "registry":
            return any(row["name"] == name for row in host.registry.values())
        return any(row["kind"] != "filter" and name in (row["name"], row.get("consumer")) for row in host.subscriptions)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the written site's credential references name."""
        return {DEVICE: self.plan.password, ENABLE: self.plan.secret, PASSWORD: self.kept.password}

    def c2_messages(self) -> Sequence[Message]:
        """Every message that reached the C2."""
        return c2.messages(self.folder / "c2.jsonl")

    def alert(self) -> bytes:
        """One line of Suricata's EVE JSON about the beacon."""
        sockets = self.link.sockets() if self.link else []
        port = sockets[0].local_port if sockets else 40000
        return site.alert(self.plan.victim, self.plan.front, port or 40000, datetime.now(UTC))

    def write_site(self, folder: Path) -> None:
        """Write inventory/ and playbooks/ for this range."""
        hosts = site.devices(self.plan, DEVICE, ENABLE) | {"windows": self._victim()}
        book = site.playbook(self.kept.interval)
        book["triage"] |= {"recent_days": 14}
        site.put(folder, hosts, site.policy(self.plan), book)

    def _victim(self) -> Json:
        pin = self.certificate.sha256 if self.certificate else ""
        return {
            "hostname": "127.0.0.1",
            "port": self.kept.port,
            "platform": "windows",
            "transport": "winrm",
            "addresses": [self.plan.victim],
            "groups": ["drill"],
            "firewalls": ["asa"],
            "username": USER,
            "password": f"env:{PASSWORD}",
            "winrm": {"auth": "ntlm", "tls": self.kept.tls, "certificate_sha256": pin},
        }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
