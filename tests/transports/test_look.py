"""look.sh on real things of this machine, under dash, bash and a busybox-only host: processes, sockets, and what it cannot see."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tasks.model import Remote, TargetError
from tasks.transports import ssh_look, ssh_look_processes
from tasks.transports import ssh_look_sockets as sockets
from tasks.transports.local import LocalHands
from tasks.transports.ssh_look_records import of_kind, records
from tests.patience import BUSY
from tests.transports.conftest import until
from tests.transports.looking import SHELLS, Asker, asker

SCRIPTS = Path(__file__).parents[2] / "tasks" / "transports" / "scripts"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, or another user's view")
pytestmark = pytest.mark.skipif(
    not all(shutil.which(words[0]) for words in SHELLS.values()), reason="needs dash, bash and busybox"
)
GARBAGE = "\x1b[31m\udcff\udc80é\n==> x <==\t' \" $(x) `x` \\n"
# What look.sh starts to see below a mount over /proc.
HELPER = ("sleep", "240")
MEMFD = """
import os, sys
fd = os.memfd_create("quiet\\x1b[1m")
os.write(fd, open(sys.argv[1], "rb").read())
print("go", flush=True)
os.execv(f"/proc/self/fd/{fd}", ["kworker", "60"])
"""
NAMED = """
import ctypes, time
ctypes.CDLL(None).prctl(15, b"a) S 1\\n1 (b\\xff", 0, 0, 0)
print("go", flush=True)
time.sleep(60)
"""
# Ends the helper of the very script that runs this, and of no other one on this machine.
FIGHT_BACK = """
import psutil, sys
for ancestor in psutil.Process().parents():
    for child in ancestor.children():
        if child.cmdline() == sys.argv[1:]:
            child.kill()
            child.wait()
            sys.exit()
"""
CALLS = """
import socket, sys, time
print("go", flush=True)
while True:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))):
        time.sleep(0.2)
    time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def _time_for_every_number(monkeypatch):
    """The search for what hides asks for each number that a process may have: on a busy machine that takes longer."""
    monkeypatch.setattr(ssh_look_processes, "HIDDEN_SECONDS", int(BUSY * ssh_look_processes.HIDDEN_SECONDS))


@pytest.fixture(params=SHELLS)
def ask(request, tmp_path):
    return asker(request.param, tmp_path)


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def one(ask, pid):
    [process] = ssh_look.processes(ask, [pid])[0]
    return process


