"""What every laboratory device has: credentials, faults, a connection table, a state to keep. Knows no wire and no vendor."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tasks.model import Address, Json


@dataclass(slots=True)
class Faults:
    """What goes wrong, as data; all off by default.

    `delay` is seconds before each answer, `cut_after` the byte of output at which the connection breaks, `drop_after` a
    regular expression: a line that it finds is obeyed and the connection breaks before the prompt. `full` is the number
    of members that a group holds at most. `locked` is another administrator who holds the configuration, `refuse_commit`
    a commit that does not pass its checks; both only where the platform has them.
    """

    delay: float = 0.0
    cut_after: int | None = None
    drop_after: str = ""
    wrong_enable: bool = False
    refuse_config: bool = False
    full: int | None = None
    locked: bool = False
    refuse_commit: bool = False

    def drops(self, line: str) -> bool:
        return bool(self.drop_after and re.search(self.drop_after, line))


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection that a packet wants to open through the device."""

    source: Address
    source_port: int
    target: Address
    target_port: int
    interface: str = "inside"


@dataclass(slots=True, eq=False)
class Conn:
    """One established connection. `end` resets both its sides; times are monotonic seconds."""

    flow: Flow
    end: Callable[[], None]
    started: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)
    octets: int = 0

    def carry(self, count: int) -> None:
        self.octets += count
        self.last = time.monotonic()


class Connections:
    """The table of established connections. They go on, whatever the rules say, until they end or are cut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Conn] = []
        self.most = 0

    def add(self, conn: Conn) -> None:
        with self._lock:
            self._all.append(conn)
            self.most = max(self.most, len(self._all))

    def remove(self, conn: Conn) -> None:
        with self._lock:
            if conn in self._all:
                self._all.remove(conn)

    def of(self, address: Address | None = None) -> list[Conn]:
        """The connections from or to this address; all of them without one."""
        with self._lock:
            return [c for c in self._all if address is None or address in (c.flow.source, c.flow.target)]

    def cut(self, address: Address | None = None) -> int:
        """End those connections; how many it were."""
        doomed = self.of(address)
        for conn in doomed:
            self.remove(conn)
            conn.end()
        return len(doomed)


def _nothing() -> None:
    """A device whose data path asks `admit` itself has nothing to wait for."""


class Device:
    """A device's state, apart from any session. A vendor subclasses it in lab/devices/ and fills the class variables.

    `lock` is held while a line is obeyed or a flow admitted, so that sessions and traffic see whole states.
    """

    platform: ClassVar[str]
    modes: ClassVar[Mapping[str, Any]]
    grammar: ClassVar[Any]
    first_mode: ClassVar[str]
    comments: ClassVar[tuple[str, ...]] = ("!",)
    filters: ClassVar[Mapping[str, str]] = {"include": "include", "exclude": "exclude", "begin": "begin"}
    own_pipes: ClassVar[bool] = False  # the handlers get what follows a `|`
    more: ClassVar[str] = "--More--"
    page: int = 24
    newline: ClassVar[str] = "\r\n"
    logins: ClassVar[tuple[str, ...]] = ("password", "keyboard-interactive")
    max_sessions: ClassVar[int | None] = None

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "") -> None:
        self.username, self.password, self.secret = username, password, secret
        self.hostname = hostname
        self.faults = Faults()
        self.conns = Connections()
        self.lock = threading.RLock()
        self.count = 0
        # Before a line: the data path tells what it sees; after it: what the device decides is in force before it answers.
        self.seen: Callable[[], None] = _nothing
        self.enforced: Callable[[], None] = _nothing
        # The lines that it obeyed, as command accounting (RFC 8907 section 7) would have sent them away.
        self.accounting: deque[str] = deque(maxlen=10_000)

    def account(self, login: str) -> str:
        """Whose login this is: some vendors take terminal options behind the name."""
        return login

    def banner(self, user: str) -> str:
        return ""

    def guard(self, session: Any, line: str) -> None:
        """Refuse a line by raising Denied (command authorization)."""

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        """The vendor's words for an Invalid, Ambiguous or Incomplete line."""
        raise NotImplementedError

    def admit(self, flow: Flow) -> bool:
        """May this new connection pass? Counts the hit."""
        raise NotImplementedError

    def dump(self) -> Json:
        """The state as JSON, for a later `restore`."""
        raise NotImplementedError

    def restore(self, state: Json) -> None:
        raise NotImplementedError
