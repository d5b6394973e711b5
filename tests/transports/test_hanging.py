"""Nothing of ours hangs on a host: a pipe at any path that we read, or put in a file's place at the last moment, holds nobody for long."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tasks.persistence import PLACES
from tasks.transports import ssh_look, ssh_text
from tests.transports.conftest import until
from tests.transports.looking import SHELLS, asker

pytestmark = pytest.mark.lab
OLD = hashlib.sha256(b"old\n").hexdigest()
PIPES = (
    "etc/passwd",
    "etc/ld.so.preload",
    "etc/crontab",
    "etc/profile",
    "etc/cron.d/job",
    "lib/apk/db/installed",
    "var/log/wtmp",
    "var/log/btmp",
    "run/utmp",
    "var/log/auth.log",
    "var/log/secure",
    "var/log/messages",
    "var/log/syslog",
    "tmp/x",
)
DPKG = ("var/lib/dpkg/info/x.list", "var/lib/dpkg/info/x.md5sums")
HOME_PIPES = (".bashrc", ".profile", ".ssh/authorized_keys", ".config/autostart/x.desktop")


def ours(mark: str) -> list[str]:
    """Every process but this one that has the mark in its environment, with its command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if f"MARK={mark}".encode() in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(f"{process.pid} {process.cmdline()}")
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture(params=SHELLS)
def shell(request):
    """Each shell that a host may have."""
    return request.param


def told(shell: str, folder: Path, change: tuple[str, str], verb: str, arguments: list[str], seconds: float) -> bytes:
    """The whole answer of a verb of which one line was changed; the shell has seen the end of its orders by then."""
    one = asker(shell, folder / "tools")
    script = ssh_text.script("session.sh", "look.sh", "change.sh").decode()
    if one.tools:
        script = re.sub(r"(?m)^PATH=.*$", f"PATH={one.tools}", script)
    assert change[0] in script
    said = f"begin\n{script.replace(*change)}obey\n".encode() + ssh_text.request("f00", verb, arguments, seconds)
    words = [*one.shell, "-c", ssh_text.BOOTSTRAP, "hemostat", "from"]
    return subprocess.run(words, input=said, capture_output=True, check=False, timeout=60).stdout


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("replace", ["{root}", "{file}", OLD, "x", "new"]),
        ("move", ["{root}", "{file}", "{root}/kept", "0", OLD, ""]),
        ("sha256", ["{file}", "100"]),
        ("read", ["{file}", "100"]),
    ],
)
def test_a_pipe_that_is_swapped_in(shell, tmp_path, monkeypatch, verb, arguments):
    """Between the look at a file and its opening it becomes a pipe: the verb says so, and nothing of it is left on the host."""
    mark = os.urandom(8).hex()
    monkeypatch.setenv("MARK", mark)
    file = tmp_path / "file"
    file.write_bytes(b"old\n")
    swap = f'[ ! -f "{file}" ] || {{ rm "{file}"; mkfifo "{file}"; }}'
    words = [word.format(root=tmp_path, file=file) for word in arguments]
    before = 'command exec 7<"$1"' if verb in ("replace", "move") else '{ at_ease && same_file "$seen"'
    answer = told(shell, tmp_path, (before, f"{swap}\n{before}"), verb, words, 30)
    assert b"END 0" not in answer, answer
    assert b"does not open: another file was put in its place" in answer, answer
    until(lambda: not ours(mark), f"left on the host: {ours(mark)}", 5)


def test_a_verb_that_hangs_is_ended_with_all_that_came_from_it(shell, tmp_path, monkeypatch):
    """A tool that never comes back, behind a pipeline: the host itself ends it when its time is over, though nobody asks any more."""
    mark = os.urandom(8).hex()
    monkeypatch.setenv("MARK", mark)
    os.mkfifo(tmp_path / "pipe")
    hang = f'verb_zone() {{\n(cat "{tmp_path}/pipe" | (sleep 600; cat)) &\ncat "{tmp_path}/pipe"'
    answer = told(shell, tmp_path, ("verb_zone() {", hang), "zone", ["s", "", ""], 2)
    assert b"it took longer than 2 s and was ended" in answer, answer
    until(lambda: not ours(mark), f"left on the host: {ours(mark)}", 5)


@pytest.mark.parametrize("timeout", [True, False])
def test_a_whole_look_at_pipes(shell, timeout, tmp_path, monkeypatch):
    """Pipes at every path that a look reads, with and without the tool `timeout`: each question is answered, and nothing is left."""
    root = tmp_path / "host"
    (root / "home/ada").mkdir(parents=True)
    homes = [f"home/ada/{name}" for name in HOME_PIPES]
    records = () if shell == "busybox" else DPKG  # its grep opens a pipe, until its time is over
    for name in (*PIPES, *records, *homes, *(_plain(place.glob) for place in PLACES if not place.home)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if not (root / name).exists():
            os.mkfifo(root / name)
    mark = os.urandom(8).hex()
    monkeypatch.setenv("MARK", mark)
    ask = asker(shell, tmp_path / "tools") if timeout else without_timeout(shell, tmp_path / "tools")
    ssh_look.homes(ask, str(root))
    _, unseen = ssh_look.autostarts(ask, str(root))
    ssh_look.files(ask, 0, str(root))
    system = ssh_look.system(
        ask, ["packages", "logins", "logs", "privileges"], 0, [time.time()], ["/bin/sh"], str(root)
    )
    ssh_look.blind(ask)
    told = {row.what for row in (*unseen, *system.unseen)}
    assert {str(root / "etc/crontab"), "/var/log/wtmp", "/var/log/auth.log"} <= told
    until(lambda: not ours(mark), f"left on the host: {ours(mark)}", 5)


def _plain(glob: str) -> str:
    return glob.replace("*", "pipe")


def without_timeout(shell, folder):
    """A host that has every tool but `timeout`."""
    one = asker(shell, folder)
    tools = folder / "few"
    tools.mkdir(parents=True)
    source = [Path(one.tools)] if one.tools else [Path("/usr/sbin"), Path("/usr/bin")]
    for place in source:
        for tool in place.iterdir():
            if tool.name != "timeout" and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool.resolve())
    return type(one)(one.shell, str(tools), one.before)
