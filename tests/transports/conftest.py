"""Real processes for the local transport: each ends with its test, by its own pid."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start programs with pipes; whatever still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def begin(*argv: str | Path, **more: object) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more
        )
        running.append(child)
        return child

    yield begin
    for child in running:
        child.kill()
        child.communicate()


@pytest.fixture
def python(start: Start) -> Callable[[str], subprocess.Popen[str]]:
    """Start a Python child with this code; returns once it has printed its first line, kept as `.hello`."""

    def begin(code: str, **more: object) -> subprocess.Popen[str]:
        child = start(sys.executable, "-c", code, cwd=REPO, **more)
        child.hello = child.stdout.readline().strip()
        return child

    return begin


@pytest.fixture
def sleeper(start: Start, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a copy of `sleep` under a path of the test's choice."""

    def begin(path: Path | None = None) -> subprocess.Popen[str]:
        target = path or tmp_path / "sleeper"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(shutil.which("sleep")).resolve(), target)
        child = start(target, "60", cwd="/")
        words = os.fsencode(f"{target}\0{60}\0")
        until(lambda: Path(f"/proc/{child.pid}/cmdline").read_bytes() == words, "the copy of sleep did not start")
        return child

    return begin


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def until(ready: Callable[[], object], otherwise: str, seconds: float = 10.0) -> None:
    """Wait for a condition; fail with what it means."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)
