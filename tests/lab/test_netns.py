"""The range of real hosts: what it is to clients that are not ours, and that nothing is left of it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.netns import layout
from lab.netns.range import Range
from lab.site import line_of
from tasks.model import ConfigError
from tests.patience import BUSY, until
from tests.range.ground import MARKS, chosen, hears, running, silent

pytestmark = MARKS


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """One running range for the tests that only look."""
    with running(tmp_path_factory.mktemp("netns"), chosen()) as made:
        yield made


def ssh(
    range_: Range, user: str, host: str, *words: str, stdin: str = "", family: str = "ipv4"
) -> subprocess.CompletedProcess[str]:
    """OpenSSH's own client, from soc, with the range's key and the host key that the inventory pins."""
    known = range_.folder / "known_hosts"
    keys = [(layout.address(name, family), line_of(key)) for name, key in range_.plan.keys.items()]
    known.write_text("".join(f"{address} {key}\n" for address, key in keys))
    options = (
        "-o",
        "BatchMode=yes",
        "-o",
        f"UserKnownHostsFile={known}",
        "-o",
        "StrictHostKeyChecking=yes",
        "-i",
        str(range_.key),
    )
    argv = ["ssh", *options, f"{user}@{layout.address(host, family)}", *words]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=20 * BUSY)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("name", [layout.VICTIM, layout.CONTROL, layout.FIREWALL])
def test_a_host_is_reached_by_openssh(shared: Range, name: str, family: str) -> None:
    """Own name, own processes only, own /etc: a host as SSH shows it, behind its pinned key."""
    said = ssh(shared, "root", name, "hostname; ps -e -o pid= | wc -l; cat /etc/hostname; ls /home", family=family)
    assert said.returncode == 0, said.stderr
    hostname, processes, etc, *homes = said.stdout.split()
    assert (hostname, etc, homes) == (name, name, ["hemostat", "ops"])
    assert int(processes) < 25, "it sees processes that are not its own"


def test_the_router_answers_as_frr(shared: Range) -> None:
    """A login on the router is vtysh, with the routes that carry the range."""
    said = ssh(shared, "root", layout.ROUTER, stdin="show ip route\nshow ipv6 route\n")
    assert "FRRouting" in said.stdout
    assert layout.OUTSIDE in said.stdout
    assert layout.OUTSIDE6 in said.stdout


def test_the_machine_is_out_of_reach(shared: Range) -> None:
    """Programs are read-only; the machine's own folders, processes and secrets are not there."""
    assert ssh(shared, "root", layout.VICTIM, "touch /usr/bin/mark").returncode != 0
    assert not Path("/usr/bin/mark").exists()
    shadow = ssh(shared, "root", layout.VICTIM, "cat /etc/shadow; ls / /root /etc/ssh").stdout
    assert "ssh_host" not in shadow
    assert not any(line.split(":")[1] not in ("*",) for line in shadow.splitlines() if line.startswith("root:"))
    assert str(shared.folder) not in ssh(shared, "root", layout.VICTIM, "ps -e -o args").stdout


def test_all_that_the_victim_says_crosses_the_firewall(shared: Range) -> None:
    """conntrack on the firewall has the beacon's connection, and the control host's."""
    assert until(lambda: shared.control()[0] > 3, 5)
    table = "".join(shared.run(layout.FIREWALL, "conntrack", "-L", "-f", family) for family in ("ipv4", "ipv6"))
    assert f"src={layout.ADDRESS[layout.VICTIM]} dst={shared.plan.c2[0]}" in table
    assert f"src={layout.ADDRESS[layout.CONTROL]} dst={layout.WEB[0]}" in table
    assert f"src={layout.ADDRESS6[layout.CONTROL]} dst={layout.WEB6[0]}" in table


def test_the_range_is_closed(shared: Range) -> None:
    """Nothing outside the range is reached from within, and no packet of it is on the machine's own network."""
    said = ssh(
        shared, "root", layout.VICTIM, "ping -c1 -W1 192.0.2.1 || ip route get 192.0.2.1; ip -o link | wc -l"
    ).stdout
    assert said.split()[-1] == "2", "the victim has more than a loopback and one cable"
    machine = subprocess.run(
        ["nsenter", "-t", str(os.getppid()), "-n", "ip", "-o", "link"], capture_output=True, text=True
    ).stdout
    assert "lan1" not in machine


