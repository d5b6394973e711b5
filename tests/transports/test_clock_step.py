"""Somebody sets the host's clock between two looks: btime in /proc/stat moves by an hour, a living process stays the same one."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tasks.facts import Start
from tasks.transports.local import LocalHands
from tasks.transports.ssh_hands import SshHands
from tests.patience import BUSY
from tests.transports.conftest import REPO
from tests.transports.sshd import Server, missing
from tests.transports.ways import NOWHERE, no_secret

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing()), reason=missing())]
HOUR, MEBI = 3600, 1 << 20
LOOK = """
import json, sys
from tasks.facts import Start
from tasks.transports.local import LocalHands
hands, pid, facts = LocalHands(), int(sys.argv[1]), json.loads(sys.argv[2])
[now] = hands.processes([pid])
told = [hands.signal(pid, start, 9) for start in (Start(facts["created"]), Start.of(facts))]
print(json.dumps([now.created, now.started, *told]))
"""


@pytest.fixture
def stat(tmp_path: Path) -> Path:
    """What /proc/stat says after the clock was set forward by an hour."""
    file = tmp_path / "stat"
    text = Path("/proc/stat").read_text()
    file.write_text(re.sub(r"(?m)^btime (\d+)$", lambda m: f"btime {int(m[1]) + HOUR}", text))
    return file


def test_over_ssh(tmp_path, sleeper, stat):
    """What triage saw before is found, copied and killed after it; a start of an older journal, which is a time alone, is not."""
    child = sleeper()
    [before] = LocalHands().processes([child.pid])
    with (
        Server(tmp_path / "host", setup=f"mount --bind {stat} /proc/stat") as server,
        closing(SshHands(server.host(), NOWHERE, no_secret)) as hands,
    ):
        [now] = hands.processes([child.pid])
        assert now.created - before.created > HOUR - 10
        assert now.started == before.started != ""
        assert hands.memory(child.pid, before.start, io.BytesIO(), MEBI).size > 0
        assert hands.signal(child.pid, Start(before.created), 9) is False
        assert hands.signal(child.pid, before.start, 9) is True
        assert child.wait(10 * BUSY) == -9


def test_on_this_machine(sleeper, stat):
    """The same where hemostat itself runs: in a mount namespace of its own, whose /proc/stat tells the other time."""
    child = sleeper()
    [before] = LocalHands().processes([child.pid])
    script = 'mount --bind "$1" /proc/stat && shift && exec "$@"'
    facts = json.dumps({"created": before.created, "started": before.started})
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(stat)]
    ran = subprocess.run(
        [*words, sys.executable, "-c", LOOK, str(child.pid), facts], cwd=REPO, capture_output=True, text=True
    )
    assert ran.stdout, ran.stderr
    created, started, by_time, by_ticks = json.loads(ran.stdout)
    assert created - before.created > HOUR - 10
    assert (started, by_time, by_ticks) == (before.started, False, True)
    assert child.wait(10 * BUSY) == -9
