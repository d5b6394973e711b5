"""Medians. Knows a clock; must not know what it measures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def nothing() -> None:
    """Prepare nothing."""


def median(work: Callable[[int], None], rounds: int, prepare: Callable[[], None] = nothing) -> float:
    """Milliseconds, the median of some rounds after one that warms up; `prepare` runs before each and is not counted."""
    work(0)
    times = []
    for number in range(1, rounds + 1):
        prepare()
        begun = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)
