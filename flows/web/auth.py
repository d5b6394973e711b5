"""Who is there and what they may: tokens, sessions, the reverse proxy's word, form tokens, a limit on guessing. Knows no page."""

from __future__ import annotations

import hmac
import ipaddress
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from starlette.requests import HTTPConnection

from flows.web.sessions import Clock, Session, Sessions
from tasks.model import HemostatError
from tasks.secrets import resolve
from tasks.serving import Person, Role, Serve

ROLES: tuple[Role, ...] = ("viewer", "responder", "approver")
NEEDS: dict[str, Role] = {
    "resume": "responder",
    "redo": "responder",
    "skip": "responder",
    "approve": "approver",
    "reject": "approver",
    "undo": "approver",
}
# What takes something away, or leaves it out, is asked for with a reason: the journal keeps it.
REASONED = frozenset({"reject", "skip", "undo"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
# A resolved token is asked for anew after this many seconds: a keyring may be slow, and a changed token must count soon.
FRESH = 30.0
TRIES, WITHIN, PEERS = 10, 600.0, 10_000


@dataclass(frozen=True, slots=True)
class Who:
    """One who has shown who they are. `via` is how: session, bearer or proxy; a browser sends all but bearer by itself."""

    name: str
    role: Role
    via: str
    session: Session | None = None

    def may(self, kind: str) -> bool:
        """Whether the role covers that act; each role covers the lesser ones' too."""
        return ROLES.index(self.role) >= ROLES.index(NEEDS[kind])


class TooMany(Exception):
    """Too many wrong tokens from there; `wait` seconds from now the next one is looked at."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"wait {wait} s")


class Limit:
    """Counts the failures of each peer: after TRIES within WITHIN seconds nothing more is looked at. Its memory is bounded."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def check(self, peer: str) -> None:
        """Raise TooMany for a peer that has guessed too often."""
        with self._lock:
            failed = self._failed.get(_group(peer), deque())
            while failed and abs(self._clock() - failed[0]) >= WITHIN:  # also where the clock was put back
                failed.popleft()
            if len(failed) >= TRIES:
                raise TooMany(int(failed[0] + WITHIN - self._clock()) + 1)

    def failed(self, peer: str) -> None:
        """One more wrong token."""
        with self._lock:
            group = _group(peer)
            self._failed.setdefault(group, deque(maxlen=TRIES)).append(self._clock())
            self._failed.move_to_end(group)
            if len(self._failed) > PEERS:
                self._failed.popitem(last=False)


def _group(peer: str) -> str:
    """One IPv6 customer has a whole /64 (RFC 6177): its addresses count as one."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else peer


class Gate:
    """Tells who sends a request.

    Args:
        serve: the owner's file.
        home: where the key and the ended sessions are kept.
        find: resolves a reference.
    """

    def __init__(
        self,
        serve: Serve,
        home: Path,
        find: Callable[[str], str] = resolve,
        clock: Clock = time.time,
    ) -> None:
        self.serve, self._find, self._clock = serve, find, clock
        self.sessions = Sessions(home, clock)
        self.limit = Limit(clock)
        self._people: Mapping[str, Person] = serve.people
        self._kept: dict[str, tuple[float, bytes | None]] = {}

    def who(self, request: HTTPConnection) -> Who | None:
        """The sender, by bearer token, else the proxy's word, else session; None for nobody.

        Raises:
            TooMany: a bearer token was sent, and too many wrong ones before it.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.by_token(token.strip(), self.guesser(request), "bearer")
        return self._by_proxy(request) or self._by_session(request)

    def by_token(self, token: str, peer_: str, via: str) -> Who | None:
        """Whose token it is. Every person's is compared, so that the time tells nothing.

        Raises:
            TooMany: too many wrong ones came from there before.
        """
        self.limit.check(peer_)
        shown = self.sessions.digest(token)
        known = [(name, self.proof(name)) for name in self._people]
        fits = [name for name, proof in known if proof is not None and hmac.compare_digest(proof, shown)]
        if not fits:
            self.limit.failed(peer_)
            return None
        return Who(fits[0], self._people[fits[0]].role, via)

    def log_in(self, token: str, peer_: str) -> tuple[Who, str] | None:
        """The person and their session's cookie; None for a wrong token."""
        who = self.by_token(token, peer_, "session")
        return (who, self.sessions.begin(who.name, self.sessions.digest(token))) if who else None

    def guesser(self, request: HTTPConnection) -> str:
        """Whose guesses to count: behind the proxy, whom it names last in X-Forwarded-For; what stands before may be made up."""
        here = peer(request)
        if self.serve.behind_proxy and same_address(self.serve.behind_proxy, here):
            said = ",".join(
                request.headers.getlist("x-forwarded-for")
            )  # a proxy may add a line of its own (RFC 9110, 5.3)
            return said.rpartition(",")[2].strip()[:45] or here
        return here

    def proof(self, name: str) -> bytes | None:
        """The digest of that person's token, None when there is none; at most FRESH seconds old."""
        if name not in self._people:
            return None
        at, found = self._kept.get(name, (0.0, None))
        if abs(self._clock() - at) > FRESH:
            found = self._resolved(self._people[name].token)
            self._kept[name] = (self._clock(), found)
        return found

    def _resolved(self, reference: str) -> bytes | None:
        """A token that cannot be found lets nobody in, and keeps nobody else out."""
        try:
            return self.sessions.digest(self._find(reference))
        except HemostatError:
            return None

    def _by_session(self, request: HTTPConnection) -> Who | None:
        session = self.sessions.read(request.cookies.get(cookie_name(request, self.serve), ""), self.proof)
        return Who(session.name, self._people[session.name].role, "session", session) if session else None

    def _by_proxy(self, request: HTTPConnection) -> Who | None:
        """The proxy's word counts only from its own address; a header that comes twice was added by somebody else."""
        serve = self.serve
        if not (serve.behind_proxy and serve.user_header) or not same_address(serve.behind_proxy, peer(request)):
            return None
        names = request.headers.getlist(serve.user_header)
        if len(names) != 1 or not _NAME.fullmatch(names[0]):
            return None
        role = self._proxied_role(request, names[0])
        return Who(names[0], role, "proxy") if role else None

    def _proxied_role(self, request: HTTPConnection, name: str) -> Role | None:
        if not self.serve.role_header:
            return self._people[name].role if name in self._people else None
        given = request.headers.getlist(self.serve.role_header)
        return next((role for role in ROLES if given == [role]), None)


def peer(request: HTTPConnection) -> str:
    """The address at the other end of the connection; never a header's word."""
    return request.client.host if request.client else ""


def same_address(one: str, other: str) -> bool:
    """The same address in any notation, an IPv4 one mapped into IPv6 included."""
    try:
        first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    except ValueError:
        return False
    return (getattr(first, "ipv4_mapped", None) or first) == (getattr(second, "ipv4_mapped", None) or second)


def secure(request: HTTPConnection, serve: Serve) -> bool:
    """The browser's side speaks TLS: to us, or to the proxy that people reach us through."""
    return request.url.scheme in ("https", "wss") or serve.public_url.startswith("https:")


def cookie_name(request: HTTPConnection, serve: Serve) -> str:
    """With TLS the prefix has the browser refuse a cookie that another host or plain HTTP has set (RFC 6265bis, 4.1.3.2)."""
    return "__Host-hemostat" if secure(request, serve) else "hemostat"
