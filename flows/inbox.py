"""The inbox: alerts and people's orders, on the disk before anybody is told so. Knows SQLite; must not know a step, a thread or HTTP.

One file, SITE/.hemostat/inbox.db. The journal is the truth of what was done, the inbox of what was asked.

Two alerts are the same event when source, event id, host and remote are the same: the second one changes nothing but the last time.
Else alerts of one host, remote and signature fold into one incident, while that is open and for `duplicate_hours` after it closed; but
not if another playbook answers, their sender may do more or less, or the block's time is over. Any other alert opens an incident, linked
to the last of its host.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic_core import to_jsonable_python

from flows.inbox_nouns import KINDS, Entry, Item, Kind, Order, Ticket
from flows.ledger import Ledger, NoRoom
from tasks.case import new_id
from tasks.journal import digest
from tasks.model import Json
from tasks.state import typed

__all__ = ["KINDS", "Entry", "Inbox", "Item", "Kind", "NoRoom", "Order", "Ticket"]

# Events that were answered are forgotten so long after their incident closed and stopped to take duplicates.
FORGET_AFTER = timedelta(days=30)
# So many events of one incident are told apart; a sensor that sends more is counted, and fills no disk.
TOLD_APART = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS incident (
  id TEXT PRIMARY KEY, host TEXT NOT NULL, fold TEXT NOT NULL, item TEXT NOT NULL, linked TEXT NOT NULL,
  count INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL, closed REAL
) STRICT;
CREATE INDEX IF NOT EXISTS incident_fold ON incident (fold, first);
CREATE INDEX IF NOT EXISTS incident_host ON incident (host, first);
CREATE TABLE IF NOT EXISTS event (
  key TEXT NOT NULL, incident TEXT NOT NULL REFERENCES incident (id), PRIMARY KEY (key, incident)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_incident ON event (incident);
CREATE TABLE IF NOT EXISTS ask (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, incident TEXT NOT NULL, kind TEXT NOT NULL, arguments TEXT NOT NULL,
  who TEXT NOT NULL, at REAL NOT NULL, done REAL, answer TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS ask_open ON ask (incident) WHERE done IS NULL;
"""


