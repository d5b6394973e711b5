"""The lanes: who goes first, what holds up whom, and what never does."""

from __future__ import annotations

import threading
import time

from flows.lanes import AHEAD, Lane, Lanes, Work
from tests.patience import until


def urgent(name: str, *devices: str, rank: int = 0) -> Work:
    return Work(name, Lane.URGENT, devices, rank)


def taken(lanes: Lanes, lane: Lane = Lane.URGENT) -> list[str]:
    """Everything that may be taken now, in its order; all of it stays in work."""
    names = []
    while lanes._next(lane):
        work = lanes.take(lane)
        assert work
        names.append(work.incident)
    return names


def test_new_alerts_go_before_what_was_left_over_and_in_their_order() -> None:
    """After a restart a thousand incidents are looked at again; a new one does not wait for them."""
    lanes = Lanes()
    for work in (urgent("old", rank=1), urgent("a"), urgent("b"), urgent("older", rank=1)):
        lanes.put(work)
    assert taken(lanes) == ["a", "b", "old", "older"]


def test_a_host_with_a_thousand_incidents_is_before_nobody() -> None:
    """Whoever has a sensor tell a thousand things of one host would else keep every other host's block waiting."""
    lanes = Lanes()
    for number in range(1000):
        lanes.put(Work(f"flood {number}", Lane.URGENT, host="loud"))
    first = lanes.take(Lane.URGENT)
    lanes.put(Work("one", Lane.URGENT, host="quiet"))
    lanes.put(Work("other", Lane.URGENT, host="still"))
    taken = [lanes.take(Lane.URGENT) for _ in range(4)]
    assert first and [work and work.incident for work in taken] == ["one", "other", "flood 1", "flood 2"]


def test_a_device_that_does_not_answer_holds_few_lanes() -> None:
    """Its third incident waits, and the one behind it, on another device, goes."""
    lanes = Lanes()
    for number in range(5):
        lanes.put(urgent(f"slow-{number}", "dead"))
    lanes.put(urgent("other", "alive"))
    assert taken(lanes) == [*(f"slow-{n}" for n in range(AHEAD)), "other"]
    lanes.release(lanes._busy["slow-0"])
    assert taken(lanes) == ["slow-2"]


def test_an_incident_is_in_one_lane_at_a_time() -> None:
    """What comes for it while it is in work waits until it is released, and urgent things replace later ones."""
    lanes = Lanes()
    lanes.put(Work("a", Lane.LATER))
    (later,) = taken(lanes, Lane.LATER)
    lanes.put(urgent("a"))
    lanes.put(Work("a", Lane.SHOW))
    assert taken(lanes) == taken(lanes, Lane.SHOW) == []
    lanes.release(lanes._busy[later])
    assert (taken(lanes, Lane.SHOW), taken(lanes)) == ([], ["a"])


def test_a_lane_sleeps_until_there_is_work_and_wakes_at_once() -> None:
    """No poll: it sleeps without an end while there is none, and no longer than until the next one is due."""
    lanes, got, slept = Lanes(), [], []
    sleep = lanes._changed.wait

    def wait(seconds: float | None = None) -> bool:
        slept.append(seconds)
        return sleep(seconds)

    def lane() -> None:
        while work := lanes.take(Lane.URGENT):
            got.append((work.incident, time.monotonic()))
            lanes.release(work)

    lanes._changed.wait = wait  # type: ignore[method-assign]
    thread = threading.Thread(target=lane)
    thread.start()
    assert until(lambda: slept, 5)
    lanes.put(urgent("a"))
    assert until(lambda: len(got) == 1 and len(slept) == 2, 5)
    due = time.monotonic() + 0.1
    lanes.put(Work("b", Lane.URGENT, due=due))
    assert until(lambda: len(got) == 2, 5)
    lanes.close()
    thread.join(5)
    assert [name for name, _ in got] == ["a", "b"] and got[1][1] >= due
    assert slept[:2] == [None, None] and all(seconds is None or seconds <= 0.1 for seconds in slept)
