"""The case folders as typed data: one case.yaml a platform, strict about its keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as strict
from ruamel.yaml import YAML

FOLDER = Path(__file__).parent


@strict(frozen=True, config=ConfigDict(extra="forbid"))
class Refusal:
    """A fault knob (lab.device.Faults), and a regular expression that the error must match.

    `residue`: the device has no transaction, so the object stays, out of the list, until the entry is taken back.
    """

    faults: Mapping[str, Any]
    says: str
    residue: bool = False


@strict(frozen=True, config=ConfigDict(extra="forbid"))
class Drop:
    """A line after which the connection breaks, and whether what it said is in force then."""

    line: str
    stands: bool


@strict(frozen=True, config=ConfigDict(extra="forbid"))
class Pending:
    """What another administrator has typed and not committed, and a text that shows it in the configuration.

    `refused`: the device lets nobody else commit meanwhile, and says this.
    """

    lines: str
    mark: str
    refused: str = ""


@strict(frozen=True, config=ConfigDict(extra="forbid"))
class Case:
    """One platform's facts for tests/firewalls/test_platforms.py.

    Lines are typed in configuration mode. `bare` is what a device has before hemostat's provisioning, `neighbour` what
    another administrator has put into the same list. `provisioned` is typed where the provisioning lines are for an
    administrator to adapt; else they are typed as they are. `saves`: what is not saved is lost at a reboot. `forgets`: entries with
    a time to live are lost at a reboot, saved or not. `cuts`: the
    platform needs established sessions cut. `pending`: another administrator's uncommitted change.
    """

    platform: str
    remotes: tuple[str, ...]
    dropped: Drop
    refused: Mapping[str, Refusal]
    bare: str = ""
    neighbour: str = ""
    provisioned: str = ""
    cuts: bool = False
    enable: bool = False
    saves: bool = False
    forgets: bool = False
    pending: Pending | None = None


def names() -> list[str]:
    """The platforms that have a case folder."""
    return sorted(path.parent.name for path in FOLDER.glob("*/case.yaml"))


def load(platform: str) -> Case:
    """That platform's case; pydantic's error names a key that is wrong."""
    data = YAML(typ="safe").load(FOLDER / platform / "case.yaml")
    return TypeAdapter(Case).validate_python({"platform": platform, **data})
