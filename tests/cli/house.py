"""A person at the command line, and a site of theirs: what they type, what they read, what is on the disk afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows import cli
from lab.range import Range
from tasks.case import incidents
from tests.patience import BUSY

CODE = Path(__file__).parents[2]
# Everything as short as a test wants it. No beacon speaks to this address, so the verdict is always "unsure", and verify never says
# that the host is clean.
REMOTE = "203.0.113.9"
QUICK = {
    "description": "A test's own: block at once, look for a moment.",
    "confirm": {"samples": 1, "window": 0.1, "when_unsure": "block"},
    "block": {"save": False},
    "triage": {"collectors": ["connections"], "samples": 1, "window": 0.1},
    "collect": {"logs": []},
    "cleanup": {"remedies": [], "threshold": 100},
    "verify": {"intervals": 1, "at_least": 0.1, "at_most": 0.5},
    "approvals": {"block": "auto", "cleanup": "auto"},
}


@dataclass(frozen=True)
class Said:
    """What the command line answered. `text` is both streams with every run of white space as one space."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return " ".join(f"{self.out}\n{self.err}".split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def say(*words: str | Path, stdin: bytes = b"") -> Said:
    """Run `hemostat` with these words in this process, as its console script does."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["hemostat", *map(str, words)])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def spawn(*words: str | Path, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """Start `hemostat` as a process of its own, in that folder, with nothing of ours in its environment but what is named."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *map(str, words)],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": str(CODE), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], seconds: float = 60 * BUSY) -> Said:
    """Wait until it ends; what it said."""
    out, err = process.communicate(timeout=seconds)
    return Said(process.returncode, out, err)


@dataclass(frozen=True)
class House:
    """One site's folder before a running range."""

    folder: Path
    lab: Range

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def incidents(self) -> list[Path]:
        return incidents(self.reports)

    def say(self, words: str, *more: str | Path, stdin: bytes = b"") -> Said:
        """One command line about this site, as a person types it."""
        return say(*shlex.split(words), *more, "--site", self.folder, stdin=stdin)

    def respond(self, more: str = "", remote: str = REMOTE) -> Said:
        """An incident of the victim with the quick playbook."""
        return self.say(f"respond victim --remote {remote} --no-prefect {more}")

    def merge(self, file: str, changes: Any) -> None:
        """Change keys of a YAML file of the site; a mapping is merged, anything else replaces."""
        path, yaml = self.folder / file, YAML()
        content = yaml.load(path) if path.exists() else {}
        with path.open("w") as stream:
            yaml.dump(_merged(content, changes), stream)

    def append(self, file: str, text: str) -> int:
        """Write a line at the end of a file of the site; its number."""
        path = self.folder / file
        before = path.read_text()
        path.write_text(before + text)
        return before.count("\n") + 1

    def files(self) -> dict[str, str]:
        """Every file of the site with its SHA-256; lock files, which are empty, are left out."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.suffix != ".lock"
        }

    def configuration(self) -> tuple[str, str]:
        """What the device runs and what it has saved."""
        state = self.lab.device_state()
        return state["running"], state["startup"]


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
