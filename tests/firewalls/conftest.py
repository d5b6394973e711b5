"""A laboratory device behind a real SSH server, and the product's own session with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab.device import Conn, Flow
from lab.devices import load as load_device
from lab.sshd import Sshd, new_key
from tasks import firewalls
from tasks.firewalls import Entry, Firewall, Listing
from tasks.model import Remote, parse_address
from tasks.settings import Host
from tasks.transports import device
from tasks.transports.device import Session
from tests.firewalls.cases import Case

INCIDENT = "20260101-000000-victim"
SECRETS = {"env:PASSWORD": "pass word", "env:ENABLE": "enable it"}


@dataclass
class Rig:
    """One device, its server, and what hemostat needs to reach it."""

    case: Case
    box: Any
    host: Host
    firewall: Firewall
    locks: Path
    ended: list[str] = field(default_factory=list)

    @contextmanager
    def session(self, **changes: Any) -> Iterator[Session]:
        """One login as the block step does it: netmiko's unmodified driver over a real socket."""
        host = replace(self.host, **changes)
        with device.opened(host, self.firewall, SECRETS.__getitem__, self.locks) as session:
            yield session

    def entry(self, remote: str) -> Entry:
        return Entry(Remote.parse(remote), INCIDENT, 60 if self.firewall.timed else 0)

    def look(self, session: Session, remote: str) -> Listing:
        entry = self.entry(remote)
        return self.firewall.read(entry, session.ask(self.firewall.look(entry)))

    def block(self, session: Session, remote: str) -> None:
        session.ask(self.firewall.block(self.entry(remote), self.look(session, remote)))

    def unblock(self, session: Session, remote: str) -> None:
        session.ask(self.firewall.unblock(self.entry(remote), self.look(session, remote)))

    def connect(self, *targets: str) -> None:
        """Established connections through the device; `ended` tells which were reset."""
        for target in targets:
            there = parse_address(target)
            here = parse_address("192.0.2.66" if there.version == 4 else "2001:db8:1::66")
            flow = Flow(here, 40000, there, 8443)
            self.box.conns.add(Conn(flow, lambda target=target: self.ended.append(target)))  # type: ignore[misc]


@contextmanager
def sleeps() -> Iterator[list[float]]:
    """How often and for how long this thread sleeps meanwhile, whoever makes it."""
    slept, sleep, here = list[float](), time.sleep, threading.get_ident()

    def told(seconds: float) -> None:
        if threading.get_ident() == here:
            slept.append(seconds)
        sleep(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", told)
        yield slept


@contextmanager
def rig(case: Case, folder: Path, lines: Sequence[str]) -> Iterator[Rig]:
    """The case's device with these lines typed into its configuration and saved."""
    box: Any = load_device(case.platform)("ops", SECRETS["env:PASSWORD"], SECRETS["env:ENABLE"])
    box.load("\n".join(lines) + "\n")
    box.startup = box.config()
    server = Sshd(box, ("127.20.0.2", 0), new_key())
    host = Host(
        name=case.platform.replace("_", "-"),
        hostname=server.address[0],
        port=server.address[1],
        platform=case.platform,
        transport="device",
        username="ops",
        password="env:PASSWORD",
        secret="env:ENABLE" if case.enable else "",
        host_key=server.host_key,
        timeout=20.0,
    )
    try:
        yield Rig(case, box, host, firewalls.load(case.platform), folder / "locks")
    finally:
        server.close()
