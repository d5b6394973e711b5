"""Tells people of incidents by outgoing webhooks. Knows threads and HTTP; what is told and in which shape is tasks/notices.py's.

Nothing of it is in a step's way: `tell` only wakes a thread. That one reads the journal, and what it has not told yet goes into the
outbox, on the disk; so kill -9 at any moment loses nothing, and at worst tells something twice (with the same id). Each target has a thread
of its own: one that stalls holds no other up. A target's URL is a secret: it is resolved for each attempt and never logged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from flows.ledger import NoRoom
from flows.outbox import NEWS_FOR, Outbox, Parcel
from tasks.case import incidents
from tasks.fold import fold
from tasks.journal import NAME, read
from tasks.model import ConfigError, HemostatError, Mode, inert
from tasks.notices import Message, accepted, message, notices
from tasks.secrets import Secret, resolve
from tasks.serving import Event, Notify, Serve

log = logging.getLogger("hemostat.notify")

CONNECT_WITHIN = 5.0
ANSWER_WITHIN = 10.0
ANSWER_BYTES = 1 << 16
# Seconds between two attempts, doubled each time.
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_OBEYED = 1.0, 300.0, 3600.0
GIVE_UP_AFTER = 86_400.0
# Seconds between two looks at all journals: incidents of the command line are told, too.
LOOK_EVERY = 10.0


@dataclass(slots=True)
class Notifier:
    """The notifications of one serve.

    Args:
        reports: where incidents stand.
        outbox: what is on its way.
        serve: whom to tell, in which language.
        url: how people reach the pages, without a slash at its end; empty when nobody can.
    """

    reports: Path
    outbox: Outbox
    serve: Serve
    url: str = ""
    secret: Callable[[str], Secret] = resolve
    first_pause: float = FIRST_PAUSE
    _seen: dict[Path, int] = field(default_factory=dict)
    _news: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _parcels: dict[str, threading.Event] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Go on with what is on its way, and tell what comes."""
        if not self.serve.notify:
            return
        # httpx writes each URL into its log, and these are secrets.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self.outbox.targets(self.serve.notify)
        self._parcels = {name: threading.Event() for name in self.serve.notify}
        works = [threading.Thread(target=self._look, name="notify", daemon=True)]
        works += [
            threading.Thread(target=self._send, args=(n,), name=f"notify-{n}", daemon=True) for n in self._parcels
        ]
        self._threads = works
        for thread in works:
            thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """End, at the latest after the attempt that is under way; what is not sent waits on the disk."""
        self._over.set()
        for event in (self._news, *self._parcels.values()):
            event.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def tell(self, _event: Event, _folder: Path) -> None:
        """Something has happened: look at the journals soon. Returns at once."""
        self._news.set()

    # --- journals → outbox -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        while not self._over.is_set():
            self._news.clear()
            for folder in incidents(self.reports):
                with suppress(FileNotFoundError):
                    self._changed(folder)
            with suppress(NoRoom):
                self.outbox.forget()
            self._news.wait(LOOK_EVERY)

    def _changed(self, folder: Path) -> None:
        """Consider a journal that has changed since the last look, and that is news at all."""
        stat = (folder / NAME).stat()
        if self._seen.get(folder) == stat.st_mtime_ns or stat.st_mtime < time.time() - NEWS_FOR.total_seconds():
            return
        try:
            self.consider(folder)
        except HemostatError as error:
            log.warning("%s: nobody could be told: %s", folder.name, inert(error, 300))
            if isinstance(error, NoRoom):
                return  # looked at again as soon as there is room
        self._seen[folder] = stat.st_mtime_ns

    def consider(self, folder: Path) -> None:
        """Put what this incident's journal has, and what was not told yet, on its way. A drill is nobody's business.

        Raises:
            HemostatError: the journal is damaged, or the disk is full.
        """
        records = list(read(folder / NAME))
        if not records or fold(records).incident.mode is Mode.DRILL:
            return
        found = notices(records)
        for name, notify in self.serve.notify.items():
            if self.outbox.put(name, [n for n in found if n.event in notify.events]):
                self._parcels[name].set()

    # --- outbox → the world ------------------------------------------------------------------------------------------

    def _send(self, name: str) -> None:
        woken = self._parcels[name]
        while not self._over.is_set():
            woken.clear()
            try:
                pause = self._next(name)
            except HemostatError as error:
                log.warning("%s: %s", name, inert(error, 300))
                pause = LONGEST_PAUSE
            woken.wait(pause)

    def _next(self, name: str) -> float | None:
        """Send one; seconds until there is another to send, None for until somebody says so."""
        parcel = self.outbox.due(name)
        if parcel is None:
            return self.outbox.wait(name)
        try:
            self._attempt(self.serve.notify[name], parcel)
        except Unsent as trouble:
            return self._put_off(name, parcel, trouble)
        self.outbox.ended(parcel)
        return 0.0

    def _put_off(self, name: str, parcel: Parcel, trouble: Unsent) -> float:
        """Try it again later; whoever does not answer at all is left alone meanwhile."""
        pause = max(trouble.after, min(self.first_pause * 2 ** min(parcel.tries, 20), LONGEST_PAUSE))
        if time.time() - parcel.made > GIVE_UP_AFTER:
            log.error("%s: %s is given up after a day: %s", name, parcel.notice.id, trouble)
            self.outbox.ended(parcel)
            return 0.0
        log.warning("%s: %s could not be told: %s; again in %.0f s", name, parcel.notice.id, trouble, pause)
        self.outbox.later(parcel, pause)
        if trouble.everything:
            self._over.wait(pause)
        return 0.0

    def _attempt(self, notify: Notify, parcel: Parcel) -> None:
        """Send it.

        Raises:
            Unsent: why not, without a word of the URL.
        """
        page = f"{self.url}/incidents/{parcel.notice.incident}" if self.url else ""
        try:
            secret = self.secret(notify.secret) if notify.secret else ""
            made = message(notify.shape, parcel.notice, self.serve.language, page, secret, time.time())
            status, body, after = post(self.secret(notify.url), made)
        except ConfigError as error:
            raise Unsent(inert(error, 200)) from None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Unsent(type(error).__name__) from None
        if status >= 300:
            raise Unsent(f"it answered {status}", after, everything=status in (408, 429) or status >= 500)
        if not accepted(notify.shape, body):
            raise Unsent(f"it answered {inert(body.decode('utf-8', 'replace'), 120)}", everything=False)


