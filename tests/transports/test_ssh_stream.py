"""Files, memory and broken connections over real SSH: resumed where they stood, hashed at both ends, and never two boots taken for one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.facts import Start
from tasks.model import Refused, TargetError, Unreachable
from tasks.transports import ssh_stream
from tasks.transports.local import LocalHands
from tasks.transports.ssh_hands import SshHands
from tests.patience import BUSY, until
from tests.transports.odd_sshd import listening
from tests.transports.sshd import SHELLS, Server
from tests.transports.ways import NOWHERE, no_secret

pytestmark = pytest.mark.lab
MEBI = 1 << 20


class Wire:
    """A wire to a server that can be cut: after so many bytes from it, once each."""

    def __init__(self, server: Server) -> None:
        self.server, self.cuts, self.joined, self.far = server, list[int](), 0, list[socket.socket]()

    def accept(self, near: socket.socket) -> None:
        """Carry one connection both ways."""
        self.joined += 1
        limit = self.cuts.pop(0) if self.cuts else 1 << 60
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.port)) as far:
            self.far.append(far)
            up = threading.Thread(target=self._carry, args=(near, far, 1 << 60), daemon=True)
            up.start()
            self._carry(far, near, limit)
            up.join(5 * BUSY)

    def cut(self) -> None:
        """Cut what is joined now."""
        for sock in self.far:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _carry(self, source: socket.socket, target: socket.socket, limit: int) -> None:
        with contextlib.suppress(OSError):
            while limit > 0 and (data := source.recv(65536)):
                target.sendall(data)
                limit -= len(data)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(servers) -> Iterator[tuple[Wire, SshHands]]:
    """The host with dash behind a wire that can be cut, and hands that come over it."""
    one = Wire(servers("dash"))
    with listening(one.accept) as port:
        host = replace(servers("dash").host(), port=port)
        with closing(SshHands(host, NOWHERE, no_secret)) as hands:
            yield one, hands


@pytest.fixture(params=SHELLS)
def hands(request, servers) -> Iterator[SshHands]:
    """The hands for the host with that shell."""
    with closing(SshHands(servers(request.param).host(), NOWHERE, no_secret)) as reached:
        yield reached


def test_a_cut_copy_goes_on_where_it_stood(wire, tmp_path):
    """The wire is cut twice within 6 MiB: the copy is whole, each byte came once, and the hash is the host's."""
    line, hands = wire
    data = os.urandom(6 * MEBI)
    (tmp_path / "big").write_bytes(data)
    line.cuts = [2 * MEBI, 3 * MEBI]
    copy = io.BytesIO()
    fetched = hands.fetch(str(tmp_path / "big"), copy, 32 * MEBI)
    assert copy.getvalue() == data
    assert (fetched.size, fetched.sha256, fetched.cut) == (len(data), hashlib.sha256(data).hexdigest(), False)
    assert line.joined == 3


def test_a_file_that_changed_during_a_cut_is_told(wire, tmp_path):
    """What was copied before the cut is no longer there: the copy is refused instead of being glued together."""
    line, hands = wire
    big = tmp_path / "big"
    big.write_bytes(os.urandom(4 * MEBI))

    class Changing(io.BytesIO):
        def write(self, data):
            if not self.tell():
                big.write_bytes(os.urandom(4 * MEBI))
                line.cut()
            return super().write(data)

    with pytest.raises(TargetError, match=r"changed while it was copied|not what the host read"):
        hands.fetch(str(big), Changing(), 32 * MEBI)


def test_a_wire_that_is_cut_again_and_again(wire, tmp_path):
    """A copy that never gets on ends as unreachable, after a few tries."""
    line, hands = wire
    (tmp_path / "big").write_bytes(bytes(MEBI))
    hands.stat("/")
    line.cuts = [1] * 20
    line.cut()
    with pytest.raises(Unreachable):
        hands.fetch(str(tmp_path / "big"), io.BytesIO(), MEBI)
    assert line.joined < 10


def test_a_slow_copy_is_given_up(hands, tmp_path, monkeypatch):
    """A host that is slower than any line is not waited for until the last byte."""
    monkeypatch.setattr(ssh_stream, "FIRST", 0.0)
    monkeypatch.setattr(ssh_stream, "SLOWEST", 1 << 50)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(TargetError, match="far too slow"):
        hands.fetch(str(tmp_path / "file"), io.BytesIO(), 10)