def test_shellcheck_has_nothing_to_say():
    """The script is clean by the strictest reader of shell that there is."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(
        ["shellcheck", "-s", "sh", str(SCRIPTS / "look.sh")], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_a_deleted_program(ask, sleeper, tmp_path):
    """A deleted program keeps its path, is told as deleted, and is still hashed; one whose name only says so is not."""
    gone, liar = sleeper(tmp_path / "gone"), sleeper(tmp_path / "there (deleted)")
    wanted = digest(tmp_path / "gone")
    (tmp_path / "gone").unlink()
    seen, honest = one(ask, gone.pid), one(ask, liar.pid)
    assert (seen.exe, seen.deleted, seen.sha256) == (str(tmp_path / "gone"), True, wanted)
    assert (honest.exe, honest.deleted) == (str(tmp_path / "there (deleted)"), False)


@pytest.mark.parametrize("end", ["KILL", "USR1"], ids=["ends", "becomes another"])
def test_a_program_is_hashed_though_one_that_runs_it_is_gone(start, tmp_path, end):
    """Each program is hashed through one process: where that one ends, or becomes another program, before its turn, the next one counts."""
    shell, code = tmp_path / "shell", "trap 'exec sleep 60' USR1; echo go; while :; do sleep 0.01; done"
    shutil.copy(Path(shutil.which("dash")).resolve(), shell)
    first, second, third = (start(shell, "-c", code) for _ in range(3))
    for child in (first, second, third):
        assert child.stdout.readline() == "go\n"
    shim = tmp_path / "bin" / "sha256sum"
    shim.parent.mkdir()
    shim.write_text(
        f"#!/bin/sh\nfor pid in {first.pid} {second.pid}; do mkdir {tmp_path}/$pid 2>/dev/null || continue\nkill -{end} $pid\n"
        f'while [ "$(readlink /proc/$pid/exe)" = {shell} ]; do sleep 0.01; done\nbreak\ndone\nexec /usr/bin/sha256sum "$@"\n'
    )
    shim.chmod(0o755)
    ask = Asker(SHELLS["dash"], f"{shim.parent}:/usr/sbin:/usr/bin:/sbin:/bin")
    seen = {p.pid: p for p in ssh_look.processes(ask, [first.pid, second.pid, third.pid])[0]}
    assert (tmp_path / str(first.pid)).exists()
    assert seen[third.pid].sha256 == digest(shell)
    assert {seen[child.pid].sha256 for child in (first, second)} <= {"", digest(shell)}, "another program's hash"


def test_a_program_from_memory(ask, start):
    """A memfd has no file, and is told by its name and hashed."""
    sleep = str(Path(shutil.which("sleep")).resolve())
    child = start(sys.executable, "-c", MEMFD, sleep)
    child.stdout.readline()
    until(lambda: "memfd" in str(Path(f"/proc/{child.pid}/exe").readlink()), "the child did not become a memfd")
    seen = one(ask, child.pid)
    assert (seen.exe, seen.memfd, seen.deleted, seen.sha256) == ("memfd:quiet\x1b[1m", True, False, digest(sleep))


def test_names_that_lie(ask, start, sleeper, tmp_path):
    """Newlines, escapes, brackets and bytes that are no text: in a name, a path and a command line each stays where it is."""
    python = start(sys.executable, "-c", NAMED)
    python.stdout.readline()
    path = tmp_path / "x\n/proc/1/exe\0".rstrip("\0") / GARBAGE.replace("/", "")
    child = sleeper(path)
    mine = {p.pid: p for p in ssh_look.processes(ask)[0]}
    assert mine[python.pid].name == "a) S 1\n1 (b\udcff"
    assert mine[python.pid].ppid == os.getpid()
    assert (mine[child.pid].exe, mine[child.pid].cmdline) == (str(path), (str(path), "60"))
    assert mine[1].created == pytest.approx(psutil.Process(1).create_time(), abs=1.5)
    assert not any(p.hidden for p in mine.values()), [p for p in mine.values() if p.hidden]


def test_agrees_with_the_local_look(ask):
    """Every process that lived through both looks is the same to both, field by field (a kworker's name is its work of the moment)."""
    differ = _differing(ask)
    # One that went to another folder and came back between the two looks is the same again in a further one.
    for _ in range(3):
        differ = {pid: both for pid, both in _differing(ask).items() if pid in differ} if differ else {}
    assert differ == {}


def _differing(ask):
    """Both looks' words of each process that stayed as it was and is not the same to both."""
    before = {p.pid: p for p in LocalHands().processes()}
    mine = {p.pid: p for p in ssh_look.processes(ask)[0]}
    after = {p.pid: p for p in LocalHands().processes()}
    still = {pid: p for pid, p in before.items() if after.get(pid) == p and not p.name.startswith("kworker")}
    assert len(still) > 5
    return {pid: (mine.get(pid), p) for pid, p in still.items() if pid not in mine or not _same(mine[pid], p)}


def _same(mine, process):
    return _plain(mine) == _plain(process) and mine.created == pytest.approx(process.created, abs=1.5)


def _plain(process):
    return (
        process.ppid, process.name, process.exe, process.deleted, process.memfd, process.sha256, process.cmdline, process.user,
        process.cwd, process.hidden,
    )  # fmt: skip


def test_a_thread_is_no_process(ask, python):
    """Numbers that answer without being listed are threads, as long as nobody hides: none is a process, none holds a socket."""
    child = python(
        "import socket, threading, time; s = socket.create_server(('127.0.0.1', 0));"
        "[threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(40)]; print('go', flush=True); time.sleep(60)"
    )
    threads = {int(path.name) for path in Path(f"/proc/{child.pid}/task").iterdir()} - {child.pid}
    assert len(threads) >= 40
    seen = {p.pid: p for p in ssh_look.processes(ask)[0]}
    assert not threads & seen.keys()
    found = records(ask, "connections", ["5"], 60.0)
    assert len(of_kind(found, "listed")) == 1
    held = sockets.owners(found)
    assert {child.pid} in held.values()
    assert not threads & {pid for pids in held.values() for pid in pids}


@root_only
def test_hidden_by_a_mount(tmp_path, sleeper):
    """A process below a mount is told as hidden, with all its facts, and its socket has its owner; the mount stays as it is."""
    child = sleeper(tmp_path / "secret")
    (tmp_path / "empty").mkdir()
    cover = f'mount --bind "{tmp_path}/empty" /proc/{child.pid} && exec "$@"'
    for name in SHELLS:
        ask = asker(name, tmp_path, ["unshare", "-m", "--propagation", "private", "sh", "-c", cover, "sh"])
        everyone = ssh_look.processes(ask)[0]
        seen = {p.pid: p for p in everyone}[child.pid]
        assert f"mounted over /proc/{child.pid}" in seen.hidden, name
        assert not [p for p in everyone if p.cmdline == HELPER], (
            f"{name}: our own helper is told as a process of the host's"
        )
        assert (seen.exe, seen.sha256) == (str(tmp_path / "secret"), digest(tmp_path / "secret"))
        assert b"secret" in ssh_look.details(ask, child.pid)["cmdline"]
        assert not [u for u in ssh_look.blind(ask) if "mount over /proc" in u.what]


@root_only
def test_an_ended_helper_is_no_empty_host(tmp_path, sleeper):
    """Whoever kills what looks below the mount gets no list without processes accepted: the look says that it failed, and why."""
    child = sleeper(tmp_path / "secret")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bin").mkdir()
    # Between two of its looks the script asks getconf for the clock's ticks.
    (tmp_path / "bin" / "getconf").write_text(
        f"#!/bin/sh\n{sys.executable} -c '{FIGHT_BACK}' {' '.join(HELPER)}\necho 100\n"
    )
    (tmp_path / "bin" / "getconf").chmod(0o755)
    cover = f'mount --bind "{tmp_path}/empty" /proc/{child.pid} && exec "$@"'
    before = ["unshare", "-m", "--propagation", "private", "sh", "-c", cover, "sh"]
    ask = Asker(SHELLS["dash"], f"{tmp_path}/bin:/usr/sbin:/usr/bin:/sbin:/bin", before)
    with pytest.raises(TargetError, match="ended by somebody else"):
        ssh_look.processes(ask)[0]


@pytest.mark.parametrize("name", ["dash", "bash"])
def test_hidden_from_the_listing(tmp_path, sleeper, hiding, name):
    """A library in the login's shell that leaves a pid out of readdir does not hide it, nor who holds its sockets, and is told."""
    child = sleeper(tmp_path / "rootkit" / "sleeper")
    words = [f"{key}={value}" for key, value in hiding(child.pid).items()]
    ask = asker(name, tmp_path, ["env", *words])
    seen = {p.pid: p for p in ssh_look.processes(ask)[0]}[child.pid]
    assert "a listing of /proc leaves it out" in seen.hidden
    assert (seen.exe, seen.name) == (str(tmp_path / "rootkit" / "sleeper"), "sleeper")
    assert any("hide.so" in u.why for u in ssh_look.blind(ask))


def test_sockets_and_who_holds_them(ask, tmp_path):
    """A listening, an established and a UDP socket, each with its owner, as the local look tells them."""
    with (
        socket.create_server(("127.78.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.78.0.1", 0))
        mine, local = (
            {
                (c.proto, c.local_port, c.remote_port, c.state, c.pid, c.owner, c.inode)
                for c in look()
                if "127.78.0.1" in (c.local, c.remote)
            }
            for look in (lambda: ssh_look.connections(ask)[0], LocalHands().connections)
        )
        port = server.getsockname()[1]
        own = {row for row in local if row[4] == os.getpid()}
        assert {row[:4] for row in own} == {
            ("tcp", port, 0, "LISTEN"),
            ("tcp", client.getsockname()[1], port, "ESTABLISHED"),
            ("udp", udp.getsockname()[1], 0, "NONE"),
        }
        assert own <= mine


def test_a_socket_without_an_owner_is_told_as_such(ask):
    """The far side of a closed connection that waits in TIME_WAIT has no inode and no owner."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        taken, _ = server.accept()
        taken.close()
        client.close()
        rows = [
            c for c in ssh_look.connections(ask)[0] if port in (c.local_port, c.remote_port) and c.state == "TIME_WAIT"
        ]
        assert rows
        assert all((c.pid, c.inode, c.owner) == (None, None, "none") for c in rows)


def test_short_connects_are_caught(ask, start):
    """A beacon whose sockets live for a fifth of a second is caught with its owner, and the watch ends at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        port = server.getsockname()[1]
        child = start(sys.executable, "-c", CALLS, str(port))
        child.stdout.readline()
        began = time.monotonic()
        caught = ssh_look.watch(ask, Remote.parse(f"127.0.0.1:{port}"), 60 * BUSY)
        assert any(c.pid == child.pid for c in caught), caught
        assert {(c.remote, c.remote_port) for c in caught} == {("127.0.0.1", port)}
        assert time.monotonic() - began < 60 * BUSY, "it watched to the end"


def test_a_quiet_remote_is_watched_to_the_end(ask):
    """Nobody talks to it: the watch takes its second and finds nothing."""
    began = time.monotonic()
    assert ssh_look.watch(ask, Remote.parse("203.0.113.77:4443"), 1) == ()
    assert 0.5 < time.monotonic() - began < 10 * BUSY


@root_only
def test_what_a_nobody_cannot_see(open_folder, sleeper):
    """Without root the programs and sockets of others are told as denied or unseen, never as none."""
    child = sleeper(open_folder / "roots")
    for name in SHELLS:
        ask = asker(name, open_folder, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        seen = {p.pid: p for p in ssh_look.processes(ask)[0]}
        assert {"exe", "sha256", "cwd"} <= set(seen[child.pid].denied)
        assert seen[child.pid].cmdline[1:] == ("60",)
        unseen = {u.what: u.why for u in ssh_look.blind(ask)}
        assert "not root" in unseen["sockets of other processes"]
        assert "65534" in unseen["other users' files and processes"]
        with socket.create_server(("127.78.0.1", 0)) as server:
            end = server.getsockname()
            rows = [c for c in ssh_look.connections(ask)[0] if (c.local, c.local_port) == end]
            assert [(c.pid, c.owner) for c in rows] == [(None, "low")]


def test_a_preloaded_shell_is_told(tmp_path):
    """When the login's shell itself runs with a library of somebody's choice, what its tools show is not to be trusted."""
    ask = asker("dash", tmp_path, ["env", "LD_PRELOAD=/nowhere/x.so"])
    told = {u.what: u.why for u in ssh_look.blind(ask)}
    assert "/nowhere/x.so" in told["what a preloaded library hides"]


def test_functions_and_aliases_of_the_login_do_not_count(tmp_path):
    """A login that exports functions named like tools, or options for grep, changes nothing."""
    before = [
        "env",
        "BASH_FUNC_grep%%=() { echo evil; }",
        "BASH_FUNC_find%%=() { echo evil; }",
        "GREP_OPTIONS=-v",
        "LC_ALL=de_DE.UTF-8",
    ]
    ask = asker("bash", tmp_path, before)
    assert ssh_look.boot_time(ask) == LocalHands().boot_time()
    assert os.getpid() in {p.pid for p in ssh_look.processes(ask)[0]}


def test_details_of_one_process(ask, sleeper, tmp_path):
    """The volatile texts as the kernel has them; a process that is gone is told."""
    child = sleeper(tmp_path / "x")
    found = ssh_look.details(ask, child.pid)
    for name in ("cmdline", "environ", "limits", "cgroup"):
        assert found[name] == Path(f"/proc/{child.pid}/{name}").read_bytes(), name
    assert b"\t" in found["open_files"] or b"->" in found["open_files"]
    child.kill()
    child.wait()
    with pytest.raises(TargetError, match="no such process"):
        ssh_look.details(ask, child.pid)


def test_ended_processes_are_not_among_those_asked_for(ask, start):
    """A zombie is over: who asks whether it lives gets nothing."""
    child = start("sh", "-c", "exit 0")
    until(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "Z", "no zombie")
    assert ssh_look.processes(ask, [child.pid])[0] == []
    assert ssh_look.processes(ask, [2**22 - 3])[0] == []


def test_three_hundred_processes_in_about_a_second(tmp_path, start):
    """Few forks: many processes cost little more than few."""
    loop = "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i + 1)); done; echo up; wait"
    parent = start("sh", "-c", loop)
    parent.stdout.readline()
    ask = asker("dash", tmp_path)
    children = psutil.Process(parent.pid).children()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {p.pid for p in ssh_look.processes(ask)[0]}
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    ours = [child for child in children if child.pid in found]
    for child in children:
        child.kill()
    assert len(ours) >= 300
    assert cost < 6, f"it cost {cost:.1f} s of a processor (about one)"


INSIDE = """
import fcntl, socket, struct, sys
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x49))
server = socket.create_server(("127.0.0.1", 4444))
print("go", flush=True)
server.accept()
"""


@pytest.fixture
def cgroup():
    """A control group as docker names them; gone afterwards."""
    for base in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        folder = base / f"docker-{os.urandom(32).hex()}.scope"
        try:
            folder.mkdir()
        except OSError:
            continue
        yield folder
        until(lambda folder=folder: not (folder / "cgroup.procs").read_text(), "the group is not empty")
        folder.rmdir()
        return
    pytest.skip("needs root and a control group of its own")


@root_only
def test_sockets_of_a_container(tmp_path, cgroup):
    """A socket in a container's own network is told with its owner, and the owner with its container, by both looks."""
    child = subprocess.Popen(["unshare", "-n", sys.executable, "-c", INSIDE], stdout=subprocess.PIPE, text=True)
    try:
        (cgroup / "cgroup.procs").write_text(str(child.pid))
        assert child.stdout.readline() == "go\n"
        for name in SHELLS:
            ask = asker(name, tmp_path)
            rows = [c for c in ssh_look.connections(ask)[0] if c.pid == child.pid]
            assert [(c.local_port, c.state, c.owner) for c in rows] == [(4444, "LISTEN", "high")], name
            assert one(ask, child.pid).container == f"docker {cgroup.name[7:19]}"
        assert [c.local_port for c in LocalHands().connections() if c.pid == child.pid] == [4444]
        assert LocalHands().processes([child.pid])[0].container == f"docker {cgroup.name[7:19]}"
    finally:
        child.kill()
        child.communicate()
