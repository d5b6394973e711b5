"""A Windows scenario's YAML → what is planted and what must come out. Knows the file's shape; starts nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tasks import shapes
from tasks.model import ConfigError
from tasks.yaml_lines import BadYaml
from tasks.yaml_lines import read as read_yaml

FOLDER = Path(__file__).parent / "scenarios"
Rows = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Beacon:
    """The process that talks to the remote. `by` are what starts it again: `service NAME`, `task PATH` or `wmi NAME`.

    `module` is the library that a shared host runs for it. `hidden`: no list of processes shows
    it, only its socket.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    exe: str
    command: str
    user: str = "LAB\\ada"
    parent: str = "explorer.exe"
    module: str = ""
    hidden: bool = False
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """One planted file. `signed` is Get-AuthenticodeSignature's Status; files that nobody plants are Windows' own and valid."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    path: str
    signed: str = "NotSigned"
    signer: str = ""
    company: str = ""
    attributes: str = "Archive"
    streams: tuple[str, ...] = ()
    size: int = 20_000


@dataclass(frozen=True, slots=True)
class Expect:
    """What must come out. `found` are rules that must be loud, `removed` what must be gone from the host, `outcomes` by step.

    `left` are things that only a person can judge; `quiet` True: nothing is loud at all.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    outcomes: dict[str, str] = field(default_factory=dict)
    found: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One Windows host's state. Rows are those of look.ps1's sections, added to the clean host's."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    description: str
    beacon: Beacon | None = None
    extra: int = 0
    files: tuple[File, ...] = ()
    services: Rows = ()
    tasks: Rows = ()
    registry: Rows = ()
    subscriptions: Rows = ()
    drivers: Rows = ()
    events: Rows = ()
    notes: Rows = ()
    protected: tuple[str, ...] = ()
    expect: Expect = field(default_factory=Expect)


def names() -> tuple[str, ...]:
    """Every scenario of the folder."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        ConfigError: there is none, or its file is wrong; each fault with its line.
    """
    if name not in names():
        raise ConfigError(f"{name!r} is no Windows scenario", do=f"use one of {', '.join(names())}")
    path = FOLDER / f"{name}.yaml"
    try:
        document = read_yaml(path.read_bytes())
    except BadYaml as error:
        raise ConfigError(f"read {path.name}:{error.line}", error.text, "correct it") from None
    if faults := shapes.faults(Scenario, document.value):
        told = "; ".join(f"line {document.line(place)}: {text}" for place, text in faults)
        raise ConfigError(f"read {path.name}", told, "correct it")
    return shapes.read(Scenario, document.value)
