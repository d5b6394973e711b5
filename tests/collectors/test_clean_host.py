"""A clean host stays below the threshold: nobody is woken for an upgrade, a developer's tools or Debian's own entries."""

from __future__ import annotations

import time

import pytest

from tasks import collectors
from tests.collectors import scene

FOLDER = scene.CASES.parent / "clean"
FILES = [
    {"path": "/tmp/pip-install-x/setup.py", "magic": "script"},
    {"path": "/tmp/go-build1/b001/exe/app", "magic": "elf", "executable": True},
    {"path": "/tmp/jna-1/jna2.tmp", "magic": "elf"},
    {"path": "/tmp/.X0-lock"},
    {"path": "/tmp/.X11-unix/notes"},
    {"path": "/var/tmp/dracut/init", "magic": "script", "executable": True},
    {"path": "/dev/shm/PostgreSQL.123"},
    {"path": "/home/ada/.bash_history"},
    {"path": "/home/ada/.bashrc"},
    {"path": "/home/ada/.cargo/bin/cargo", "magic": "elf", "executable": True},
    {"path": "/home/ada/.vscode-server/bin/x/node", "magic": "elf", "executable": True},
    {"path": "/home/ada/.git-hooks/pre-commit", "magic": "script", "executable": True},
    {"path": "/home/ada/.cache/pip/wheel.whl", "magic": "archive"},
    {"path": "/home/ada/.local/lib/libx.so", "magic": "elf", "executable": True},
    {"path": "/home/ada/work/a.out", "magic": "elf", "executable": True},
]
MODULES = [{"name": n} for n in ("ext4", "nf_tables", "overlay")] + [
    {"name": "nvidia", "taint": "POE"},
    {"name": "zfs", "taint": "PO"},
]
SETUID = ("passwd", "su", "sudo", "mount", "umount", "newgrp", "chsh", "chfn", "gpasswd", "fusermount3", "pkexec")
PRIVILEGES = [
    *({"path": f"/usr/bin/{name}", "kind": "setuid"} for name in SETUID),
    # An upgrade of yesterday.
    {"path": "/usr/lib/openssh/ssh-keysign", "kind": "setuid", "changed": scene.NOW - 86400},
    {"path": "/usr/lib/dbus-1.0/dbus-daemon-launch-helper", "kind": "setuid"},
    {"path": "/usr/lib/polkit-1/polkit-agent-helper-1", "kind": "setuid"},
    {"path": "/usr/sbin/unix_chkpwd", "kind": "setgid", "gives": "shadow"},
    {"path": "/usr/bin/crontab", "kind": "setgid", "gives": "crontab"},
    {"path": "/usr/bin/ping", "kind": "capability", "gives": "cap_net_raw=ep"},
    {"path": "/usr/bin/dumpcap", "kind": "capability", "gives": "cap_net_admin,cap_net_raw=eip"},
    {"path": "/usr/bin/newuidmap", "kind": "capability", "gives": "cap_setuid=ep"},
    {"path": "/usr/sbin/suexec", "kind": "capability", "gives": "cap_setgid,cap_setuid=ep"},
    {
        "path": "/usr/lib/snapd/snap-confine",
        "kind": "capability",
        "gives": "cap_chown,cap_dac_override,cap_sys_admin=p",
    },
    {"path": "/opt/google/chrome/chrome-sandbox", "kind": "setuid"},
    {
        "path": "/usr/lib/x86_64-linux-gnu/gstreamer1.0/gst-ptp-helper",
        "kind": "capability",
        "gives": "cap_net_bind_service,cap_sys_nice=ep",
    },
]
PACKAGES = [
    {"path": "/usr/sbin/sshd", "verdict": "intact", "package": "openssh-server"},
    {"path": "/usr/bin/containerd-shim", "verdict": "unowned"},
    {"path": "/usr/local/bin/app", "verdict": "unowned"},
    {"path": "/usr/lib/jvm/java", "verdict": "unknown", "package": "jdk"},
]
LOGINS = [
    {"host": "198.51.100.30", "at": scene.NOW - 50000.0},
    {"host": "10.0.0.5", "at": scene.NOW - 4000.0},
    {"kind": "boot", "user": "reboot", "line": "~", "host": "6.1.0-18-amd64", "at": scene.NOW - 1e6},
    *({"kind": "failed", "user": "root", "line": "ssh:notty", "host": f"198.51.100.{n % 9}"} for n in range(200)),
]


