"""The runner inside `hemostat serve`: threads that work on incidents at once. Knows inbox, lanes and launches; must not know HTTP.

A new alert wakes an urgent lane, without any poll: confirm and block. All later steps have lanes and a process of their own
(flows/backroom.py), so that none of them is ever in the way of another incident's block. Prefect shows a few runs live and all others
afterwards, and holds none up.

What is to be done is never kept here: it follows from the inbox and the journals, which a new process reads at its start.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from flows import engine, orders, still
from flows.backroom import Backroom
from flows.events import Event, Teller
from flows.inbox import Entry, Inbox, Kind
from flows.lanes import Lane, Lanes, Work
from flows.launch import Launch, Pages, urgent
from tasks import site as sites
from tasks.case import Case, Request, incidents, load_state, opened, reopened
from tasks.journal import NAME, first_data
from tasks.model import ConfigError, HemostatError, Json, Mode, Outcome, Refused, Step, inert
from tasks.settings import Site

THREADS: Mapping[Lane, int] = {Lane.URGENT: 8, Lane.LATER: 8, Lane.SHOW: 1}
# Runs that Prefect shows while they go on: its SQLite answers 503 when more write at once (measured with 3.8.8).
LIVE = 1
RETRY_AT_MOST = 60.0
SHOW_AGAIN = 5.0


@dataclass(slots=True)
class Worker:
    """Works on the incidents of one site, for one process.

    Args:
        folder: the site's.
        reports: the incidents'.
        prefect: its server; None works without.
    """

    folder: Path
    reports: Path
    inbox: Inbox
    prefect: Pages | None = None
    lanes: Lanes = field(default_factory=Lanes)
    _backroom: Backroom = field(init=False)
    _launches: dict[str, Launch] = field(default_factory=dict)
    _troubles: dict[str, tuple[int, str]] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _listeners: list[Callable[[Event, Path], None]] = field(default_factory=list)
    _live: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(LIVE))
    _unreached: set[str] = field(default_factory=set)
    _repeated: set[str] = field(default_factory=set)
    _undone: still.Undone = field(init=False)
    _resting: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._undone = still.Undone(self.reports)
        self._backroom = Backroom(self.reports, lambda event, incident: self._tell(event, self.reports / incident))

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Go on with everything that is unfinished, and take what comes."""
        self._backroom.open()
        for name in dict.fromkeys((*self.inbox.unfinished(), *(o.incident for o in self.inbox.pending()))):
            self._put(name, rank=1 if self._is_open(name) else 0)
        for lane, count in THREADS.items():
            for number in range(count):
                name = f"{lane.name.lower()}-{number}"
                self._threads.append(threading.Thread(target=self._work, args=(lane,), name=name, daemon=True))
        self._threads.append(threading.Thread(target=self._look_for_cut_off, name="cut-off", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Begin no more steps, and wait so long for those under way; what is cut off then goes on at the next start.

        Returns:
            Did all of them end?
        """
        self._resting.set()
        self.lanes.close()
        for launch in tuple(self._launches.values()):
            launch.rest.set()
        self._backroom.rest()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._backroom.close()
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def alive(self) -> bool:
        """Does every lane still stand?"""
        return all(thread.is_alive() or thread.name == "cut-off" for thread in self._threads)

    # --- what the doors say ------------------------------------------------------------------------------------------

    def alerted(self, incident: str, host: str) -> None:
        """A new incident is in the inbox."""
        self._put(incident, host)

    def alerted_again(self, incident: str) -> None:
        """One more alert has been counted there. It matters where the block has not reached its device, or somebody took it all away."""
        if incident in self._unreached:
            self._repeated.add(incident)
        if incident in self._unreached or not self._is_open(incident):
            self._put(incident)
            return
        with suppress(HemostatError, OSError):  # a journal that cannot be read now is told of by who works on it
            if (wait := self._undone.wait(incident)) is not None:
                self._put(incident, rank=1, after=wait)

    def ordered(self, incident: str, kind: Kind) -> None:
        """An order is in the inbox. One that changes the run's course ends the step that is under way."""
        launch = self._launches.get(incident)
        if launch and kind in orders.INTERRUPTING:
            launch.stop.set()
            self._backroom.stop(incident)
        self._put(incident)

    def doing(self, incident: str) -> str:
        """`in work`, `waits`, or nothing: is the machine at this incident now?"""
        return self.lanes.doing(incident)

    def trouble(self, incident: str) -> str:
        """What keeps the machine from working on it, in words; it is tried again by itself."""
        return self._troubles.get(incident, (0, ""))[1]

    def subscribe(self, tell: Callable[[Event, Path], None]) -> None:
        """Tell of events: opened, approval, contained, closed, failed, with the incident's folder. `tell` must return at once."""
        self._listeners.append(tell)

    def figures(self) -> dict[str, Json]:
        """For /healthz: counts alone."""
        shown = "off" if self.prefect is None else "up" if self.prefect.ready() else "down"
        return {"worker": {**self.lanes.figures(), "in trouble": len(self._troubles)}, "prefect": shown}

    # --- the lanes ---------------------------------------------------------------------------------------------------

    def _put(self, incident: str, host: str = "", rank: int = 0, lane: Lane = Lane.URGENT, after: float = 0.0) -> None:
        due = time.monotonic() + after if after else 0.0
        devices = self._devices(incident, host) if lane is Lane.URGENT else ()
        self.lanes.put(Work(incident, lane, devices, rank, due, host))

    def _devices(self, incident: str, host: str) -> tuple[str, ...]:
        # A journal that cannot be read now names no host: without its devices, the incident only loses its place in their queues.
        with suppress(HemostatError, OSError, KeyError, TypeError):
            entry = None if host else self.inbox.entry(incident)
            host = host or (entry.item.host if entry else str(first_data(self._journal(incident))["incident"]["host"]))
            return tuple(sites.current(self.folder).host(host).firewalls)
        return ()

    def _work(self, lane: Lane) -> None:
        turns = {Lane.URGENT: self._urgent, Lane.LATER: self._later, Lane.SHOW: self._show}
        while work := self.lanes.take(lane):
            try:
                turns[lane](work.incident)
                self._troubles.pop(work.incident, None)
            except Exception as error:  # noqa: BLE001 - the lane's boundary: it works on, and this incident is tried again
                self._again(work, error)
            finally:
                self.lanes.release(work)

    def _again(self, work: Work, error: Exception) -> None:
        """Try again, ever more slowly. Another process may hold the incident, a file be broken, the disk be full."""
        count = self._troubles.get(work.incident, (0, ""))[0] + 1
        self._troubles[work.incident] = (count, inert(f"{type(error).__name__}: {error}", 500))
        pause = min(0.25 * 2 ** min(count, 10), 2.0 if isinstance(error, Refused) else RETRY_AT_MOST)
        lane = Lane.SHOW if work.lane is Lane.SHOW else Lane.URGENT
        self._put(work.incident, rank=1, lane=lane, after=pause)

    def _urgent(self, name: str) -> None:
        """Follow orders, then confirm and block."""
        launch = self._launches[name] = self._launch(name)
        with self._held(name) as case:
            if name in self._repeated:
                self._repeated.discard(name)
                orders.came_again(case)
            orders.follow(case, self.inbox)
            going = orders.goes_on(case.state)
            if going:
                self.inbox.close_incident(name, closed=False)
                urgent(case, launch)
            going = going and launch.following(case) is not None
        if going:
            self._put(name, case.incident.host, lane=Lane.LATER)
        else:
            self._settle(name, shown=False)

    def _later(self, name: str) -> None:
        """All other steps; through Prefect when it has a place for one more."""
        live = self._live.acquire(blocking=False)
        try:
            shown = live and self.prefect is not None and self.prefect.ready()
            self._backroom.go(name, shown, self._launches.get(name, Launch()).stop)
        finally:
            if live:
                self._live.release()
        self._settle(name, shown)

    def _show(self, name: str) -> None:
        """Tell Prefect of a run that it could not show while it went on. No step runs here."""
        if self.prefect is None or not self.prefect.ready():
            return self._put(name, lane=Lane.SHOW, after=SHOW_AGAIN)
        return self._backroom.show(name)

    def _settle(self, name: str, shown: bool) -> None:
        """The launch has come to its end: is the incident closed, or does it wait for a person?"""
        self._launches.pop(name, None)
        if self._resting.is_set():
            return
        state = load_state(self.reports / name)
        unreached = state.last is Step.BLOCK and state.outcome is Outcome.UNREACHABLE
        (self._unreached.add if unreached else self._unreached.discard)(name)
        if all(state.done(step) for step in engine.STEPS):
            self.inbox.close_incident(name)
        if self.prefect is not None and not shown and state.ends:
            self._put(name, lane=Lane.SHOW)

    # --- one incident ------------------------------------------------------------------------------------------------

    def _launch(self, name: str) -> Launch:
        """A new go at this incident, from its urgent lane to the later one."""
        launch = Launch(watcher=Teller(self.reports / name, (self._tell,)))
        if self._resting.is_set():
            launch.rest.set()
        return launch

    def _tell(self, event: Event, folder: Path) -> None:
        """No step fails with a listener. (rich ends the very thread when nobody reads any more what it prints.)"""
        for tell in self._listeners:
            with suppress(Exception, SystemExit):
                tell(event, folder)

    def _journal(self, name: str) -> Path:
        return self.reports / name / NAME

    def _is_open(self, name: str) -> bool:
        return bool(first_data(self._journal(name)))

    @contextmanager
    def _held(self, name: str) -> Iterator[Case]:
        """The incident, opened if nobody has come to that yet; with what the inbox knows of it in its journal."""
        entry = self.inbox.entry(name)
        if self._is_open(name):
            with reopened(self.reports / name) as case:
                yield still.tell(case, entry)
        elif entry is None:
            raise ConfigError(f"open the incident {name}", "it is neither in the inbox nor in the reports", "see both")
        else:
            with opened(self.reports, site := sites.current(self.folder), request(site, entry)) as case:
                self._tell("opened", case.folder)
                yield still.tell(case, entry)

    def _look_for_cut_off(self) -> None:
        """Incidents that came by the command line and whose runner died in the middle of a step go on, too."""
        known = set(self.inbox.entries())
        for folder in incidents(self.reports):
            if folder.name in known or self._resting.is_set():
                continue
            with suppress(Exception):  # a damaged incident is `hemostat history`'s to show
                state = load_state(folder)
                if state.running and state.incident.mode is Mode.LIVE:
                    self._put(folder.name, rank=1)


def request(site: Site, entry: Entry) -> Request:
    """The incident that an entry of the inbox asks for.

    Raises:
        ConfigError: its host or playbook is no longer in the owner's files.
    """
    item = entry.item
    return Request(
        host=site.host(item.host),
        remote=item.alert.remote,
        playbook=site.playbook(item.playbook),
        operator=item.sender,
        reason=f"alert: {item.alert.signature}",
        alert=item.alert,
        id=entry.id,
        most=item.most,
    )
