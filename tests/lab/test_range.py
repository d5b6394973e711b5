"""The range: real beacon processes, a real data path, and nothing left of it, however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from netmiko import ConnectHandler

from lab import victim
from lab.range import Mode, Range
from tasks.model import ConfigError, Remote, parse_address
from tests.patience import silent, until

pytestmark = pytest.mark.lab
INTERVAL = 0.1
needs_cc = pytest.mark.skipif(victim.compiler() is None, reason="no C compiler")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Range]:
    """One running range with a beacon that keeps its connection."""
    with Range(tmp_path / "range", "keepalive", INTERVAL) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """One running range for the tests that only look."""
    with Range(tmp_path_factory.mktemp("shared") / "range", "keepalive", INTERVAL) as running:
        yield running


def tell(lab: Range, *lines: str) -> str:
    """Say lines to the range's firewall through the unmodified driver; all answers."""
    host, port = lab.plan.device
    with ConnectHandler(
        device_type="cisco_asa",
        host=host,
        port=port,
        username=lab.plan.username,
        password=lab.plan.password,
        secret=lab.plan.secret,
        allow_auto_change=False,
        global_delay_factor=0.1,
    ) as client:
        return "\n".join(client.send_command(line, expect_string=r"# $", auto_find_prompt=False) for line in lines)


def block(lab: Range) -> None:
    tell(lab, "configure terminal", "object-group network HEMOSTAT", f"network-object host {lab.remote.address}", "end")


def quiet(lab: Range, seconds: float) -> bool:
    """Does a time come that long in which no message arrives? Some may be on their way."""
    return silent(lambda: len(lab.c2_messages()), seconds)


def hits(lab: Range) -> int:
    return sum(lab.device_state()["hits"]["INSIDE_IN"][0].values())


@pytest.mark.parametrize("compiler", [pytest.param("", marks=needs_cc), None], ids=["compiled", "interpreter"])
@pytest.mark.parametrize("mode", ["keepalive", "short"])
def test_a_real_process_calls_home(tmp_path: Path, mode: Mode, compiler: str | None) -> None:
    """The beacon is a process with its own binary below the victim's root; its messages reach the C2 in its mode."""
    with Range(tmp_path / "range", mode, INTERVAL, compiler) as lab:
        assert until(lambda: len(lab.c2_messages()) >= 4, 10)
        (pid,) = lab.beacons()
        process = psutil.Process(pid)
        assert (process.name(), process.exe()) == ("kworker-sync", str(lab.root / victim.PROGRAM.lstrip("/")))
        connections = {m.connection for m in lab.c2_messages()}
    assert len(connections) == 1 if mode == "keepalive" else len(connections) >= 4


def test_a_block_without_a_cut_leaves_the_session_alone(lab: Range) -> None:
    """As on the device: the established connection goes on after the block, and ends with `clear conn`; then hits count."""
    block(lab)
    before = len(lab.c2_messages())
    assert until(lambda: len(lab.c2_messages()) > before + 2, 5), "the block alone must not end the session"
    assert hits(lab) == 0
    said = tell(lab, f"show conn address {lab.remote.address}", f"clear conn address {lab.remote.address}")
    assert f"outside {lab.remote.address}:8443" in said and "1 connection(s) deleted." in said
    assert quiet(lab, 5 * INTERVAL), "messages still arrive after block and cut"
    assert until(lambda: hits(lab) > 0, 5), "the beacon's new attempts must be counted at the entry"
    assert lab.connections() == []


def test_an_unblock_lets_it_through_again(lab: Range) -> None:
    """The beacon comes back within some intervals when the block is taken away: its back-off is bounded."""
    block(lab)
    tell(lab, f"clear conn address {lab.remote.address}")
    assert quiet(lab, 3 * INTERVAL)
    before = len(lab.c2_messages())
    tell(lab, "conf t", "object-group network HEMOSTAT", f"no network-object host {lab.remote.address}", "end")
    assert until(lambda: len(lab.c2_messages()) > before, 20 * INTERVAL)


def test_a_killed_beacon_comes_back_while_an_entry_stands(lab: Range) -> None:
    """Killing without disabling persistence fails, for real; with one of two entries left as well."""
    (first,) = lab.beacons()
    (lab.root / victim.CRON.lstrip("/")).unlink()
    os.kill(first, signal.SIGKILL)
    assert until(lambda: lab.beacons() not in ([], [first]), 5), "the user unit still stands: it must be started again"
    assert not psutil.pid_exists(first), "a killed beacon must not stay as a zombie"


DISABLED = {
    "commented and unit moved": lambda root: (
        _comment(root / victim.CRON.lstrip("/")),
        (root / victim.UNIT.lstrip("/")).rename(root / "gone"),
    ),
    "program not executable": lambda root: (root / victim.PROGRAM.lstrip("/")).chmod(0o600),
    "program moved": lambda root: (root / victim.PROGRAM.lstrip("/")).rename(root / "gone"),
    "cron file renamed and unit masked": lambda root: (
        (root / victim.CRON.lstrip("/")).rename(root / "etc/cron.d/kworker-sync.off"),
        (root / victim.UNIT.lstrip("/")).unlink(),
        (root / victim.UNIT.lstrip("/")).symlink_to("/dev/null"),
    ),
}