def beacons(lab: Range) -> list[str]:
    """The process ids of those that run."""
    return lab.run(layout.VICTIM, "sh", "-c", "pgrep -x kworker-sync || true").split()


def test_a_killed_beacon_comes_back_while_an_entry_stands(tmp_path: Path) -> None:
    """Killing without disabling persistence fails, for real; with all of it off, a boot and a login bring nothing back."""
    with running(tmp_path, chosen(persistence=("cron_d", "unit"))) as lab:
        first = beacons(lab)
        lab.run(layout.VICTIM, "rm", "/etc/cron.d/kworker-sync")
        lab.run(layout.VICTIM, "pkill", "-9", "-f", "kworker-sync")
        assert until(lambda: beacons(lab) not in ([], first), 5), "the unit still stands: it must be started again"
        assert hears(lab, 5)
        lab.run(layout.VICTIM, "ln", "-sf", "/dev/null", "/etc/systemd/system/kworker-sync.service")
        lab.run(layout.VICTIM, "pkill", "-9", "-f", "kworker-sync")
        lab.order(layout.VICTIM, "provoke")
        assert silent(lab, 2)


HIDDEN = {
    "deleted": ("ls -l /proc/[0-9]*/exe 2>/dev/null; true", "(deleted)"),
    "memfd": ("ls -l /proc/[0-9]*/exe 2>/dev/null; true", "memfd:kworker-sync"),
    "bind_mount": ("cat /proc/self/mountinfo", " /proc/"),
    "preload": ("cat /etc/ld.so.preload", "libkworker.so"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_beacon_hides_and_leaves_its_trace(tmp_path: Path, name: str) -> None:
    """Each way to hide is the real one: `ss` has the connection; the trace that it cannot avoid is there."""
    command, trace = HIDDEN[name]
    with running(tmp_path, chosen(name)) as lab:
        assert f"{lab.remote}" in ssh(lab, lab.plan.username, layout.VICTIM, "ss -tn").stdout
        assert trace in lab.run(layout.VICTIM, "sh", "-c", command)
        listed = lab.run(layout.VICTIM, "ps", "-e", "-o", "comm")
        assert ("kworker-sync" in listed) == (name in ("deleted", "memfd")), f"ps says {listed}"


PARENT = """
import sys, time
from pathlib import Path
from lab.netns.range import Range
from tests.range.ground import chosen
with Range(Path(sys.argv[1]), chosen()) as lab:
    print(lab._child.pid, flush=True)
    if sys.argv[2] == "raise" and sys.stdin.readline():
        raise RuntimeError("an exception in the drill")
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["raise", "SIGINT", "SIGKILL", "child SIGKILL"])
def test_nothing_is_left_however_it_ends(tmp_path: Path, how: str) -> None:
    """No process, network or mount of it is left after an exception, Ctrl-C, SIGKILL of the drill or of the range's process."""
    argv = [sys.executable, "-c", PARENT, str(tmp_path / "range"), how]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=null, env=os.environ) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        child = int(parent.stdout.readline())
        inside = [p.pid for p in psutil.Process(child).children(recursive=True)]
        assert len(inside) > 8, "the range is not up"
        if how == "raise":
            parent.stdin.write(b"\n")
            parent.stdin.flush()
        else:
            os.kill(child if how == "child SIGKILL" else parent.pid, getattr(signal, how.split()[-1]))
        until(lambda: not any(_alive(pid) for pid in (child, *inside)), 10)
        left = [pid for pid in (child, *inside) if _alive(pid)]
        parent.kill()
    assert left == [], f"after {how}"
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_up_and_down_in_about_a_second(tmp_path: Path) -> None:
    """The hosts are up in about a second and down in less, so that ten scenarios cost seconds and not minutes."""
    made = Range(tmp_path / "range", chosen(beacon="none"))
    start = time.monotonic()
    made.start()
    up = time.monotonic()
    made.stop()
    assert up - start < 5 * BUSY, f"up in {up - start:.2f} s"
    assert time.monotonic() - up < 2 * BUSY


def test_a_second_range_in_the_same_folder_is_refused(shared: Range) -> None:
    """A drill never writes over another drill's evidence."""
    with pytest.raises(ConfigError, match="there is one already"):
        Range(shared.folder, chosen())
