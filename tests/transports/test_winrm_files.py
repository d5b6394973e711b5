"""Files over WinRM against the laboratory: whole or not at all, whatever breaks; and the certificate that a host shows."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from lab.wsman import Cut, Pipes, Shell, made
from tasks.model import ConfigError, TargetError, Unreachable
from tasks.transports import winrm_files
from tasks.transports.winrm import Client
from tasks.transports.winrm_certificate import fingerprint
from tasks.transports.winrm_files import fetch, stat
from tasks.transports.winrm_frame import shipped
from tasks.transports.winrm_wire import Wire
from tests.transports.winrm_house import client, inventory, listening

pytestmark = pytest.mark.lab
LARGE = 50 << 20


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder that stands for C:\\."""
    folder = tmp_path / "c"
    folder.mkdir()
    return folder


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def spied(windows: Client) -> list[int]:
    """From where on each command asks for the file."""
    offsets: list[int] = []
    real = windows.stream_script

    def asked(script: bytes, data: bytes, *more: Any) -> bytes:
        offsets.append(json.loads(data)["offset"])
        return real(script, data, *more)

    windows.stream_script = asked
    return offsets


@pytest.mark.parametrize("restart", [False, True], ids=["the connection", "the whole service"])
def test_fifty_megabytes_with_two_forced_cuts(tmp_path: Path, host: Path, restart: bool) -> None:
    """The connection is cut in the middle of an answer, then again, or the service restarts: the hash is equal, what came stays."""
    half = os.urandom(LARGE // 2)
    (host / "memory.dmp").write_bytes(half + bytes(LARGE // 4) + half[: LARGE // 4])
    with listening(host) as server, client(server) as windows:
        offsets = spied(windows)
        server.faults.arm(Cut(9, 70_000, "Receive"), Cut(40, 0, "Receive", restart=restart))
        there = fetch(windows, "C:\\memory.dmp", tmp_path / "copy")
        assert server.faults.cuts == []
        assert there.sha256 == sha256(tmp_path / "copy") == sha256(host / "memory.dmp")
        assert offsets[0] == 0
        assert len(offsets) == 1 + restart, "only a lost shell needs a new command"
        assert offsets[-1] > 1 << 20 or not restart, "what was there already must not be fetched again"
    assert not (tmp_path / "copy.part").exists()


def test_a_copy_goes_on_where_an_earlier_run_stopped(tmp_path: Path, host: Path) -> None:
    """What is left of a run that died counts, down to the byte."""
    data = os.urandom(3 << 20)
    (host / "a.exe").write_bytes(data)
    (tmp_path / "a.part").write_bytes(data[: (2 << 20) + 17])
    with listening(host) as server, client(server) as windows:
        offsets = spied(windows)
        fetch(windows, "C:\\a.exe", tmp_path / "a")
    assert offsets == [(2 << 20) + 17]
    assert (tmp_path / "a").read_bytes() == data


@pytest.mark.parametrize("left", [b"another file's beginning", b"x" * 5000], ids=["wrong", "longer"])
def test_a_partial_copy_of_another_file(tmp_path: Path, host: Path, left: bytes) -> None:
    """It is noticed by the hash, or by its length, and never becomes a copy."""
    (host / "a.exe").write_bytes(b"MZ" * 1000)
    (tmp_path / "a.part").write_bytes(left)
    with listening(host) as server, client(server) as windows:
        if len(left) < 2000:
            with pytest.raises(TargetError, match="hash is not the host's"):
                fetch(windows, "C:\\a.exe", tmp_path / "a")
            assert not (tmp_path / "a").exists()
        fetch(windows, "C:\\a.exe", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"MZ" * 1000


def test_an_empty_file_and_a_chinese_name(tmp_path: Path, host: Path) -> None:
    """Nothing is a file, too; names are data."""
    (host / "空 文件'$(x).txt").write_bytes(b"")
    with listening(host) as server, client(server) as windows:
        there = fetch(windows, "C:\\空 文件'$(x).txt", tmp_path / "a", 10)
    assert (there.size, (tmp_path / "a").read_bytes()) == (0, b"")


@pytest.mark.parametrize("limit", [0, 1, 49_152, 60_000, 100_000])
def test_a_file_above_the_limit_is_cut(tmp_path: Path, host: Path, limit: int) -> None:
    """Its first bytes come, hashed there and here, and the answer says how many are missing."""
    data = os.urandom(100_000)
    (host / "a").write_bytes(data)
    with listening(host) as server, client(server) as windows:
        there = fetch(windows, "C:\\a", tmp_path / "a", limit)
    assert (tmp_path / "a").read_bytes() == data[:limit]
    assert (there.size, there.hashed) == (100_000, limit)


def test_a_file_that_is_not_there(host: Path) -> None:
    """The host's own words."""
    with listening(host) as server, client(server) as windows, pytest.raises(TargetError, match="does not exist"):
        stat(windows, "C:\\gone.exe")


def test_a_file_that_shrinks_meanwhile(tmp_path: Path, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends before its time: told, no endless asking."""
    (host / "a").write_bytes(bytes(100))
    with listening(host) as server, client(server) as windows:
        real = winrm_files.stat(windows, "C:\\a")
        monkeypatch.setattr(winrm_files, "stat", lambda *_: real)
        (host / "a").write_bytes(bytes(60))
        with pytest.raises(TargetError, match="ends at 60 of 100 bytes"):
            fetch(windows, "C:\\a", tmp_path / "a", 1000)


def test_a_damaged_piece_is_not_written(tmp_path: Path, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own CRC-32 tells; the pieces before it stay."""
    (host / "a").write_bytes(bytes(200_000))
    with listening(host) as server, client(server) as windows:
        real, seen = winrm_files._piece, []

        def third(line: bytes, path: str) -> bytes:
            seen.append(line)
            return real(line if len(seen) != 3 else line[:30] + b"AAAA" + line[34:], path)

        monkeypatch.setattr(winrm_files, "_piece", third)
        with pytest.raises(TargetError, match="CRC-32"):
            fetch(windows, "C:\\a", tmp_path / "a", 1 << 20)
    assert (tmp_path / "a.part").stat().st_size == 2 * 49152
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([bytes(49_152), bytes(49_152)], "more came than was asked for"),
        ([bytes(64 << 20)], "its length or CRC-32"),
        ([b""], "its length or CRC-32"),
        ([bytes(49_153)], "its length or CRC-32"),
    ],
    ids=["too many", "a bomb", "nothing", "too long"],
)
def test_a_host_that_sends_what_was_not_asked_for(tmp_path: Path, host: Path, lines: list[bytes], says: str) -> None:
    """An attacker's host fills neither the disk nor the memory."""

    def chunks(shell: Shell, data: Any, pipes: Pipes) -> str:
        for line in lines:
            pipes.out(base64.b64encode(gzip.compress(line, 1)) + b"\r\n")
        return "{}"

    (host / "a").write_bytes(bytes(60_000))
    with listening(host) as server, client(server) as windows:
        server.service.machine.scripts[shipped("chunks")] = chunks
        with pytest.raises(TargetError, match=says):
            fetch(windows, "C:\\a", tmp_path / "a")
    assert (tmp_path / "a.part").stat().st_size <= 49_152


def test_a_host_that_goes_away_for_good(tmp_path: Path, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried a few times, then told; what came is kept for the next run."""
    monkeypatch.setattr("tasks.transports.winrm_wire.PAUSES", (0.01, 0.01))
    monkeypatch.setattr(Wire, "busy_pause", 0.01)
    (host / "a").write_bytes(os.urandom(4 << 20))
    with listening(host) as server, client(server) as windows:
        server.faults.arm(*[Cut(n, 0, "Receive") for n in range(5, 60)])
        with pytest.raises(Unreachable, match="broke again and again"):
            fetch(windows, "C:\\a", tmp_path / "a")
    assert 0 < (tmp_path / "a.part").stat().st_size < 4 << 20


def test_the_certificate_that_a_host_shows(tmp_path: Path) -> None:
    """Its SHA-256 and whose it is, without a login: what `hemostat check --learn` prints."""
    certificate = made(tmp_path, "win-1")
    with listening(tmp_path, certificate) as server:
        shown, words = fingerprint(inventory(server, certificate_sha256="ab" * 32))
        assert shown == certificate.sha256
        assert words.startswith("CN=win-1, signed by itself, until ")
        assert server.log == []


def test_there_is_no_certificate_to_show(tmp_path: Path) -> None:
    """Without TLS in the inventory, without TLS at the port, without anyone there."""
    with listening(tmp_path) as server:
        with pytest.raises(ConfigError, match="shows no certificate"):
            fingerprint(inventory(server))
        host = inventory(server, tls=True)
        with pytest.raises(Unreachable, match="does not speak TLS"):
            fingerprint(host)
    with pytest.raises(Unreachable, match="Connection refused"):
        fingerprint(host)