def _comment(file: Path) -> None:
    file.write_text("".join(f"# {line}\n" for line in file.read_text().splitlines()))


@pytest.mark.parametrize("disable", DISABLED.values(), ids=DISABLED)
def test_a_killed_beacon_stays_away_once_persistence_is_off(lab: Range, disable) -> None:
    """Every honest way to disable the entries or the file keeps it from coming back."""
    (pid,) = lab.beacons()
    disable(lab.root)
    os.kill(pid, signal.SIGKILL)
    assert quiet(lab, 0.7)  # more than three ticks of init and the longest back-off
    assert lab.beacons() == []


def test_everything_planted_is_there_and_the_innocent_is_too(shared: Range) -> None:
    """What `planted` names exists at that path and line; innocent files stand beside it."""
    for item in shared.planted:
        text = (shared.root / item.path.lstrip("/")).read_bytes()
        if item.line:
            assert (
                b"kworker" in text.splitlines()[item.line - 1]
                or victim.ATTACKER.encode() in text.splitlines()[item.line - 1]
            )
    assert all((shared.root / path.lstrip("/")).is_file() for path in victim.INNOCENT)


def test_the_alert_names_victim_and_c2(shared: Range) -> None:
    """The EVE line carries the victim's live flow."""
    line = shared.alert()
    record = json.loads(line)
    assert line.count(b"\n") == 1
    assert Remote(parse_address(record["dest_ip"]), record["dest_port"]) == shared.remote
    assert [record["src_ip"], record["src_port"]] in [flow[:2] for flow in shared.connections()]


def test_reopen_brings_the_same_device_back(tmp_path: Path) -> None:
    """After a drill the firewall comes up alone: same address, host key and configuration, so that an undo finds its block."""
    with Range(tmp_path / "range", "short", INTERVAL) as lab:
        block(lab)
        heard = len(lab.c2_messages())
    assert heard <= len(lab.c2_messages())
    with Range.reopen(tmp_path / "range") as again:
        assert (again.plan, again.beacons()) == (lab.plan, [])
        assert f"network-object host {lab.remote.address}" in tell(
            again, "show running-config object-group id HEMOSTAT"
        )


def test_a_second_range_in_the_same_folder_is_refused(shared: Range) -> None:
    """A drill never writes over another drill's evidence."""
    with pytest.raises(ConfigError, match="there is one already"):
        Range(shared.folder)


def test_secrets_are_the_owners_alone(shared: Range) -> None:
    """range.json and the folder are closed to others; the written site has references only."""
    shared.write_site(shared.folder / "site")
    written = "".join(p.read_text() for p in (shared.folder / "site").rglob("*.yaml"))
    assert (shared.folder / "range.json").stat().st_mode & 0o777 == 0o600
    assert shared.folder.stat().st_mode & 0o777 == 0o700
    assert shared.plan.password not in written and "env:HEMOSTAT_LAB_PASSWORD" in written


PARENT = """
import sys, time, os, signal
from pathlib import Path
from lab.range import Range
with Range(Path(sys.argv[1]), "keepalive", 0.1) as lab:
    print(lab._child.pid, *lab.beacons(), flush=True)
    if sys.argv[2] == "raise":
        raise RuntimeError("an exception in the drill")
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["raise", "SIGINT", "SIGTERM", "SIGKILL", "child SIGKILL", "stopped beacon"])
def test_nothing_is_left_however_it_ends(tmp_path: Path, how: str) -> None:
    """After an exception, Ctrl-C, SIGTERM or SIGKILL of the parent, or SIGKILL of the child, no process of it lives."""
    argv = [sys.executable, "-c", PARENT, str(tmp_path / "range"), how]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2, "the parent did not bring its range up"
        if how == "stopped beacon":
            os.kill(pids[1], signal.SIGSTOP)
        target = pids[0] if how in ("child SIGKILL", "stopped beacon") else parent.pid
        number = getattr(signal, how.split()[-1], signal.SIGKILL)
        if how != "raise":
            os.kill(target, number)
        gone = until(lambda: not any(_alive(pid) for pid in pids), 10)
        left = [pid for pid in pids if _alive(pid)]
        parent.kill()
    assert gone, f"after {how} these are left: {left}"
    assert not _below(tmp_path), "a process with an executable in the range's folder is left"


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _below(folder: Path) -> list[int]:
    return [p.pid for p in psutil.process_iter(["exe"]) if (p.info["exe"] or "").startswith(str(folder))]


def test_a_beacon_ends_by_itself(tmp_path: Path) -> None:
    """Its lifetime bounds it even while everything else lives (the entries are off, so that it is not started again)."""
    with Range(tmp_path / "range", "keepalive", INTERVAL, lifetime=1) as lab:
        shutil.rmtree(lab.root / "etc/cron.d")
        (lab.root / victim.UNIT.lstrip("/")).unlink()
        assert until(lambda: lab.beacons() == [], 5)
