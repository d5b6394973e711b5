"""What every transport does alike to a real host: put, move, signal, run. Every refusal leaves things as they were."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from tasks.facts import Start
from tasks.model import Refused, TargetError
from tests.patience import BUSY
from tests.transports.ways import WAYS, by


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def victim(tmp_path):
    """A drill's root with one file, and a file beside it that must never change."""
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/cron").write_bytes(b"old\n")
    (tmp_path / "outside").write_bytes(b"mine\n")
    return tmp_path / "root"


@pytest.fixture(params=WAYS)
def hands(request, victim):
    """The same victim, by each way to it."""
    with by(request, request.param, victim) as reached:
        yield reached


@pytest.fixture(params=WAYS)
def whole(request):
    """The whole host, by each way to it."""
    with by(request, request.param, Path("/")) as reached:
        yield reached


def test_replace_keeps_owner_mode_and_leaves_no_rest(hands, victim):
    """New content in the file's place: mode, owner and attributes stay, no temporary file is left."""
    file = victim / "etc/cron"
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 1234, 2345)
    before = file.stat()
    hands.replace(str(file), b"new\n", sha(b"old\n"))
    after = file.stat()
    assert file.read_bytes() == b"new\n"
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert [p.name for p in file.parent.iterdir()] == ["cron"]


def test_replace_refuses_a_changed_file(hands, victim):
    """A file that is not the expected one any more stays as it is."""
    with pytest.raises(TargetError, match="someone changed it"):
        hands.replace(str(victim / "etc/cron"), b"new\n", sha(b"other\n"))
    assert (victim / "etc/cron").read_bytes() == b"old\n"
    assert [p.name for p in (victim / "etc").iterdir()] == ["cron"]


@pytest.mark.parametrize("way", ["{out}", "{root}/../outside", "{root}/link/outside", "{root}", "/etc/passwd"])
def test_fence(hands, victim, way):
    """Nothing outside the root is put or moved, whatever the way there: dots, links, the root itself."""
    (victim / "link").symlink_to(victim.parent)
    path = way.format(out=victim.parent / "outside", root=victim)
    for change in (
        lambda: hands.replace(path, b"x", sha(b"mine\n")),
        lambda: hands.move(path, str(victim / "vault"), 0),
        lambda: hands.move(str(victim / "etc/cron"), path, 0),
    ):
        with pytest.raises(Refused) as refused:
            change()
        assert refused.value.guard == "fence"
    assert (victim.parent / "outside").read_bytes() == b"mine\n"
    assert (victim / "etc/cron").read_bytes() == b"old\n"


def test_a_root_with_the_same_beginning_is_outside(hands, victim):
    """/x/root-other does not lie below /x/root."""
    other = victim.parent / "root-other"
    other.write_bytes(b"mine\n")
    with pytest.raises(Refused):
        hands.replace(str(other), b"x", sha(b"mine\n"))


def test_replace_never_follows_a_last_link(hands, victim):
    """A link in the file's place is refused: its target is not written."""
    (victim / "etc/linked").symlink_to(victim / "etc/cron")
    with pytest.raises(TargetError):
        hands.replace(str(victim / "etc/linked"), b"x", sha(b"old\n"))
    assert (victim / "etc/cron").read_bytes() == b"old\n"


def test_move_to_the_vault_and_back(hands, victim):
    """Quarantine: renamed into a folder that only we may enter, without rights; and back with the old ones."""
    source, target = victim / "etc/cron", victim / "var/vault/1/cron"
    inode = source.stat().st_ino
    hands.move(str(source), str(target), 0o000)
    assert not source.exists()
    assert (target.stat().st_ino, stat.S_IMODE(target.stat().st_mode)) == (inode, 0)
    assert stat.S_IMODE((victim / "var/vault").stat().st_mode) == 0o700
    hands.move(str(target), str(source), 0o644)
    assert stat.S_IMODE(source.stat().st_mode) == 0o644
    assert source.read_bytes() == b"old\n"


def test_move_never_overwrites(hands, victim):
    """What stands at the target stays."""
    (victim / "there").write_bytes(b"there\n")
    with pytest.raises(TargetError, match="is there already"):
        hands.move(str(victim / "etc/cron"), str(victim / "there"), 0o600)
    assert (victim / "there").read_bytes() == b"there\n"
    assert (victim / "etc/cron").exists()


def test_move_takes_only_the_file_of_that_hash(hands, victim):
    """Another content is another file: it stays where it is."""
    with pytest.raises(TargetError, match="no longer the file that triage saw"):
        hands.move(str(victim / "etc/cron"), str(victim / "vault/cron"), 0, sha(b"other\n"))
    assert (victim / "etc/cron").read_bytes() == b"old\n"
    hands.move(str(victim / "etc/cron"), str(victim / "vault/cron"), 0, sha(b"old\n"))
    assert not (victim / "etc/cron").exists()


