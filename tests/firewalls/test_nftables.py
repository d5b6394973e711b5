"""The `linux` platform against the real nft of this machine, in a network namespace that ends with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.firewalls import Entry, linux
from tasks.firewalls.shape import Command
from tasks.model import Remote
from tasks.settings import Host
from tasks.transports import device

NEEDS = os.geteuid() == 0 and shutil.which("unshare") and shutil.which("nft")
pytestmark = [pytest.mark.range, pytest.mark.skipif(not NEEDS, reason="needs root, unshare and nft")]

REMOTES = ("203.0.113.9", "203.0.113.9:443", "2001:db8::9", "[2001:db8::9]:443")
GATE = Host("gate", "127.0.0.1", "linux", "local")


def say(*commands: Command) -> tuple[str, ...]:
    """Say commands as the block step does."""
    with device.opened(GATE, linux, lambda _: "", Path("locks")) as session:
        return session.ask(commands)


def round_trip(text: str) -> None:
    """Unprovisioned, provisioned, blocked, blocked once more, taken back: each time what nft itself shows."""
    entry = Entry(Remote.parse(text), "20260101-000000-aaaa", minutes=5)
    bare = linux.read(entry, say(*linux.look(entry)))
    assert (bare.present, bare.enforced, bool(bare.missing)) == (False, False, True)
    subprocess.run([linux.NFT, "-f", "-"], input="\n".join(bare.missing), text=True, check=True)
    before = linux.read(entry, say(*linux.look(entry)))
    assert (before.present, before.enforced) == (False, True)
    say(*linux.block(entry, before))
    blocked = linux.read(entry, say(*linux.look(entry)))
    assert (blocked.present, blocked.enforced) == (True, True)
    assert entry.incident in blocked.note
    say(*linux.unblock(entry, blocked))
    after = linux.read(entry, say(*linux.look(entry)))
    assert (after.present, after.enforced) == (False, True)


@pytest.mark.parametrize("remote", REMOTES)
def test_block_and_unblock_on_real_nft(tmp_path: Path, remote: str) -> None:
    """The words that the product says are the ones that nft takes, with and without a port, v4 and v6."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "tests.firewalls.test_nftables", remote],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    round_trip(sys.argv[1])
