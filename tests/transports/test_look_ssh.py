"""A whole look over real SSH, with each shell at the other end, against the local look of the same machine."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from contextlib import closing
from dataclasses import replace

import pytest

from tasks.transports import reach
from tasks.transports.local import LocalHands
from tests.transports.sshd import SHELLS
from tests.transports.ways import NOWHERE, no_secret

pytestmark = pytest.mark.lab
PARTS = ("modules", "privileges", "packages", "logins", "logs")


@pytest.fixture(params=SHELLS)
def hands(request, servers):
    with closing(reach(servers(request.param).host(), NOWHERE, no_secret)) as reached:
        yield reached


def test_a_whole_look(hands, sleeper, tmp_path):
    """A deleted program and its socket are seen as the local look sees them, and every part of a triage answers."""
    child = sleeper(tmp_path / "gone\x1b[31m")
    wanted = hashlib.sha256((tmp_path / "gone\x1b[31m").read_bytes()).hexdigest()
    (tmp_path / "gone\x1b[31m").unlink()
    with socket.create_server(("127.78.0.1", 0)) as server:
        end = server.getsockname()
        rows = [(c.state, c.pid, c.owner) for c in hands.connections() if (c.local, c.local_port) == end]
    seen = {p.pid: p for p in hands.processes()}
    local = LocalHands().processes([child.pid])[0]
    assert rows == [("LISTEN", os.getpid(), "high")], [(pid, seen.get(pid)) for _, pid, _ in rows]
    assert (seen[child.pid].exe, seen[child.pid].deleted, seen[child.pid].sha256) == (local.exe, True, wanted)
    assert replace(seen[child.pid], created=0.0) == replace(local, created=0.0)
    assert hands.boot_time() == LocalHands().boot_time()
    assert hands.details(child.pid)["cmdline"] == LocalHands().details(child.pid)["cmdline"]


def test_the_rest_of_a_triage(hands):
    """Persistence, files and the system around the processes each answer, or say what they could not see."""
    entries, missed = hands.autostarts()
    assert {e.kind for e in entries} & {"cron", "systemd", "profile", "init", "pam", "cron_script"}
    files, passed = hands.files(time.time() - 60)
    seen = hands.system(PARTS, 0.0, [time.time()], ["/bin/sh"])
    assert all(u.what and u.why for u in (*missed, *passed, *seen.unseen, *hands.blind()))
    assert seen.privileges
    first, *others = (row.path for row in seen.packages)
    assert first == "/bin/sh"
    assert set(others) <= {row.path for row in seen.privileges}, "whose packages nobody asked for"
    assert all(f.path.startswith("/") for f in files)
