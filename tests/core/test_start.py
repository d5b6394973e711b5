"""When a process started is its identity: what no clock moves decides, the time only where nothing else is known."""

from __future__ import annotations

import pytest

from tasks.beacon import chain, tree
from tasks.facts import Process, Start

HOUR = 3600.0
BOOT, OTHER = "0d7c1f0e-1111-4000-8000-000000000001", "0d7c1f0e-1111-4000-8000-000000000002"
START = Start(1000.0, f"{BOOT}:500")


@pytest.mark.parametrize(
    ("seen", "same"),
    [
        (Start(1000.0 + HOUR, f"{BOOT}:500"), True),
        (Start(1000.0 - HOUR, f"{BOOT}:500"), True),
        (Start(1000.0, f"{BOOT}:501"), False),
        (Start(1000.0, f"{OTHER}:500"), False),
        (Start(1001.4), True),
        (Start(1001.6), False),
    ],
    ids=[
        "set forward",
        "set back",
        "another start",
        "another boot",
        "an older journal",
        "an older journal, another start",
    ],
)
def test_the_same_start(seen: Start, same: bool) -> None:
    """btime moved by an hour changes nothing; ticks and boot do; where one side knows the time alone, 1.5 s decide."""
    assert (START.same(seen), seen.same(START)) == (same, same)


def test_facts_of_older_journals() -> None:
    """A finding tells both; one of an earlier version only the time."""
    assert Start.of({"created": 1000.0, "started": f"{BOOT}:500"}) == START
    assert Start.of({"created": 1000, "started": ""}) == Start.of({"created": 1000.0}) == Start(1000.0)


def test_a_family_whose_clock_was_set_meanwhile() -> None:
    """The clock is set back between two of the readings: the child is still the younger one, and one of an earlier boot is no child."""
    parent = Process(10, 1, 1000.0, "sh", started=f"{BOOT}:500")
    child = Process(11, 10, 1001.0 - HOUR, "sleep", started=f"{BOOT}:600")
    older = Process(12, 10, 1000.0 + HOUR, "old", started=f"{BOOT}:400")
    assert tree([parent, child, older], 10) == (parent, child)
    assert chain([parent, child], 11) == (child, parent)
    assert chain([parent, older], 12) == (older,)