def rows(name):
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(FOLDER / name)


def processes():
    pid = 100
    for row in rows("processes.yaml"):
        for number in range(row.pop("x", 1)):
            pid += 1
            words = [word.replace("{n}", str(number)) for word in row.get("cmdline", [])]
            yield (
                {"pid": pid, "user": "root"} | row | {"name": row["name"].replace("{n}", str(number)), "cmdline": words}
            )


def connections(pids):
    for number, pid in enumerate(pids):
        ends = {"remote": "198.51.100.20", "remote_port": 443, "local_port": 40000 + number}
        yield {"pid": pid, "inode": 1000 + number, "owner": "high"} | ends
    for port in range(20):
        yield {"remote": "198.51.100.21", "remote_port": 443, "state": "TIME_WAIT", "local_port": 50000 + port}
    yield {"remote": "192.0.2.5", "remote_port": 2049, "inode": 7, "owner": "none"}
    yield {"remote": "0.0.0.0", "remote_port": 0, "local_port": 22, "state": "LISTEN", "pid": 130, "inode": 9}


@pytest.fixture(scope="module")
def case():
    autostarts = [
        {"kind": kind, "path": path, "line": number, "text": text}
        for kind, path, *lines in rows("autostarts.yaml")
        for number, text in enumerate(lines, start=1)
    ]
    everyone = list(processes())
    sockets = list(connections([row["pid"] for row in everyone[::3]]))
    system = {"modules": MODULES, "privileges": PRIVILEGES, "packages": PACKAGES, "logins": LOGINS}
    return {"processes": everyone, "autostarts": autostarts, "files": FILES, "connections": sockets} | system


def test_nothing_reaches_the_threshold(case):
    """No finding of 50 or more on a clean host, and the sum of weak ones stays readable."""
    assert len(case["processes"]) > 250
    found = collectors.judge(collectors.artefacts(), scene.snapshot(case), scene.context(case))
    grave = [f"{f.score} {f.rule} {f.where}: {f.what}" for f in found if f.score >= 50]
    assert grave == []
    assert len(found) < 80


def test_one_beacon_among_them_stands_out(case):
    """With one beacon on the same host, what is grave is the beacon's, and nothing else."""
    beacon = {"pid": 9000, "name": "sync", "exe": "/home/ada/.cache/.s/sync", "cmdline": ["sync"], "sha256": "77"}
    entry = {"kind": "profile", "path": "/home/ada/.profile", "line": 9, "text": "~/.cache/.s/sync &"}
    file = {"path": "/home/ada/.cache/.s/sync", "magic": "elf", "executable": True, "sha256": "77"}
    socket = {"remote": "203.0.113.9", "remote_port": 443, "pid": 9000, "inode": 5, "owner": "high"}
    host = {
        "processes": [*case["processes"], beacon],
        "autostarts": [*case["autostarts"], entry],
        "files": [*case["files"], file],
        "connections": [*case["connections"], socket],
        "suspects": {9000: "high"},
    }
    found = collectors.judge(collectors.artefacts(), scene.snapshot(host), scene.context(host))
    assert {f.rule for f in found if f.score >= 50} == {
        "autostart.beacon",
        "connection.remote",
        "file.beacon",
        "process.talks",
    }


def test_judging_is_quick(case):
    """A whole host is judged in well under a second: the wait is the host's, not ours."""
    snapshot, context = scene.snapshot(case), scene.context(case | {"suspects": {150: "high", 151: "medium"}})
    began = time.process_time()
    collectors.judge(collectors.artefacts(), snapshot, context)
    assert time.process_time() - began < 2.0
