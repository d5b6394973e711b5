"""Processes of this very machine: deleted, from memory, hidden by a mount, hidden from the listing, seen by a nobody."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tasks.journal import pretty
from tasks.model import TargetError
from tasks.transports import local_files
from tasks.transports.local import LocalHands
from tests.patience import BUSY
from tests.transports.conftest import REPO, until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a mount over /proc/PID in a private namespace")
SHOW = """
import json, sys, dataclasses
from tasks.transports import local_processes
from tasks.transports.local import LocalHands
local_processes.HIDDEN_SECONDS = 60.0  # for each number that a process may have, on a busy machine
hands, pid = LocalHands(), int(sys.argv[1])
found = [dataclasses.asdict(p) for p in hands.processes() if p.pid == pid]
blind = [dataclasses.asdict(u) for u in hands.blind()]
print(json.dumps({"found": found, "blind": blind, "owners": [c.pid for c in hands.connections() if c.pid == pid]}))
"""


def seen(pid):
    [process] = LocalHands().processes([pid])
    return process


def test_a_plain_process(sleeper, tmp_path):
    """Path, hash, parent, user, start and command line, as psutil and the file itself say."""
    child = sleeper(tmp_path / "plain")
    process = seen(child.pid)
    assert process.exe == str(tmp_path / "plain")
    assert process.sha256 == hashlib.sha256((tmp_path / "plain").read_bytes()).hexdigest()
    assert (process.ppid, process.cwd, process.cmdline[1:]) == (os.getpid(), "/", ("60",))
    assert process.created == psutil.Process(child.pid).create_time()
    assert (process.user, process.hidden, process.deleted, process.denied) == (
        psutil.Process().username(),
        "",
        False,
        (),
    )


def test_deleted_executable(sleeper, tmp_path):
    """A deleted executable keeps its path, is told as deleted, and is still hashed and fetched."""
    child = sleeper(tmp_path / "gone")
    wanted = (tmp_path / "gone").read_bytes()
    (tmp_path / "gone").unlink()
    process = seen(child.pid)
    assert (process.exe, process.deleted, process.memfd) == (str(tmp_path / "gone"), True, False)
    assert process.sha256 == hashlib.sha256(wanted).hexdigest()
    with (tmp_path / "copy").open("wb") as file:
        fetched = LocalHands().fetch(f"/proc/{child.pid}/exe", file, 1 << 30)
    assert (fetched.sha256, fetched.cut) == (process.sha256, False)
    assert (tmp_path / "copy").read_bytes() == wanted


def test_a_name_that_only_looks_deleted(sleeper, tmp_path):
    """A file whose name ends in "(deleted)" is not deleted."""
    process = seen(sleeper(tmp_path / "odd (deleted)").pid)
    assert (process.exe, process.deleted) == (str(tmp_path / "odd (deleted)"), False)


def test_memfd(python):
    """A program that was never on a disk is told as memfd and hashed."""
    child = python(
        "import os, shutil\n"
        "memory = os.memfd_create('updater', 0)\n"
        "os.write(memory, open(shutil.which('sleep'), 'rb').read())\n"
        "print(flush=True)\n"
        "os.execv(f'/proc/self/fd/{memory}', ['updater', '60'])\n"
    )
    until(lambda: "memfd" in str(Path(f"/proc/{child.pid}/exe").readlink()), "the child did not become its memfd")
    process = seen(child.pid)
    assert (process.exe, process.memfd, process.deleted) == ("memfd:updater", True, False)
    assert process.sha256 == hashlib.sha256(Path(shutil.which("sleep")).read_bytes()).hexdigest()


def test_undecodable_command_line():
    """Bytes that are no UTF-8 stay what they are, also through the journal's JSON."""
    odd = subprocess.Popen([b"sl\xffep", b"60"], executable=shutil.which("sleep"))
    try:
        until(lambda: Path(f"/proc/{odd.pid}/cmdline").read_bytes().startswith(b"sl\xff"), "sleep did not start")
        process = seen(odd.pid)
        assert os.fsencode(process.cmdline[0]) == b"sl\xffep"
        assert json.loads(pretty(process))["cmdline"][0] == process.cmdline[0]
    finally:
        odd.kill()
        odd.wait()


def test_the_list_is_whole():
    """Every pid that psutil lists and that still lives is in the list; no thread is taken for a hidden process."""
    before = set(psutil.pids())
    listed = {p.pid: p for p in LocalHands().processes()}
    after = set(psutil.pids())
    assert (before & after) <= listed.keys()
    assert [p.pid for p in listed.values() if p.hidden] == []


