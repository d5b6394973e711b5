"""The frozen facts of a Linux system around its processes: modules, privileges, packages, logins, logs. Knows no judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Module:
    """One kernel module as the kernel's several lists show it; one that a list leaves out hides from it.

    `listed` is /proc/modules (on Windows the loaded drivers), `shown` the module's own folder in /sys/module, `symbols` is true
    when the kernel's symbol table names it. `taint` are the kernel's letters: O out of tree, E unsigned, F forced.
    """

    name: str
    listed: bool = True
    shown: bool = True
    symbols: bool = True
    taint: str = ""


@dataclass(frozen=True, slots=True)
class Privilege:
    """One file that gives rights to whoever starts it: `kind` setuid or capability, `gives` the user or the capabilities."""

    path: str
    kind: Literal["setuid", "setgid", "capability"]
    gives: str
    owner: str = ""
    mode: int = 0
    modified: float = 0.0
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class Package:
    """What the package manager says of one program file.

    `verdict`: intact (its digest is the recorded one), changed, unowned (no package brought it), unknown (nothing is recorded).
    """

    path: str
    verdict: Literal["intact", "changed", "unowned", "unknown"]
    manager: str = ""
    package: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """One login, failed login or boot from the host's login records; `host` is where it came from, empty for the console."""

    kind: Literal["login", "failed", "boot"]
    user: str
    line: str
    host: str
    at: float
    pid: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log near a moment that matters; `at` is 0 when its time cannot be told."""

    source: str
    at: float
    text: str
