"""What a range consists of: addresses, credentials, the beacon's habits. Knows range.json; starts nothing.

All addresses are in 127.0.0.0/8 (RFC 1122 section 3.2.1.3): victims in 127.10, devices in 127.20, C2s as seen in 127.66, the C2s
themselves, behind the relay, in 127.99.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from lab.sshd import new_key
from tasks.model import ConfigError, Json

Mode = Literal["keepalive", "short"]
C2_PORT = 8443
SSH_PORT = 2222
LIFETIME = 600
NAME = "range.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """One range. `interval` and `lifetime` are seconds; `key` is the device's private host key in OpenSSH's format."""

    mode: Mode
    interval: float
    victim: str
    front: tuple[str, int]
    back: tuple[str, int]
    device: tuple[str, int]
    username: str
    password: str
    secret: str
    key: str
    lifetime: int = LIFETIME
    environment: dict[str, str] = field(default_factory=dict)


def choose(mode: Mode, interval: float, lifetime: int = LIFETIME) -> Plan:
    """A plan with addresses that are free now, and fresh credentials.

    Raises:
        ConfigError: this machine has no 127.0.0.0/8 to bind to (only Linux has all of it).
    """
    return Plan(
        mode,
        interval,
        victim=_free(10, 0)[0],
        front=_free(66, C2_PORT),
        back=_free(99, C2_PORT),
        device=_free(20, SSH_PORT),
        username="hemostat",
        password=secrets.token_urlsafe(18),
        secret=secrets.token_urlsafe(18),
        key=new_key(),
        lifetime=lifetime,
    )


def _free(network: int, port: int) -> tuple[str, int]:
    error = OSError("no address tried")
    for _ in range(20):
        address = f"127.{network}.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}"
        try:
            socket.create_server((address, port)).close()
        except OSError as seen:
            error = seen
        else:
            return address, port
    raise ConfigError(f"find a free address in 127.{network}.0.0/16", str(error), "run the drill on Linux")


def save(plan: Plan, folder: Path) -> None:
    """Write range.json."""
    write(asdict(plan), folder / NAME)


def load(folder: Path) -> Plan:
    """Read range.json; ConfigError where there is none."""
    data = read(folder / NAME, "name the folder of a drill")
    for key in ("front", "back", "device"):
        data[key] = tuple(data[key])
    return Plan(**data)


def write(data: Json, path: Path) -> None:
    """Write a plan's file, readable by its owner alone: it has keys and passwords."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        json.dump(data, file, indent=1)


def read(path: Path, do: str) -> Json:
    """A plan's file.

    Raises:
        ConfigError: there is none; `do` says what to do then.
    """
    try:
        return json.loads(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"read {path}", str(error), do) from None
