"""How long tests wait for an event: limits are an idle machine's, a loaded one gets BUSY times as long; a wait ends with its event."""

from __future__ import annotations

import time
from collections.abc import Callable

BUSY = 6.0


def until(true: Callable[[], object], seconds: float, pause: float = 0.02) -> bool:
    """Wait until something is true; whether it became so within `seconds` of an idle machine."""
    deadline = time.monotonic() + BUSY * seconds
    while not true():
        if time.monotonic() > deadline:
            return bool(true())
        time.sleep(pause)
    return True


def silent(count: Callable[[], int], span: float, seconds: float = 10.0) -> bool:
    """Wait for `span` seconds in which a count stands still: what was on its way when its source was cut off may still be counted."""

    def still() -> bool:
        before = count()
        time.sleep(span)
        return count() == before

    return until(still, seconds)