def test_a_large_log_is_cut_at_the_limit(hands, tmp_path):
    """A log of 500 MB (sparse here) costs no more than the limit, in bytes and in time."""
    log = tmp_path / "huge.log"
    with log.open("wb") as file:
        file.truncate(500 * 1000 * 1000)
    began, copy = time.monotonic(), io.BytesIO()
    fetched = hands.fetch(str(log), copy, 2 * MEBI)
    assert (fetched.size, fetched.cut, len(copy.getvalue())) == (2 * MEBI, True, 2 * MEBI)
    assert time.monotonic() - began < 10 * BUSY


def test_a_deleted_program_is_copied(hands, sleeper, tmp_path):
    """/proc/PID/exe leads to the very file after its name is gone."""
    child = sleeper(tmp_path / "beacon")
    data = (tmp_path / "beacon").read_bytes()
    (tmp_path / "beacon").unlink()
    copy = io.BytesIO()
    fetched = hands.fetch(f"/proc/{child.pid}/exe", copy, 64 * MEBI)
    assert (copy.getvalue(), fetched.sha256) == (data, hashlib.sha256(data).hexdigest())
    assert hands.sha256(f"/proc/{child.pid}/exe") == fetched.sha256


def test_reading_leaves_no_trace(request, hands, tmp_path):
    """No time of a file changes by hashing, reading and copying it, and no file is made there; busybox's dd has no O_NOATIME."""
    file = tmp_path / "old"
    file.write_bytes(b"old")
    os.utime(file, (10**9, 10**9))
    before, there = file.stat(), set(tmp_path.iterdir())
    hands.sha256(str(file)), hands.read(str(file), 10), hands.fetch(str(file), io.BytesIO(), 10)
    after = file.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    assert after.st_atime_ns == before.st_atime_ns or "busybox" in request.node.name
    assert set(tmp_path.iterdir()) == there


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=3000), name=st.binary(min_size=1, max_size=40))
def test_any_content_and_any_name(hands, tmp_path, data, name):
    """Bytes that look like an answer's end, zero bytes, newlines, names of any byte: what is read is what is there."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name.replace(b"/", b"_").replace(b"\0", b"_").replace(b".", b"_"))
    whole = b"\n0123456789abcdef END 0\n\n0123456789abcdef DONE\n" + data
    Path(path).write_bytes(whole)
    seen = hands.stat(path)
    assert seen is not None and (seen.path, seen.size) == (path, len(whole))
    assert hands.read(path, 5000) == whole
    assert hands.sha256(path) == hashlib.sha256(whole).hexdigest()
    new = data[::-1]
    hands.replace(path, new, hashlib.sha256(whole).hexdigest())
    assert Path(path).read_bytes() == new
    Path(path).unlink()


def _settled(pid, start):
    """A program that has only just begun still fills its memory: wait until two looks agree."""
    before = b""
    for _ in range(50):
        now = io.BytesIO()
        LocalHands().memory(pid, start, now, MEBI)
        if now.getvalue() == before:
            return
        before = now.getvalue()
        time.sleep(0.1)


def test_memory_is_the_same_as_a_local_look(hands, sleeper):
    """The core file of a sleeping process has the same bytes, whichever way it came."""
    child = sleeper()
    [process] = LocalHands().processes([child.pid])
    _settled(child.pid, process.start)
    near, far = io.BytesIO(), io.BytesIO()
    one, other = (
        way.memory(child.pid, process.start, into, MEBI) for way, into in ((LocalHands(), near), (hands, far))
    )
    assert (far.getvalue(), other) == (near.getvalue(), one)
    with pytest.raises(TargetError, match="the process is gone"):
        hands.memory(child.pid, Start(process.created - 60), io.BytesIO(), MEBI)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_process_under_a_mount(servers, sleeper, shell):
    """A process whose folder in /proc is covered by a mount is copied and killed all the same, and no mount of the host changes."""
    child = sleeper()
    [process] = LocalHands().processes([child.pid])
    setup = f"mount -t tmpfs -o size=4k tmpfs /proc/{child.pid}"
    with (
        Server(servers("dash").folder.parent / f"cover-{shell}", shell, setup=setup) as server,
        closing(SshHands(server.host(), NOWHERE, no_secret)) as hands,
    ):
        assert hands.stat(f"/proc/{child.pid}/stat") is None, "the mount should hide it"
        copy = io.BytesIO()
        assert hands.memory(child.pid, process.start, copy, MEBI).size == len(copy.getvalue())
        program, wanted = io.BytesIO(), Path(str(child.args[0])).read_bytes()
        assert hands.fetch(f"/proc/{child.pid}/exe", program, 64 * MEBI).sha256 == hashlib.sha256(wanted).hexdigest()
        assert program.getvalue() == wanted
        assert hands.sha256(f"/proc/{child.pid}/exe") == hashlib.sha256(wanted).hexdigest()
        assert f"/proc/{child.pid} " in hands.run(["cat", "/proc/self/mountinfo"]).out.decode()
        assert hands.signal(child.pid, Start(process.created - 60), 9) is False
        assert hands.signal(child.pid, process.start, 9) is True
        assert child.wait(10 * BUSY) == -9


def test_the_host_is_spared(hands):
    """The shell that we speak to, its ancestors, pid 1 and kernel threads are never signalled."""
    ours = int(hands.run(["sh", "-c", "echo $PPID"]).out)
    boot = hands.boot_time()
    for pid in (1, os.getpid()):
        [process] = LocalHands().processes([pid])
        with pytest.raises(Refused) as refused:
            hands.signal(pid, process.start, 0)
        assert refused.value.guard == "self"
    assert hands.signal(ours, Start(boot), 0) is False, "it has ended, or started later than that"


def test_another_boot_is_told_once(servers):
    """A host that was booted anew while hemostat looked is not looked at as if nothing had been; a redo goes on."""
    folder = servers("dash").folder.parent / "booting"
    with (
        Server(folder, boot="11111111-1111-4111-8111-111111111111") as server,
        closing(SshHands(server.host(), NOWHERE, no_secret)) as hands,
    ):
        assert hands.stat("/") is not None
        server.stop()
        server.end_sessions()
        with pytest.raises(Unreachable) as caught:
            hands.stat("/")
        assert "is it rebooting?" in caught.value.do
        (folder / "boot_id").write_text("22222222-2222-4222-8222-222222222222\n")
        server.start()
        with pytest.raises(Unreachable, match="it was booted anew"):
            hands.connections()
        assert hands.stat("/") is not None


def test_a_session_that_was_killed_is_opened_anew(servers):
    """A connection that died between two looks is opened again; a change is not sent a second time by itself."""
    server = servers("dash")
    with closing(SshHands(server.host(), NOWHERE, no_secret)) as hands:
        hands.stat("/")
        server.end_sessions()
        assert hands.stat("/") is not None
        server.end_sessions()
        # A program is not run a second time by itself, so the connection has to know that it broke.
        assert until(lambda: not hands._link.alive(), 5), "the connection does not notice its end"
        ran = hands.run(["true"])
        assert ran.status == 0
        assert "a new SSH login from 127.0.0.1" in hands.renew(())


@pytest.mark.parametrize("shell", SHELLS)
def test_a_full_disk_leaves_the_old_file(servers, shell, tmp_path):
    """New content that does not fit is refused, the old file stands, and no half file is left beside it."""
    setup = f"mount -t tmpfs -o size=64k tmpfs {tmp_path}\nprintf old >{tmp_path}/file"
    file = str(tmp_path / "file")
    with (
        Server(servers("dash").folder.parent / f"full-{shell}", shell, setup=setup) as server,
        closing(SshHands(server.host(), NOWHERE, no_secret)) as hands,
    ):
        with pytest.raises(TargetError, match=r"No space left|could not be written"):
            hands.replace(file, os.urandom(100_000), hashlib.sha256(b"old").hexdigest())
        assert hands.run(["ls", "-A", str(tmp_path)]).out == b"file\n"
        assert hands.read(file, 10) == b"old"


@pytest.mark.parametrize("after", [0, 40_000, 200_000, 1 << 60])
def test_a_change_that_was_cut_is_done_or_not_begun(servers, tmp_path, after):
    """The way to the host ends after so many bytes of a replacement: then the file is the old or the new one, whole, with no rest
    beside it, and the next look says which.
    """
    old, new, one = b"old", os.urandom(100_000), Wire(servers("dash"))
    (tmp_path / "file").write_bytes(old)
    with (
        listening(one.accept) as port,
        closing(SshHands(replace(servers("dash").host(), port=port), NOWHERE, no_secret)) as hands,
    ):
        assert hands.stat(str(tmp_path / "file")) is not None
        link = hands._link.session()._wire.channel
        send, sent = link.send, [0]

        def cutting(data: bytes) -> int:
            sent[0] += len(data)
            if sent[0] > after:
                one.cut()
            return int(send(data))

        link.send = cutting
        with contextlib.suppress(Unreachable):
            hands.replace(str(tmp_path / "file"), new, hashlib.sha256(old).hexdigest())
        one.far.clear()
        seen = hands.read(str(tmp_path / "file"), 1 << 20)
    assert seen == (tmp_path / "file").read_bytes()
    assert seen in (old, new)
    assert seen == (new if after == 1 << 60 else old)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


EXCHANGED = """#!/bin/sh
if rm {folder}/armed 2>/dev/null; then
    rm {folder}/file
    echo another >{folder}/file