@dataclass(slots=True)
class Inbox(Ledger):
    """The inbox of one site. `duplicate_hours` as in inventory/serve.yaml."""

    SCHEMA: ClassVar[str] = _SCHEMA

    duplicate_hours: float = 24
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    # --- alerts ------------------------------------------------------------------------------------------------------

    def accept(self, items: Sequence[Item]) -> list[Ticket]:
        """Take alerts, all of them or none; they are on the disk when this returns.

        Returns:
            One ticket for each, in their order; the incident's id is chosen here.
        """
        now = self.clock()
        with self._change() as db:
            return [self._take(db, item, now + timedelta(milliseconds=number)) for number, item in enumerate(items)]

    def _take(self, db: sqlite3.Connection, item: Item, now: datetime) -> Ticket:
        since = (now - timedelta(hours=self.duplicate_hours)).timestamp()
        known = "SELECT id FROM incident WHERE {} AND coalesce(closed, 9e15) > ? ORDER BY first DESC LIMIT 1"
        found = (
            db.execute(known.format("fold = ?"), (item.fold, since)).fetchone()
            or db.execute(
                known.format("id IN (SELECT incident FROM event WHERE key = ?)"), (item.event, since)
            ).fetchone()
        )
        before = db.execute(known.format("host = ?"), (item.host, since)).fetchone()
        name = found[0] if found else self._open(db, item, before[0] if before else "", now)
        new = self._event(db, item.event, name)
        (count,) = db.execute(
            "UPDATE incident SET count = count + ?, last = ? WHERE id = ? RETURNING count", (new, now.timestamp(), name)
        ).fetchone()
        return Ticket(name, f"/incidents/{name}", bool(found), count)

    def _event(self, db: sqlite3.Connection, key: str, incident: str) -> int:
        """Keep this event, unless the incident has it, or has enough of them; 1 for one that counts."""
        (count,) = db.execute("SELECT count FROM incident WHERE id = ?", (incident,)).fetchone()
        if count < TOLD_APART:
            return db.execute("INSERT OR IGNORE INTO event VALUES (?, ?)", (key, incident)).rowcount
        known = "SELECT 1 FROM event WHERE key = ? AND incident = ?"
        return int(db.execute(known, (key, incident)).fetchone() is None)

    def _open(self, db: sqlite3.Connection, item: Item, linked: str, now: datetime) -> str:
        while db.execute("SELECT 1 FROM incident WHERE id = ?", (name := new_id(now),)).fetchone():
            now += timedelta(milliseconds=1)
        at = now.timestamp()
        row = (name, item.host, item.fold, _text(item), linked, 0, at, at, None)
        db.execute("INSERT INTO incident VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return name

    def entry(self, incident: str) -> Entry | None:
        """What is known of one incident; None when it came by another door."""
        rows = self._read("SELECT * FROM incident WHERE id = ?", incident)
        return _entry(rows[0]) if rows else None

    def entries(self) -> dict[str, Entry]:
        """Every incident of the inbox by its id: for lists."""
        return {row["id"]: _entry(row) for row in self._read("SELECT * FROM incident ORDER BY first")}

    def unfinished(self) -> list[str]:
        """The incidents that are not closed, oldest first."""
        return [row["id"] for row in self._read("SELECT id FROM incident WHERE closed IS NULL ORDER BY first")]

    def close_incident(self, incident: str, closed: bool = True) -> None:
        """All its steps are over; or, with False, it was taken up again."""
        at = self.clock().timestamp() if closed else None
        with self._change() as db:
            db.execute("UPDATE incident SET closed = ? WHERE id = ? AND (closed IS NULL) = ?", (at, incident, closed))

    def part(self, incident: str) -> None:
        """Its block comes to its end: from now on an alert like its own is news, and opens an incident that blocks anew."""
        with self._change() as db:
            db.execute("UPDATE incident SET fold = '' WHERE id = ?", (incident,))
            db.execute("DELETE FROM event WHERE incident = ?", (incident,))

    # --- orders ------------------------------------------------------------------------------------------------------

    def order(self, incident: str, kind: Kind, arguments: Mapping[str, Json], who: str, key: str = "") -> str:
        """Take what a person asks; it is on the disk when this returns, and is done once.

        Args:
            arguments: as flows/orders.py reads them.
            key: a page's own mark: a second order with the same one is the first.
        """
        name = digest([incident, kind, who, key])[:32] if key else secrets.token_hex(16)
        row = (name, incident, kind, _text(arguments), who, self.clock().timestamp())
        with self._change() as db:
            db.execute(
                "INSERT INTO ask (id, incident, kind, arguments, who, at) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING",
                row,
            )
        return name

    def pending(self, incident: str = "") -> list[Order]:
        """Orders that are not done, oldest first; of one incident or of all."""
        words = "SELECT * FROM ask WHERE done IS NULL AND (incident = ?1 OR ?1 = '') ORDER BY number"
        return [_order(row) for row in self._read(words, incident)]

    def orders(self, incident: str) -> list[Order]:
        """All orders for one incident, oldest first."""
        return [_order(row) for row in self._read("SELECT * FROM ask WHERE incident = ? ORDER BY number", incident)]

    def done(self, order: str, answer: str) -> None:
        """An order has been followed, or could not be: `answer` says which, in words."""
        with self._change() as db:
            words = "UPDATE ask SET done = ?, answer = ? WHERE id = ? AND done IS NULL"
            db.execute(words, (self.clock().timestamp(), _clean(answer), order))

    # --- the house ---------------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, int]:
        """For /healthz: alerts taken, incidents, those not closed, orders not done."""
        asked = {
            "alerts": "SELECT coalesce(sum(count), 0) AS n FROM incident",
            "incidents": "SELECT count(*) AS n FROM incident",
            "open": "SELECT count(*) AS n FROM incident WHERE closed IS NULL",
            "orders": "SELECT count(*) AS n FROM ask WHERE done IS NULL",
        }
        return {name: self._read(words)[0]["n"] for name, words in asked.items()}

    def forget(self) -> None:
        """Drop the events of long closed incidents; the incidents themselves stay."""
        before = (self.clock() - timedelta(hours=self.duplicate_hours) - FORGET_AFTER).timestamp()
        with self._change() as db:
            db.execute("DELETE FROM event WHERE incident IN (SELECT id FROM incident WHERE closed < ?)", (before,))


def _text(value: Any) -> str:
    """JSON in ASCII: also text that is no valid Unicode comes back as it was."""
    return json.dumps(to_jsonable_python(value), ensure_ascii=True)


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _entry(row: sqlite3.Row) -> Entry:
    closed = None if row["closed"] is None else _time(row["closed"])
    item = typed(Item, json.loads(row["item"]))
    return Entry(row["id"], item, row["linked"], row["count"], _time(row["first"]), _time(row["last"]), closed)


def _order(row: sqlite3.Row) -> Order:
    done = None if row["done"] is None else _time(row["done"])
    arguments = json.loads(row["arguments"])
    return Order(row["id"], row["incident"], row["kind"], arguments, row["who"], _time(row["at"]), done, row["answer"])
