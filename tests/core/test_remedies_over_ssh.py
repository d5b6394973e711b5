"""The remedies by every way to a host: this machine, and over real SSH with dash, busybox and bash. Done, seen, taken back to the byte."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from tasks.facts import Process
from tasks.model import Action
from tasks.transports.hands import Hands
from tests.core.desk import sit_down
from tests.core.victim import Victim
from tests.patience import BUSY
from tests.transports.sshd import missing
from tests.transports.ways import WAYS, by

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@dataclass(slots=True)
class Far(Victim):
    """A victim that is reached by hands of the test's choice."""

    way: Hands

    @property
    def hands(self) -> Hands:  # type: ignore[override]
        return self.way


@pytest.fixture(params=WAYS)
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Far]:
    """One folder of this machine, by that way."""
    root = tmp_path / "victim"
    root.mkdir()
    case = sit_down(tmp_path / "incident", root)
    with by(request, request.param, root) as hands:
        yield Far(root, case, hands)
    case.close()


def seen(path: Path) -> tuple[bytes, int, int, int]:
    known = path.stat()
    return path.read_bytes(), stat.S_IMODE(known.st_mode), known.st_uid, known.st_gid


def line(far: Far, name: str, kind: str) -> tuple[Action, Path]:
    path = far.file(name, b"# first\nthe bad \xff line\n# last\n", 0o640)
    facts = {"path": str(path), "line": 2, "text": "the bad \udcff line", "kind": kind, "sha256": "", "owner": ""}
    far.find("autostart.starts", **facts)
    return far.plan(), path


def unit(far: Far) -> tuple[Action, Path]:
    path = far.file("etc/systemd/system/evil.service", b"[Service]\nExecStart=/x/evil\n")
    facts = {"path": str(path), "line": 0, "text": "", "kind": "systemd", "owner": ""}
    far.find("autostart.starts", sha256=sha256(path.read_bytes()).hexdigest(), **facts)
    return far.plan(), path


def file(far: Far) -> tuple[Action, Path]:
    path = far.file("home/ops/an evil \n name", b"\x7fELF evil", 0o4755)
    far.find("file.talker", path=str(path), sha256=sha256(path.read_bytes()).hexdigest())
    return far.plan(), path


def account(far: Far) -> tuple[Action, Path]:
    far.file("etc/passwd", b"mallory:x:41900:41900::/home/mallory:/bin/sh\n")
    path = far.file("etc/shadow", b"root:*:1::::::\nmallory:$6$a$b:19000:0:99999:7:::\n", 0o640)
    far.find("login.suspicious", user="mallory", host="203.0.113.9", line="pts/0", at=0.0)
    return far.plan(), path


THINGS: dict[str, Callable[[Far], tuple[Action, Path]]] = {
    "cron line": lambda far: line(far, "etc/cron.d/x", "cron"),
    "profile line": lambda far: line(far, "home/ops/.profile", "profile"),
    "authorized_keys line": lambda far: line(far, "home/ops/.ssh/authorized_keys", "authorized_keys"),
    "ld.so.preload line": lambda far: line(far, "etc/ld.so.preload", "ld_preload"),
    "rc.local line": lambda far: line(far, "etc/rc.local", "rc_local"),
    "udev rule": lambda far: line(far, "etc/udev/rules.d/x.rules", "udev"),
    "unit": unit,
    "file": file,
    "account": account,
}


@pytest.mark.parametrize("thing", THINGS.values(), ids=THINGS)
def test_done_and_taken_back(far: Far, thing: Callable[[Far], tuple[Action, Path]]) -> None:
    """The threat is gone as the host's own files show, and an undo gives back bytes, mode and owner."""
    action, path = thing(far)
    before = seen(path)
    receipt = far.do(action)
    assert (receipt.ok, receipt.changed) == (True, True)
    assert not path.exists() or seen(path) != before
    assert b"the bad" not in (path.read_bytes() if path.exists() else b"")
    assert far.undo(action, receipt).ok
    assert seen(path) == before


def test_a_process_tree(far: Far) -> None:
    """Parent and child end; a process of the same runner beside them does not."""
    folder = far.root / "home/ops"
    folder.mkdir(parents=True)
    for name in ("sh", "sleep"):
        shutil.copy(Path(str(shutil.which(name))).resolve(), folder / name)
    words = [folder / "sh", "-c", f"{folder}/sleep 60 & echo $!; wait"]
    with (
        subprocess.Popen(["sleep", "60"]) as beside,
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=folder) as root,
    ):
        assert root.stdout is not None
        child = int(root.stdout.readline())
        process: Process = far.hands.processes([root.pid])[0]
        facts = {"pid": root.pid, "created": process.created, "exe": process.exe, "name": process.name}
        far.find("process.talks", path="", sha256=process.sha256, **facts)
        assert far.do(far.plan()).changed
        assert root.wait(10 * BUSY) == -9
        assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text()
        assert beside.poll() is None
        beside.kill()