fi
exec {folder}/mv.real "$@"
"""


def test_a_file_that_is_exchanged_at_the_last_moment(servers, tmp_path):
    """Between the hash and the rename the name becomes another file's, with the same inode number where a file system gives those out
    again: that one goes back to its place, and the caller is told.
    """
    (tmp_path / "file").write_bytes(b"the threat\n")
    (tmp_path / "mv").write_text(EXCHANGED.format(folder=tmp_path))
    shutil.copy("/usr/bin/mv", tmp_path / "mv.real")
    (tmp_path / "mv").chmod(0o755)
    (tmp_path / "armed").touch()
    with (
        Server(servers("dash").folder.parent / "late", setup=f"mount --bind {tmp_path}/mv /usr/bin/mv") as server,
        closing(SshHands(server.host(), NOWHERE, no_secret)) as hands,
    ):
        wanted = hashlib.sha256(b"the threat\n").hexdigest()
        with pytest.raises(TargetError, match="another file was put in its place: it was put back"):
            hands.move(str(tmp_path / "file"), str(tmp_path / "vault/file"), 0, wanted)
    assert (tmp_path / "file").read_bytes() == b"another\n"
    assert not list((tmp_path / "vault").iterdir())


NOISE = """echo hemostat is ready; echo welcome; echo be careful >&2; export LD_PRELOAD=/nonexistent.so PATH=/nonexistent ENV={folder}/env
sha256sum() {{ echo 0; }}; export -f sha256sum
"""


def test_what_a_login_says_is_no_answer(servers, tmp_path):
    """A start file that talks as we do, breaks PATH and preloads what is not there: every verb works, and none is misled."""
    (tmp_path / "bashrc").write_text(NOISE.format(folder=tmp_path))
    (tmp_path / "env").write_text("echo from ENV\n")
    folder = servers("dash").folder.parent / "talks"
    # bash reads the start file of a login that sshd made; the accounts of these servers have the plain sh.
    accounts = (
        f"sed '/^root:/s,/bin/sh$,/bin/bash,' {folder}/passwd >{tmp_path}/passwd\ncat {tmp_path}/passwd >/etc/passwd"
    )
    setup = f"{accounts}\ncp {tmp_path}/bashrc {folder}/home/root/.bashrc"
    with (
        Server(folder, setup=setup) as server,
        closing(SshHands(server.host(), NOWHERE, no_secret)) as hands,
    ):
        into = io.BytesIO()
        assert hands.fetch("/etc/passwd", into, MEBI).sha256 == hashlib.sha256(into.getvalue()).hexdigest()
        assert hands.sha256("/etc/passwd") == hashlib.sha256(into.getvalue()).hexdigest()
        assert hands.run(["echo", "heard"]).out == b"heard\n"
        with pytest.raises(TargetError) as caught:
            hands.fetch("/nowhere", io.BytesIO(), MEBI)
        assert caught.value.seen == "No such file or directory"
