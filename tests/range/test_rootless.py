"""The range without root: a user with subordinate ids gets all of it; one without is told what is missing, and nothing is made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.house import CODE
from tests.patience import BUSY
from tests.range.ground import MARKS

pytestmark = [*MARKS, pytest.mark.skipif(not shutil.which("newuidmap"), reason="Debian's uidmap is not installed")]
DRILL = (
    "-m",
    "flows.cli",
    "drill",
    "--scenario",
    "keepalive",
    "--yes",
    "--no-prefect",
    "--json",
    "--reports",
    "reports",
)


def as_user(folder: Path, ids: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run this Python with these words as a user of no rights, with or without subordinate ids, at home in a folder in there."""
    home = folder / "home"
    home.mkdir()
    folder.chmod(0o711)
    wanted = ":".join(
        dict.fromkeys((sys.base_prefix, sys.prefix, str(Path(sys.prefix).resolve()), str(CODE), str(folder)))
    )
    argv = [sys.executable, "-m", "tests.range.rootless", ids, str(home), wanted, sys.executable, *words]
    env = {"PYTHONPATH": str(CODE), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(argv, capture_output=True, text=True, timeout=120 * BUSY, cwd=CODE, env=env)


def test_a_user_with_subordinate_ids_gets_the_whole_range(tmp_path: Path) -> None:
    """Real sshd, sudo, nftables and FRR, all seven steps, the same truth: without any right on the machine."""
    said = as_user(tmp_path, "ids", *DRILL)
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr[-2000:]
    (result,) = json.loads(said.stdout)["scenarios"]
    assert (result["outcome"], result["faults"]) == ("done", [])


def test_a_user_without_them_is_told_why_not(tmp_path: Path) -> None:
    """The system's own words, and where to read what is needed; exit code 2, no folder."""
    said = as_user(tmp_path, "none", *DRILL)
    assert said.returncode == 2, said.stdout + said.stderr
    assert "you are not root" in said.stderr
    assert "--explain" in said.stderr
    assert not (tmp_path / "home/reports").exists()
