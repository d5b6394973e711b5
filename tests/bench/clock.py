"""Medians. Knows a clock; must not know what it measures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def nothing() -> None:
    """Prepare nothing."""


class Figure(float):
    """A median in milliseconds, with the least and the most of its rounds."""

    spread: str

    @classmethod
    def of(cls, times: list[float]) -> Figure:
        """From the single rounds."""
        made = cls(statistics.median(times))
        made.spread = f"{min(times):.0f}-{max(times):.0f}" if len(times) > 1 else "once"
        return made


def median(
    work: Callable[[int], None], rounds: int, prepare: Callable[[], None] = nothing, warm_up: bool = True
) -> Figure:
    """The median of some rounds after one that warms up; `prepare` runs before each and is not counted."""
    if warm_up:
        work(0)
    times = []
    for number in range(1, rounds + 1):
        prepare()
        begun = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - begun) * 1000)
    return Figure.of(times)