def test_a_gone_process_is_left_out(start):
    """Asked for a pid that ended, the list is empty."""
    child = start("true")
    child.wait()
    assert LocalHands().processes([child.pid]) == []
    with pytest.raises(TargetError, match="no such process"):
        LocalHands().details(child.pid)


@root_only
@pytest.mark.parametrize("able", [True, False], ids=["uncovered", "covered"])
def test_hidden_by_a_mount(tmp_path, able):
    """A process below a mount is told as hidden, with all its facts where we may look below, with what is denied where not."""
    (tmp_path / "show.py").write_text(SHOW)
    drop = "" if able else "setpriv --bounding-set=-sys_admin --inh-caps=-all "
    if not able and shutil.which("setpriv") is None:
        pytest.skip("util-linux's setpriv is not installed")
    begun = 'sleep 60 & until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done'
    script = f'{begun}; mount --bind "$1" /proc/$! && PYTHONPATH="$2" {drop}"$3" "$4" $!; kill $!'
    words = ["sh", str(tmp_path), str(REPO), sys.executable, str(tmp_path / "show.py")]
    ran = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script, *words],
        capture_output=True,
        text=True,
        timeout=60 * BUSY,
    )
    told = json.loads(ran.stdout or "{}")
    assert told, f"the look inside the namespace failed: {ran.stderr}"
    [process] = told["found"]
    assert "mounted over /proc/" in process["hidden"]
    if able:
        assert process["exe"].endswith("/sleep")
        assert process["sha256"]
        assert process["cmdline"] == ["sleep", "60"]
        assert process["created"] > 0
    else:
        assert "exe" in process["denied"]
        assert any("covers" in u["what"] for u in told["blind"])


def test_hidden_from_the_listing(sleeper, tmp_path, hiding):
    """A library that leaves a pid out of readdir (as ld.so.preload rootkits do) does not hide it from us."""
    child = sleeper(tmp_path / "rootkit" / "sleeper")
    (tmp_path / "show.py").write_text(SHOW)
    environment = os.environ | hiding(child.pid) | {"PYTHONPATH": str(REPO)}
    ran = subprocess.run(
        [sys.executable, tmp_path / "show.py", str(child.pid)], env=environment, capture_output=True, text=True
    )
    assert ran.stdout, ran.stderr
    [process] = json.loads(ran.stdout)["found"]
    assert "listing" in process["hidden"]
    assert process["exe"] == str(tmp_path / "rootkit" / "sleeper")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_seen_by_a_nobody(sleeper, tmp_path):
    """Without root, what is closed to us is told: in the process's `denied` and in the host's blind spots."""
    child = sleeper(tmp_path / "roots")
    code = SHOW.replace("hands, pid", "import os; os.setgroups([]); os.setresuid(65534, 65534, 65534)\nhands, pid")
    ran = subprocess.run(
        [sys.executable, "-c", code, str(child.pid)], cwd=REPO, capture_output=True, text=True, timeout=60 * BUSY
    )
    assert ran.stdout, ran.stderr
    told = json.loads(ran.stdout)
    [process] = told["found"]
    assert {"exe", "sha256", "cwd"} <= set(process["denied"])
    assert process["hidden"] == ""
    assert [u for u in told["blind"] if "not run as root" in u["why"]], (
        "nobody was told that sockets' owners are closed"
    )


def test_details(python):
    """The volatile texts of one process: its environment, maps, command line and open files."""
    child = python(
        "import sys, socket; s = socket.create_server(('127.0.0.1', 0)); print(flush=True); sys.stdin.read()",
        env={"SECRET_OF_TEST": "42"},
    )
    details = LocalHands().details(child.pid)
    assert b"SECRET_OF_TEST=42\0" in details["environ"]
    assert b"python" in details["maps"]
    assert b"socket:[" in details["open_files"]
    assert {"cmdline", "status", "limits", "cgroup", "mountinfo"} <= details.keys()


def test_a_huge_program_is_not_hashed_and_that_is_told(sleeper, tmp_path, monkeypatch):
    """Its hash is told as denied, and everything else is known."""
    monkeypatch.setattr(local_files, "MAX_HASHED", 1 << 10)
    process = seen(sleeper(tmp_path / "big").pid)
    assert (process.exe, process.sha256, process.denied) == (str(tmp_path / "big"), "", ("sha256",))
