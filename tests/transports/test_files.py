"""What every transport reads alike: one file's metadata, hash and content. Traps are refused, and a cut copy says so."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from pathlib import Path

import pytest

from tasks.model import TargetError
from tests.transports.ways import WAYS, by


@pytest.fixture(params=WAYS)
def hands(request):
    """This machine, by each way to it."""
    with by(request, request.param, Path("/")) as reached:
        yield reached


@pytest.mark.parametrize(("limit", "cut"), [(4, True), (5, False), (6, False), (0, True)])
def test_fetch_says_when_it_was_cut(hands, tmp_path, limit, cut):
    """A copy that the limit cut off says so, and its hash is of what was copied."""
    (tmp_path / "evidence").write_bytes(b"proof")
    copy = io.BytesIO()
    fetched = hands.fetch(str(tmp_path / "evidence"), copy, limit)
    assert (copy.getvalue(), fetched.cut, fetched.size) == (b"proof"[:limit], cut, min(limit, 5))
    assert fetched.sha256 == hashlib.sha256(b"proof"[:limit]).hexdigest()


@pytest.mark.parametrize(
    "trap", ["fifo", "link", "folder", "none", "file/below", "/dev/zero", "/proc/1/fd", "relative"]
)
def test_traps_are_not_opened(hands, tmp_path, trap):
    """A FIFO, a device, a folder, a link, nothing: refused at once by each verb that reads, never waited on."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    path = trap if trap == "relative" else str(tmp_path / trap)
    for read in (hands.sha256, lambda path: hands.read(path, 10), lambda path: hands.fetch(path, io.BytesIO(), 10)):
        with pytest.raises(TargetError) as caught:
            read(path)
        assert caught.value.seen


def test_stat(hands, tmp_path):
    """Metadata of the name itself: a link is a link; what is not there is None."""
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    file.chmod(0o4640)
    (tmp_path / "link").symlink_to("no where\udcff")
    seen, link, real = hands.stat(str(file)), hands.stat(str(tmp_path / "link")), file.stat()
    assert (seen.size, stat.S_IMODE(seen.mode), seen.link) == (5, 0o4640, "")
    assert (seen.uid, seen.gid, seen.inode, seen.device) == (real.st_uid, real.st_gid, real.st_ino, real.st_dev)
    assert abs(seen.modified - real.st_mtime) < 1
    assert link.link == "no where\udcff"
    assert hands.stat(str(tmp_path / "none")) is None
    assert hands.stat(str(file / "below")) is None
    assert stat.S_ISDIR(hands.stat(f"{tmp_path}/.").mode)


def test_read_takes_the_beginning(hands, tmp_path):
    """No more than the limit, every byte as it is."""
    data = bytes(range(256)) * 300
    (tmp_path / "file").write_bytes(data)
    assert hands.read(str(tmp_path / "file"), 70_000) == data[:70_000]
    assert hands.read(str(tmp_path / "file"), 1 << 20) == data
    assert hands.read(str(tmp_path / "file"), 0) == b""


def test_what_is_too_large_is_not_hashed(hands, tmp_path):
    """A sparse file of a terabyte costs an attacker nothing: it is told, not read."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TargetError, match="larger than 512 MiB"):
        hands.sha256(str(tmp_path / "huge"))
