"""Who sends: bearer tokens, signatures with a time, tokens in the URL, and how often. Knows credentials; must not know alerts.

A signature is HMAC-SHA256 (RFC 2104) over the timestamp, a dot and the body, with the sender's secret: it cannot be made for another
body, nor be sent again later or twice.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from flows.ledger import Ledger
from tasks.secrets import Secret
from tasks.serving import Sender

WINDOW = 300.0
Named = tuple[str, Sender]


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What came with a request; nothing of it may be logged, so that it shows nothing of itself."""

    bearer: str = ""
    url: str = ""
    signature: str = ""
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class Senders:
    """The senders of one serve. `secret` resolves a reference at the moment of use."""

    known: Mapping[str, Sender]
    secret: Callable[[str], Secret]

    def by_token(self, source: str, shown: Credentials) -> Named | None:
        """Who has this bearer or URL token. Every token of the source is compared, so that time tells nothing."""
        found = None
        for name, sender in self._of(source):
            bearer, url = self._same(sender.token, shown.bearer), self._same(sender.url_token, shown.url)
            found = (name, sender) if bearer or url else found
        return found

    def by_signature(self, source: str, shown: Credentials, body: bytes) -> Named | None:
        """Who signed this body at that time."""
        found = None
        for name, sender in self._of(source):
            if sender.hmac and hmac.compare_digest(
                sign(self.secret(sender.hmac), shown.timestamp, body), _ascii(shown.signature)
            ):
                found = name, sender
        return found

    def may_sign(self, source: str) -> bool:
        """Is there a sender of the source with a secret to sign with?"""
        return any(sender.hmac for _, sender in self._of(source))

    def _of(self, source: str) -> list[Named]:
        return [(name, sender) for name, sender in self.known.items() if sender.source == source]

    def _same(self, reference: str, shown: str) -> bool:
        return bool(reference and shown) and hmac.compare_digest(self.secret(reference).encode(), shown.encode())


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """What X-Hemostat-Signature says for that body at that time (Unix seconds, as X-Hemostat-Timestamp says it)."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _ascii(text: str) -> str:
    return text if text.isascii() else ""


def fresh(timestamp: str, now: float) -> bool:
    """Is it a Unix time at most WINDOW seconds from now?"""
    return timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11 and abs(int(timestamp) - now) <= WINDOW


class Replays(Ledger):
    """The signatures that were taken, for as long as their timestamps count: also a restart lets none in again."""

    SCHEMA: ClassVar[str] = (
        "CREATE TABLE IF NOT EXISTS signature (mac TEXT PRIMARY KEY, until REAL NOT NULL) STRICT, WITHOUT ROWID;"
    )

    def seen(self, signature: str) -> bool:
        """Was a request with this signature taken?"""
        return bool(self._read("SELECT 1 FROM signature WHERE mac = ?", signature))

    def keep(self, signature: str, now: float) -> None:
        """It is taken now. Called once its alerts are on the disk: a sender whose answer was lost may send it again."""
        with self._change() as db:
            db.execute("DELETE FROM signature WHERE until < ?", (now,))
            db.execute("INSERT OR IGNORE INTO signature VALUES (?, ?)", (signature, now + 2 * WINDOW))


@dataclass(slots=True)
class Rates:
    """How often each sender may come: a bucket that holds a minute's requests and fills evenly."""

    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait(self, name: str, per_minute: int) -> int:
        """Seconds until the sender may come again; 0: it may now, and this counts."""
        with self._lock:
            now = self.clock()
            left, at = self._left.get(name, (float(per_minute), now))
            left = min(float(per_minute), left + (now - at) * per_minute / 60)
            self._left[name] = (left - 1 if left >= 1 else left), now
            return 0 if left >= 1 else math.ceil((1 - left) * 60 / per_minute)
