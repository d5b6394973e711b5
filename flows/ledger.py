"""A file of rows that survives kill -9 and a power cut. Knows SQLite; must not know what the rows mean.

WAL with synchronous=FULL: a transaction that has returned is on the disk (sqlite.org/pragma.html, "synchronous"; sqlite.org/wal.html).
Several ledgers may stand in one file, each with tables and a connection of its own.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

from tasks.journal import sync_folder
from tasks.model import Bug, HemostatError

Other = TypeVar("Other", bound="Ledger")


class NoRoom(HemostatError):
    """The disk is full or broken; nothing of what was asked was taken."""


@dataclass(slots=True)
class Ledger:
    """One connection, safe to use from many threads.

    Raises:
        NoRoom: (every method that writes) the disk is full or broken; nothing was taken.
    """

    SCHEMA: ClassVar[str] = ""

    path: Path
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _db: sqlite3.Connection = field(init=False)
    _beside: list[Ledger] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.touch(mode=0o600)
        with self._told():
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(self.SCHEMA)
            sync_folder(self.path.parent)

    def close(self) -> None:
        """Let go of the file, with all ledgers beside this one."""
        for other in self._beside:
            other.close()
        with self._lock:
            self._db.close()

    def beside(self, kind: type[Other]) -> Other:
        """Another ledger in the same file, which is closed with this one."""
        made = kind(self.path)
        self._beside.append(made)
        return made

    def _read(self, words: str, *values: str | float) -> list[sqlite3.Row]:
        with self._lock, self._told():
            cursor = self._db.cursor()
            cursor.row_factory = sqlite3.Row
            return cursor.execute(words, values).fetchall()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing."""
        with self._lock, self._told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself rolls back when the disk is full
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise NoRoom(
                f"write to {self.path}", f"{error}; nothing was taken", "make room on this disk, then send it again"
            ) from None
        except sqlite3.DatabaseError as error:
            raise Bug(f"use {self.path}", str(error), "keep the file and report it") from error
