"""The process of the later steps, seen from serve: what becomes of its runs when it dies."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flows.backroom import Backroom
from tasks.model import HemostatError
from tests.patience import BUSY
from tests.serve.house import wait

pytestmark = pytest.mark.lab


def test_runs_of_a_dead_one_are_given_up_though_its_successor_is_at_work(tmp_path: Path) -> None:
    """Or they would wait for ever, each with a lane: the successor begins before anybody has heard that the first one died."""
    room = Backroom(tmp_path, lambda event, incident: None)
    broke = threading.Event()

    def go() -> None:
        with pytest.raises(HemostatError, match="died"):
            room.go("one", False, threading.Event())
        broke.set()

    room.open()
    assert room._process is not None
    room._process.send_signal(19)  # it hears its order, and does not answer
    runs = threading.Thread(target=go, daemon=True)
    runs.start()
    assert wait(lambda: "one" in room._going, 10)
    with room._lock:  # whoever listens to the first one has to wait
        room._process.kill()
        room._process.wait()
        room._running()
    assert broke.wait(10 * BUSY), "the run of the dead process waits for ever"
    room.close()
