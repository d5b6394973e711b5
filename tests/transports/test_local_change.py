"""Changes on this very machine that no other transport knows: pidfds, and hemostat's own processes."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from tasks.facts import Start
from tasks.model import Refused
from tasks.transports.local import LocalHands
from tests.patience import BUSY


@pytest.fixture
def victim(tmp_path):
    """A drill's root."""
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def hands(victim):
    return LocalHands(str(victim))


def test_signal_without_pidfd(hands, victim, sleeper, monkeypatch):
    """A kernel without pidfds (before Linux 5.3) is served as well: the same checks, then kill(2)."""

    def none(_pid):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", none)
    child = sleeper(victim / "home/beacon")
    [process] = hands.processes([child.pid])
    assert hands.signal(child.pid, Start(process.created - 60), signal.SIGKILL) is False
    assert hands.signal(child.pid, process.start, signal.SIGKILL) is True
    assert child.wait(10 * BUSY) == -signal.SIGKILL


@pytest.mark.parametrize("pid", [os.getpid(), os.getppid(), 1], ids=["self", "parent", "init"])
def test_signal_spares_ourselves(pid):
    """hemostat, its ancestors and pid 1 are never signalled, whatever the root."""
    hands = LocalHands()
    [process] = hands.processes([pid])
    with pytest.raises(Refused) as refused:
        hands.signal(pid, process.start, 0)
    assert refused.value.guard == "self"
