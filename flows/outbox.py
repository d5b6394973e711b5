"""Notices on their way: what is still to be told to whom, on the disk until it was. Knows rows; must not know HTTP or a journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from flows.ledger import Ledger
from tasks.notices import Notice
from tasks.state import typed

# Older news is no news; what was told is remembered for longer than that, so that nothing is told twice.
NEWS_FOR = timedelta(days=2)
FORGET_AFTER = timedelta(days=30)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS target (name TEXT PRIMARY KEY, since REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS notice (
  number INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, id TEXT NOT NULL, notice TEXT NOT NULL, made REAL NOT NULL,
  due REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, ended REAL, UNIQUE (target, id)
) STRICT;
CREATE INDEX IF NOT EXISTS notice_due ON notice (target, due) WHERE ended IS NULL;
"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One notice for one target. `tries` have failed; it was made at `made` (Unix time)."""

    number: int
    notice: Notice
    made: float
    tries: int


@dataclass(slots=True)
class Outbox(Ledger):
    """The notices of one site."""

    SCHEMA: ClassVar[str] = _SCHEMA

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def targets(self, names: Collection[str]) -> None:
        """These are the targets now. A new one is told what happens from now on, not the past; one that is gone is told no more."""
        now = self.clock().timestamp()
        with self._change() as db:
            for name in names:
                db.execute("INSERT OR IGNORE INTO target VALUES (?, ?)", (name, now))
            for (name,) in db.execute("SELECT name FROM target").fetchall():
                if name not in names:
                    db.execute("DELETE FROM target WHERE name = ?", (name,))
                    db.execute("DELETE FROM notice WHERE target = ?", (name,))

    def put(self, target: str, notices: Iterable[Notice]) -> int:
        """Take what this target has not been told yet; how many that were."""
        now = self.clock()
        (row,) = self._read("SELECT since FROM target WHERE name = ?", target)
        since = max(row["since"], (now - NEWS_FOR).timestamp())
        news = [n for n in notices if datetime.fromisoformat(n.at).timestamp() >= since]
        rows = [(target, n.id, json.dumps(asdict(n)), now.timestamp(), now.timestamp()) for n in news]
        words = "INSERT OR IGNORE INTO notice (target, id, notice, made, due) VALUES (?, ?, ?, ?, ?)"
        if not rows:
            return 0
        with self._change() as db:
            return sum(db.execute(words, row).rowcount for row in rows)

    def due(self, target: str) -> Parcel | None:
        """The next one to send now."""
        words = "SELECT * FROM notice WHERE target = ? AND ended IS NULL AND due <= ? ORDER BY number LIMIT 1"
        rows = self._read(words, target, self.clock().timestamp())
        return next(
            (Parcel(r["number"], typed(Notice, json.loads(r["notice"])), r["made"], r["tries"]) for r in rows), None
        )

    def wait(self, target: str) -> float | None:
        """Seconds until the next one is due; None when there is none."""
        words = "SELECT min(due) AS due FROM notice WHERE target = ? AND ended IS NULL"
        due = self._read(words, target)[0]["due"]
        return None if due is None else max(0.0, due - self.clock().timestamp())

    def ended(self, parcel: Parcel) -> None:
        """It was sent, or it is given up."""
        with self._change() as db:
            db.execute("UPDATE notice SET ended = ? WHERE number = ?", (self.clock().timestamp(), parcel.number))

    def later(self, parcel: Parcel, seconds: float) -> None:
        """It could not be sent: try again after so long."""
        due = self.clock().timestamp() + seconds
        with self._change() as db:
            db.execute("UPDATE notice SET due = ?, tries = tries + 1 WHERE number = ?", (due, parcel.number))

    def waiting(self) -> int:
        """How many are still to be sent."""
        return int(self._read("SELECT count(*) AS n FROM notice WHERE ended IS NULL")[0]["n"])

    def forget(self) -> None:
        """Drop what was told long ago."""
        with self._change() as db:
            db.execute("DELETE FROM notice WHERE ended < ?", ((self.clock() - FORGET_AFTER).timestamp(),))
