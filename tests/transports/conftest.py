"""Real processes for the local transport: each ends with its test, by its own pid."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import patience

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


HIDE = """
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#define HOOK(type, name) struct type *name(DIR *d) { \\
  struct type *(*real)(DIR *) = dlsym(RTLD_NEXT, #name), *e; \\
  while ((e = real(d)) && !strcmp(e->d_name, getenv("HIDE"))) {} \\
  return e; }
HOOK(dirent, readdir)
HOOK(dirent64, readdir64)
"""


@pytest.fixture
def hiding(tmp_path: Path) -> Callable[[int], dict[str, str]]:
    """The environment in which programs do not list a pid, as ld.so.preload rootkits make it."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler for the library that hides a process")
    (tmp_path / "hide.c").write_text(HIDE)
    library = tmp_path / "hide.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "hide.c", "-ldl"], check=True, timeout=60)
    return lambda pid: {"LD_PRELOAD": str(library), "HIDE": str(pid)}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def until(ready: Callable[[], object], otherwise: str, seconds: float = 10.0) -> None:
    """Wait for a condition; fail with what it means."""
    assert patience.until(ready, seconds, 0.01), otherwise
