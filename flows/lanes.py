"""Which incident a free lane takes next: urgent before all, a device's queue short, one lane an incident. Knows names and a clock.

An urgent incident is taken only while fewer than AHEAD others work on its devices: so a device that does not answer holds AHEAD lanes
and no more, and the lanes never queue up behind one lock. The device's own lock (tasks.transports.locks) stays what keeps them apart.
While any wait, hosts take turns: a thousand incidents of one host do not stand before the first one of another.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

# One talks to the device while the next one looks at its host.
AHEAD = 2


class Lane(IntEnum):
    """Where an incident waits; a lower one is never replaced by a higher one."""

    URGENT = 0
    LATER = 1
    SHOW = 2


@dataclass(frozen=True, slots=True)
class Work:
    """One incident that wants a lane. `rank` 0 goes before 1; `due` is monotonic seconds; `host` is whose it is, empty if unknown."""

    incident: str
    lane: Lane
    devices: tuple[str, ...] = ()
    rank: int = 0
    due: float = 0.0
    host: str = ""


class Lanes:
    """The waiting incidents and those in work; safe to use from many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, Work] = {}
        self._busy: dict[str, Work] = {}
        self._devices: Counter[str] = Counter()
        self._turns: dict[Lane, Counter[str]] = {lane: Counter() for lane in Lane}
        self._closed = False

    def put(self, work: Work) -> None:
        """Let an incident wait. What waits already stays, unless this is nearer; an incident in work waits until it is released."""
        with self._changed:
            old = self._waiting.get(work.incident)
            if old is None or (work.lane, work.due) < (old.lane, old.due):
                self._waiting[work.incident] = work
                self._changed.notify_all()

    def take(self, lane: Lane) -> Work | None:
        """Wait for the next incident of that lane, and mark it as in work; None when the lanes are closed."""
        with self._changed:
            while not self._closed:
                work = self._next(lane)
                if work:
                    self._begin(work)
                    return work
                self._changed.wait(self._until_due(lane))
        return None

    def release(self, work: Work) -> None:
        """Its turn is over."""
        with self._changed:
            del self._busy[work.incident]
            self._devices.subtract(work.devices)
            self._changed.notify_all()

    def close(self) -> None:
        """Give no more work out; whoever waits for some gets None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def figures(self) -> dict[str, int]:
        """How many wait, lane by lane, and how many are in work."""
        with self._changed:
            waiting = Counter(work.lane for work in self._waiting.values())
            return {**{lane.name.lower(): waiting[lane] for lane in Lane}, "in work": len(self._busy)}

    def doing(self, incident: str) -> str:
        """`in work`, `waits`, or nothing: is the machine at it now?"""
        with self._changed:
            return "in work" if incident in self._busy else "waits" if incident in self._waiting else ""

    def _begin(self, work: Work) -> None:
        del self._waiting[work.incident]
        turns, now = self._turns[work.lane], time.monotonic()
        turns[work.host] += 1
        if not any(w.lane is work.lane and w.due <= now for w in self._waiting.values()):
            turns.clear()
        self._busy[work.incident] = work
        self._devices.update(work.devices)

    def _next(self, lane: Lane) -> Work | None:
        now = time.monotonic()
        fits = [w for w in self._waiting.values() if w.lane is lane and w.due <= now and self._free(w)]
        return min(fits, key=lambda w: (w.rank, self._turns[lane][w.host]), default=None)

    def _free(self, work: Work) -> bool:
        return work.incident not in self._busy and all(self._devices[name] < AHEAD for name in work.devices)

    def _until_due(self, lane: Lane) -> float | None:
        now = time.monotonic()
        later = [w.due - now for w in self._waiting.values() if w.lane is lane and w.due > now]
        return max(min(later), 0.001) if later else None
