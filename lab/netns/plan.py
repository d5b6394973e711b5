"""What a range in namespaces consists of: its scenario, keys, passwords, what was planted. Knows netns.json; starts nothing."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.netns import layout
from lab.netns import scenario as scenarios
from lab.netns.scenario import Scenario
from lab.plan import read, write
from lab.sshd import new_key
from lab.victim import Planted

NAME = "netns.json"
LOGINS = {"root": "root", "sudo": "hemostat", "sudo_password": "hemostat"}


@dataclass(frozen=True, slots=True)
class Plan:
    """One range. `keys` are private host keys by host, `login` the runner's private key, all in OpenSSH's format.

    `c2` is the C2's address and port.
    """

    scenario: Scenario
    keys: dict[str, str]
    login: str
    password: str
    secret: str
    c2: tuple[str, int]
    planted: tuple[Planted, ...] = ()

    @property
    def username(self) -> str:
        """Whom the runner logs in as on the victim."""
        return LOGINS[self.scenario.login]


def fresh(scenario: Scenario, hosts: tuple[str, ...]) -> Plan:
    """A plan with keys and passwords of its own."""
    keys = {name: new_key() for name in hosts}
    return Plan(
        scenario, keys, new_key(), secrets.token_urlsafe(18), secrets.token_urlsafe(18), layout.c2(scenario.remote)
    )


def save(plan: Plan, folder: Path) -> None:
    """Write netns.json."""
    write(asdict(plan), folder / NAME)


def load(folder: Path) -> Plan:
    """Read netns.json; ConfigError where there is none."""
    data = read(folder / NAME, "name the folder of a drill in namespaces")
    data["scenario"] = scenarios.of(data["scenario"])
    data["planted"] = tuple(Planted(**item) for item in data["planted"])
    data["c2"] = tuple(data["c2"])
    return Plan(**data)