class Unsent(Exception):
    """A notice did not arrive. `after` seconds it may be tried again; `everything`: no other would arrive now either."""

    def __init__(self, why: str, after: float = 0.0, everything: bool = True) -> None:
        super().__init__(why)
        self.after, self.everything = after, everything


def post(url: str, made: Message) -> tuple[int, bytes, float]:
    """One attempt, within CONNECT_WITHIN and ANSWER_WITHIN whatever the other side does: status, body, Retry-After in seconds.

    Raises:
        httpx.HTTPError, httpx.InvalidURL, TimeoutError: it did not answer.
    """
    whole = url + (("&" if "?" in url else "?") + made.query if made.query else "")
    headers = {"Content-Type": "application/json", "User-Agent": "hemostat", **(made.headers or {})}
    deadline = time.monotonic() + ANSWER_WITHIN
    with (
        httpx.Client(timeout=httpx.Timeout(ANSWER_WITHIN, connect=CONNECT_WITHIN)) as http,
        http.stream("POST", whole, content=made.body, headers=headers) as answer,
    ):
        body = b""
        for piece in answer.iter_raw():
            body += piece
            if time.monotonic() > deadline or len(body) > ANSWER_BYTES:
                raise TimeoutError
    after = answer.headers.get("retry-after", "")
    return answer.status_code, body, min(float(after), LONGEST_OBEYED) if after.isascii() and after.isdigit() else 0.0
