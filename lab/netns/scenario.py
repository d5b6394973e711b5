"""What a scenario file may say: what is planted, what must be true at the end. Knows tasks.shapes; starts nothing.

A scenario's name is its file's, in lab/scenarios/. Unknown keys and wrong values are errors with the file's line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tasks import shapes
from tasks.limits import FilePath, Pattern, Range, Seconds
from tasks.model import ConfigError, Json, Outcome, Step, inert
from tasks.yaml_lines import BadYaml, read

STRICT = {"extra": "forbid"}
FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
Beacon = Literal["none", "keepalive", "short", "deleted", "memfd", "bind_mount", "preload"]
Persistence = Literal[
    "cron_d",
    "crontab",
    "at",
    "unit",
    "timer",
    "user_unit",
    "profile",
    "profile_d",
    "bashrc",
    "authorized_keys",
    "rc_local",
    "udev",
    "motd",
    "generator",
]
Platform = Literal[
    "linux", "frr", "cisco_asa", "cisco_ios", "fortinet", "hillstone_stoneos", "hp_comware", "huawei", "juniper_junos",
    "mikrotik_routeros", "paloalto_panos", "vyos",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Within:
    """The longest that something may take, in seconds from the alert."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    contain: Seconds = 20.0
    clean: Seconds = 120.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One incident to make. `user` is whose login the beacon has; `login` how the runner becomes root on the victim. `init` is the
    victim's process 1: the laboratory's own, or the machine's real systemd. `remote` is the C2's family; with `ipv4-mapped` the beacon
    reaches an IPv4 C2 through an IPv6 socket. `path` is the family over which the runner reaches hosts and devices.

    `firewalls`: `linux` is the firewall's real nftables, `frr` the router behind it; any other is an emulated device whose decisions
    are put in force on the firewall's real traffic. `outcomes` name the steps that must end otherwise than done. `survive` are files
    of the victim that must be there afterwards as they were, beside what is innocent everywhere. `left` are planted things that
    hemostat must find and leave to a person. `within` is the least score.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    description: Annotated[str, Pattern(r"(?s).*\S.*", "what happened, in words")]
    beacon: Beacon = "keepalive"
    init: Literal["lab", "systemd"] = "lab"
    user: Literal["ops", "root"] = "ops"
    persistence: tuple[Persistence, ...] = ()
    login: Literal["root", "sudo", "sudo_password"] = "root"
    firewalls: tuple[Platform, ...] = ("linux", "frr")
    remote: Literal["ipv4", "ipv6", "ipv4-mapped"] = "ipv4"
    path: Literal["ipv4", "ipv6"] = "ipv4"
    interval: Annotated[float, Range(0.1, 30)] = 0.5
    verdict: Literal["confirmed", "unsure", "rejected"] = "confirmed"
    outcomes: dict[Step, Outcome] = field(default_factory=dict)
    survive: tuple[FilePath, ...] = ()
    left: tuple[FilePath, ...] = ()
    within: Within = Within()
    name: str = ""

    @property
    def emulated(self) -> str:
        """The emulated platform, or nothing."""
        return next((platform for platform in self.firewalls if platform not in ("linux", "frr")), "")


def names(folder: Path = FOLDER) -> list[str]:
    """Every scenario there is, by name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(name: str, folder: Path = FOLDER) -> Scenario:
    """Read one scenario.

    Raises:
        ConfigError: there is none of that name, or its file has faults; each with its line.
    """
    if name not in names(folder):
        near = shapes.nearest(name, names(folder))
        raise ConfigError(f"there is no scenario {inert(name)!r}{near}", do="see `hemostat drill --list`")
    file = folder / f"{name}.yaml"
    try:
        document = read(file.read_bytes())
    except BadYaml as error:
        raise ConfigError(f"read {file.name}", f"{file.name}:{error.line}: {error.text}", "correct it") from None
    found = shapes.faults(Scenario, document.value, hidden=("name",))
    if found:
        told = "\n".join(f"  {file.name}:{document.line(place)}: {text}" for place, text in found)
        raise ConfigError(f"read the scenario {name}", f"{len(found)} errors\n{told}", "correct them, then try again")
    return shapes.read(Scenario, {**document.value, "name": name})


def of(value: dict[str, Json]) -> Scenario:
    """A scenario from its own fields, as a range keeps it."""
    return shapes.read(Scenario, value)
