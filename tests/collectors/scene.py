"""Snapshots from short data: what a case leaves out has a plain value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from tasks.beacon import Suspect
from tasks.collectors import Context
from tasks.facts import Snapshot
from tasks.model import Remote
from tasks.settings import KnownGood

CASES = Path(__file__).parent / "cases"
NOW = 1_800_000_000.0
START = NOW - 3600.0

_PLAIN: dict[str, dict[str, Any]] = {
    "connections": {"at": NOW, "proto": "tcp", "local": "192.0.2.10", "local_port": 40000, "state": "ESTABLISHED"},
    "processes": {"ppid": 1, "created": START, "user": "ada", "cwd": "/"},
    "autostarts": {"owner": "root", "modified": NOW - 1e7, "sha256": "ab" * 32, "line": 1},
    "files": {"size": 100, "mode": 0o100644, "owner": "ada", "modified": NOW - 1e7, "changed": NOW - 1e7},
    "modules": {},
    "privileges": {"owner": "root", "gives": "root", "mode": 0o104755, "modified": NOW - 1e7, "changed": NOW - 1e7},
    "packages": {"manager": "dpkg"},
    "logins": {"kind": "login", "user": "ada", "line": "pts/0", "at": START - 60.0},
    "logs": {"source": "/var/log/auth.log", "at": START - 60.0},
}

_WINDOWS = {
    "preflight": {
        "language": "FullLanguage", "admin": True, "process64": True, "build": "10.0.17763", "product": "Windows Server 2019",
        "codepage": 437, "computer": "CASE", "user": "CASE\\ada", "boot": NOW - 1e6, "now": NOW,
    }
}  # fmt: skip


def load(collector: str) -> list[dict[str, Any]]:
    """The cases of one collector: every list in every file of its folder."""
    reader = YAML(typ="safe", pure=True)
    return [case for path in sorted((CASES / collector).glob("*.yaml")) for case in reader.load(path)]


def snapshot(case: dict[str, Any]) -> Snapshot:
    """The snapshot of a case."""
    rows = {kind: [plain | row for row in case.get(kind, [])] for kind, plain in _PLAIN.items()}
    windows = {"windows": _WINDOWS | case["windows"]} if "windows" in case else {}
    return TypeAdapter(Snapshot).validate_python({"host": "case", "taken": NOW, "boot": NOW - 1e6} | rows | windows)


def context(case: dict[str, Any]) -> Context:
    """The context of a case; `suspects` maps a pid to a confidence."""
    suspects = tuple(Suspect(pid, 0.0, sure, ("seen",)) for pid, sure in case.get("suspects", {}).items())
    good = TypeAdapter(tuple[KnownGood, ...]).validate_python(case.get("known_good", ()))
    homes = tuple(case.get("homes", ("/home/ada", "/root")))
    remote = Remote.parse(case.get("remote", "203.0.113.9:443"))
    return Context(remote, suspects, good, homes, NOW, case.get("root", "/"), case.get("sha256", ""))