def test_move_into_that_very_folder_only(hands, victim):
    """A folder that was exchanged since is not moved into; nor one that others may write in, unless it is that very one."""
    there = (victim / "tmp").mkdir() or (victim / "tmp")
    there.chmod(0o1777)
    seen = there.stat()
    with pytest.raises(TargetError, match="others may write in that folder"):
        hands.move(str(victim / "etc/cron"), str(there / "cron"), 0o600)
    with pytest.raises(TargetError, match="the folder is another one"):
        hands.move(str(victim / "etc/cron"), str(there / "cron"), 0o600, "", (seen.st_dev, seen.st_ino + 1))
    hands.move(str(victim / "etc/cron"), str(there / "cron"), 0o600, "", (seen.st_dev, seen.st_ino))
    assert (there / "cron").read_bytes() == b"old\n"


def test_move_of_a_link_leaves_its_target(hands, victim):
    """The link itself is moved; the mode of what it leads to stays."""
    (victim / "etc/linked").symlink_to(victim / "etc/cron")
    hands.move(str(victim / "etc/linked"), str(victim / "vault/linked"), 0)
    assert (victim / "vault/linked").is_symlink()
    assert stat.S_IMODE((victim / "etc/cron").stat().st_mode) == 0o644


@pytest.mark.skipif(Path("/dev/shm").stat().st_dev == Path("/tmp").stat().st_dev, reason="one file system holds both")
def test_move_stays_on_its_file_system(whole, tmp_path):
    """A move that would be a copy is refused: the evidence keeps its inode."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(TargetError, match="cross-device"):
        whole.move(str(tmp_path / "file"), f"/dev/shm/hemostat-{os.getpid()}/file", 0)
    assert (tmp_path / "file").exists()
    Path(f"/dev/shm/hemostat-{os.getpid()}").rmdir()


def test_move_of_a_running_program(hands, victim, sleeper):
    """A running executable can be moved away, and it keeps running."""
    child = sleeper(victim / "home/beacon")
    hands.move(str(victim / "home/beacon"), str(victim / "vault/beacon"), 0)
    assert child.poll() is None
    assert Path(f"/proc/{child.pid}/exe").readlink() == victim / "vault/beacon"


def test_signal_hits_exactly_that_process(hands, victim, sleeper):
    """A process inside the root is signalled once; when it is gone the answer is False."""
    child = sleeper(victim / "home/beacon")
    [process] = hands.processes([child.pid])
    assert hands.signal(child.pid, process.start, signal.SIGKILL) is True
    assert child.wait(10 * BUSY) == -signal.SIGKILL
    assert hands.signal(child.pid, process.start, signal.SIGKILL) is False


def test_signal_spares_a_pid_that_is_used_again(hands, victim, sleeper):
    """Another start time is another process: it is left alone."""
    child = sleeper(victim / "home/beacon")
    [process] = hands.processes([child.pid])
    assert hands.signal(child.pid, Start(process.created - 60), signal.SIGKILL) is False
    assert child.poll() is None


def test_signal_fence(hands, start):
    """A process whose executable and folder both lie outside the root is never signalled."""
    child = start("sleep", "60", cwd="/")
    [process] = hands.processes([child.pid])
    with pytest.raises(Refused) as refused:
        hands.signal(child.pid, process.start, signal.SIGKILL)
    assert refused.value.guard == "fence"
    assert child.poll() is None


def test_signal_reaches_a_process_that_stands_in_the_root(hands, victim, start):
    """An interpreter from outside that works in the victim's folder is the victim's."""
    child = start("sleep", "60", cwd=victim)
    [process] = hands.processes([child.pid])
    assert hands.signal(child.pid, process.start, signal.SIGTERM) is True
    assert child.wait(10 * BUSY) == -signal.SIGTERM


def test_run_takes_words_not_a_shell(whole):
    """A program gets exactly its words and its standard input; the environment is plain."""
    ran = whole.run([sys.executable, "-c", "import sys; print(sys.argv[1:], sys.stdin.read())", "$(id); `id`"], b"in")
    assert (ran.status, ran.out) == (0, b"['$(id); `id`'] in\n")


def test_run_ends_in_time(whole):
    """What does not end is killed and told."""
    began = time.monotonic()
    with pytest.raises(TargetError, match="did not end within"):
        whole.run(["sleep", "60"], timeout=0.2)
    assert time.monotonic() - began < 50
    with pytest.raises(TargetError, match="No such file"):
        whole.run(["/nonexistent/program"])


@pytest.mark.parametrize("way", WAYS)
def test_a_root_that_is_a_link(request, way, tmp_path, victim):
    """The fence stands at the real folder when the root is named through a link."""
    Path(tmp_path / "alias").symlink_to(victim)
    with by(request, way, tmp_path / "alias") as hands:
        hands.replace(str(victim / "etc/cron"), b"new\n", sha(b"old\n"))
    assert (victim / "etc/cron").read_bytes() == b"new\n"
