"""Incidents as the pages read them: each journal is read once, until it changes. Knows files; no HTML, and holds no incident."""

from __future__ import annotations

import os
import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from flows.web import views
from flows.web.views import Row
from tasks.case import load_state
from tasks.journal import NAME, BrokenChain
from tasks.model import HemostatError
from tasks.state import State

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
STATES = 16

Stamp = tuple[int, int]


class Shelf:
    """The folder of the incidents. Rows of all of them are kept, whole states of the last few.

    Args:
        reports: the folder; may be missing yet.
    """

    def __init__(self, reports: Path) -> None:
        self._reports = reports
        self._rows: dict[str, tuple[Stamp, Row]] = {}
        self._states: OrderedDict[str, tuple[Stamp, State]] = OrderedDict()
        self._lock = Lock()

    def ids(self) -> list[str]:
        """Every incident, newest first."""
        return [name for name, _ in self._stamps()]

    def folder(self, name: str) -> Path | None:
        """The incident's folder; None when there is none of that name. No name leads out of the reports."""
        found = self._reports / name if _ID.fullmatch(name) else None
        return found if found and (found / NAME).is_file() else None

    def stamp(self, name: str) -> str:
        """Something that is another as soon as the journal has grown."""
        return "-".join(map(str, _stamp(self._reports / name)))

    def stamps(self) -> str:
        """The same for the whole list."""
        return f"{hash(tuple(self._stamps())):x}"

    def state(self, name: str) -> State:
        """The incident's state. Nobody may change it: others read the same.

        Raises:
            BrokenChain: a line of the journal is not what was written.
        """
        stamp = _stamp(self._reports / name)
        with self._lock:
            kept = self._states.get(name)
        if kept and kept[0] == stamp:
            return kept[1]
        state = load_state(self._reports / name)
        with self._lock:
            self._states[name] = stamp, state
            self._states.move_to_end(name)
            while len(self._states) > STATES:
                self._states.popitem(last=False)
        return state

    def begun(self, name: str) -> bool:
        """Its first record is there; for a moment before that a journal stands empty."""
        return bool(_ID.fullmatch(name)) and _stamp(self._reports / name)[0] > 0

    def rows(self, names: Iterable[str]) -> Iterator[Row]:
        """Those incidents' rows, each read when it is asked for."""
        return (self._row(name, _stamp(self._reports / name)) for name in names)

    def read_all(self, pause: float = 0.05) -> None:
        """Read every incident once, so that lists are quick later. Slowly: whoever works on a block shares this process with it."""
        for _ in self.rows(self.ids()):
            time.sleep(pause)

    def _row(self, name: str, stamp: Stamp) -> Row:
        kept = self._rows.get(name)
        if kept and kept[0] == stamp:
            return kept[1]
        made = _read(self._reports / name)
        self._rows[name] = stamp, made
        return made

    def _stamps(self) -> list[tuple[str, Stamp]]:
        try:
            entries = [e.name for e in os.scandir(self._reports) if e.is_dir() and _ID.fullmatch(e.name)]
        except FileNotFoundError:
            return []
        found = ((name, _stamp(self._reports / name)) for name in sorted(entries, reverse=True))
        return [(name, stamp) for name, stamp in found if stamp != (0, 0)]


def _stamp(folder: Path) -> Stamp:
    """Size and time of the journal; (0, 0) without one. A journal only ever grows."""
    try:
        seen = (folder / NAME).stat()
    except OSError:
        return 0, 0
    return seen.st_size, seen.st_mtime_ns


def _read(folder: Path) -> Row:
    try:
        return views.row(load_state(folder), folder.name)
    except (HemostatError, BrokenChain, OSError) as error:
        return views.damaged(folder.name, _made(folder), str(error))
    except Exception as error:  # noqa: BLE001 - one damaged folder must not hide all other incidents
        return views.damaged(folder.name, _made(folder), f"no readable journal: {type(error).__name__}")


def _made(folder: Path) -> datetime:
    try:
        return datetime.fromtimestamp((folder / NAME).stat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(0, UTC)
