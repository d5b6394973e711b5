"""What the laboratory's tests share: an ASA behind a real SSH server, and the clients that talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from netmiko import ConnectHandler

from lab.devices.cisco_asa import Box
from lab.sshd import Sshd, new_key

PROVISION = """object-group network HEMOSTAT
 network-object host 192.0.2.1
access-list INSIDE_IN extended deny ip any object-group HEMOSTAT
access-list INSIDE_IN extended permit ip any any
access-group INSIDE_IN in interface inside
"""


@dataclass
class Asa:
    """A running ASA. `netmiko` connects the unmodified driver, strict about the host key."""

    box: Box
    server: Sshd
    known_hosts: Path

    @property
    def where(self) -> tuple[str, int]:
        return self.server.address

    def netmiko(self, **more: Any) -> AbstractContextManager[Any]:
        host, port = self.where
        options = {
            "device_type": "cisco_asa",
            "host": host,
            "port": port,
            "username": "ops",
            "password": "pass word",
            "secret": "enable it",
            "ssh_strict": True,
            "system_host_keys": False,
            "alt_host_keys": True,
            "alt_key_file": str(self.known_hosts),
            "use_keys": False,
            "allow_agent": False,
        }
        return ConnectHandler(**(options | more))


@contextmanager
def running_asa(folder: Path) -> Iterator[Asa]:
    """An ASA with the provisioning that hemostat asks for, listening on a free port of 127.20.0.1."""
    box = Box("ops", "pass word", "enable it")
    box.load(PROVISION)
    box.startup = box.config()
    server = Sshd(box, ("127.20.0.1", 0), new_key())
    host, port = server.address
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"[{host}]:{port} {server.host_key}\n")
    try:
        yield Asa(box, server, known_hosts)
    finally:
        server.close()


@pytest.fixture
def asa(tmp_path: Path) -> Iterator[Asa]:
    """One ASA for one test."""
    with running_asa(tmp_path) as running:
        yield running
