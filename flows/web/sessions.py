"""Signed sessions and form tokens: who logged in, until when, ended by whom. Knows one key and one small file; no person and no HTTP."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from tasks.model import ConfigError

HOURS = 12.0

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Session:
    """Whose it is, its id, and when it is over (seconds since 1970)."""

    name: str
    id: str
    until: float


def load_key(home: Path) -> bytes:
    """The key that everything is signed with: made once, readable by the owner alone, kept over restarts.

    Raises:
        ConfigError: the file is cut short.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / "pages.key"
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
    key = path.read_bytes()
    if len(key) < 32:
        raise ConfigError(f"read {path}", "it is cut short", "delete it; everybody logs in again")
    return key


class Sessions:
    """Signed sessions, bound to the person's token, so that a changed token ends them. Logged-out ids are kept on the disk.

    Args:
        home: a folder of the owner's alone.
        clock: seconds since 1970.
    """

    def __init__(self, home: Path, clock: Clock = time.time) -> None:
        self._key, self._clock = load_key(home), clock
        self._file = home / "pages.ended"
        self._lock = Lock()
        self._ended = self._read_ended()

    def begin(self, name: str, proof: bytes) -> str:
        """A cookie's value for that person. `proof` is the digest of the token that they showed."""
        session = Session(name, secrets.token_hex(16), self._clock() + HOURS * 3600)
        body = _b64(json.dumps(asdict(session)).encode())
        return f"{body}.{self.sign('session', body, proof.hex())}"

    def read(self, cookie: str, proof_of: Callable[[str], bytes | None]) -> Session | None:
        """The session; None when it is not ours, over, logged out, or of a token that has changed."""
        body, _, signature = cookie.partition(".")
        session = _unpacked(body)
        proof = proof_of(session.name) if session else None
        if session is None or proof is None:
            return None
        signed = hmac.compare_digest(signature.encode(), self.sign("session", body, proof.hex()).encode())
        return session if signed and session.until > self._clock() and session.id not in self._ended else None

    def end(self, session: Session) -> None:
        """Log out: the cookie's value is worth nothing from now on, also after a restart (unless the disk is full)."""
        with self._lock:
            self._ended[session.id] = session.until
            with contextlib.suppress(OSError), self._file.open("a") as file:
                file.write(f"{session.id} {session.until}\n")
                file.flush()
                os.fsync(file.fileno())

    def sign(self, *parts: str) -> str:
        """The parts' signature by our key. No part's end can be taken for another's beginning."""
        return _b64(hmac.digest(self._key, json.dumps(parts).encode(), "sha256"))

    def signed(self, signature: str, *parts: str) -> bool:
        """Is that the parts' signature? Takes as long for a wrong one."""
        return hmac.compare_digest(signature.encode(errors="replace"), self.sign(*parts).encode())

    def digest(self, token: str) -> bytes:
        """What is kept of a token: nobody reads it back."""
        return hmac.digest(self._key, b"token " + token.encode(errors="replace"), "sha256")

    def _read_ended(self) -> dict[str, float]:
        """Those whose time is not over yet; a line that a power cut has left torn is none."""
        text = self._file.read_text(errors="replace") if self._file.exists() else ""
        rows = re.findall(r"^([0-9a-f]{32}) (\d+(?:\.\d+)?)$", text, re.MULTILINE)
        return {name: float(until) for name, until in rows if float(until) > self._clock()}


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unpacked(body: str) -> Session | None:
    """Of a body that may be anybody's: nothing of it is believed before the signature."""
    try:
        session = Session(**json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    except (ValueError, TypeError, RecursionError):
        return None
    fits = isinstance(session.name, str) and isinstance(session.id, str) and isinstance(session.until, float)
    return session if fits else None
