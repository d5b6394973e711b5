"""One open incident: its folder, its journal, what it knows, and the ways to its host and devices. Knows no step."""

from __future__ import annotations

import os
import secrets as randomness
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tasks import site as sites
from tasks.facts import Connection
from tasks.firewalls import Firewall, load
from tasks.fold import absorb, fold
from tasks.journal import NAME, Journal, Record, read, sync_folder
from tasks.model import Alert, Bug, ConfigError, Incident, Json, Mode, Most, Refused, Remote, Step, TargetError, inert
from tasks.own_path import OwnPath
from tasks.secrets import resolve
from tasks.settings import Host, Playbook, Site
from tasks.state import Plan, State
from tasks.transports import device, reach
from tasks.transports.hands import Hands

# What the report and the journal show of a host: never a credential, not even its reference.
PUBLIC = ("name", "hostname", "platform", "transport", "groups", "firewalls", "site", "owner", "criticality", "root")

Say = Callable[[str, float | None], None]


def silent(_text: str, _part: float | None = None) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a door asks for: whose incident, with which remote, under which playbook, by whom."""

    host: Host
    remote: Remote
    playbook: Playbook
    operator: str
    mode: Mode = Mode.LIVE
    reason: str = ""
    alert: Alert | None = None
    overrides: tuple[str, ...] = ()
    id: str = ""
    most: Most = "playbook"


class Case:
    """An incident that this process holds. Every step works on one; nothing of it outlives the journal."""

    def __init__(self, folder: Path, journal: Journal, state: State, site: Site, say: Say = silent) -> None:
        self.folder, self.journal, self.state, self.site = folder, journal, state, site
        self._say = say
        self._deadline = float("inf")
        # Set from another thread or by Ctrl-C; looked at before every act and whenever something is said.
        self.stop = threading.Event()
        # Asks the person at the terminal, if there is one: (yes or no, who), or None to leave it for later.
        self.operator = state.incident.operator
        self.ask: Callable[[Plan], tuple[bool, str] | None] | None = None
        self._hands: Hands | None = None
        self.own_path: OwnPath | None = None
        self._one_writer = threading.Lock()

    @property
    def incident(self) -> Incident:
        return self.state.incident

    @property
    def host(self) -> Host:
        return self.site.host(self.incident.host)

    @property
    def playbook(self) -> Playbook:
        """The playbook as it was when the incident opened: an edit meanwhile does not change a running incident."""
        return self.state.playbook or self.site.playbook(self.incident.playbook)

    def record(self, kind: str, **data: Json) -> Record:
        """Write to the journal and take it into the state; devices do so from their own threads."""
        with self._one_writer:
            record = self.journal.append(kind, **data)
            absorb(self.state, record)
            return record

    def say(self, text: str, part: float | None = None) -> None:
        """Tell whoever watches what is going on; also the place where a step's time-out and a stop take effect.

        Raises:
            Refused: the run is to stop.
            TargetError: the step's time-out from the playbook is over.
        """
        self.checkpoint()
        self._say(text, part)

    def watched_by(self, say: Say) -> None:
        self._say = say

    def begin(self, timeout: float | None) -> None:
        """Set the clock of a step: `timeout` in seconds, None for none."""
        self._deadline = time.monotonic() + timeout if timeout else float("inf")

    def checkpoint(self) -> None:
        """Raise if the run is to stop or the step's time is over; called before every act."""
        if self.stop.is_set():
            raise Refused(
                "stop", "the operator stopped the run", f"`hemostat resume {self.incident.id}` goes on from here"
            )
        if time.monotonic() > self._deadline:
            raise TargetError(
                "finish in time",
                "the step's time-out from the playbook is over",
                "raise it, or skip the step",
            )

    def hands(self) -> Hands:
        """The way to the victim, opened once.

        Raises:
            Unreachable: no way leads there now.
        """
        if self._hands is None:
            self._hands = reach(self.host, self.site, resolve)
        return self._hands

    def firewalls(self) -> list[tuple[Host, Firewall]]:
        """The devices that stand between the victim and the world, with their platforms.

        Raises:
            ConfigError: the inventory names none.
        """
        if not self.host.firewalls:
            raise ConfigError(
                f"{self.host.name} has no firewall in the inventory",
                "nothing was blocked",
                f"add firewalls: [NAME] to {self.host.name}",
            )
        return [(device, load(device.platform)) for device in map(self.site.host, self.host.firewalls)]

    @property
    def locks(self) -> Path:
        """Where the lock files of devices stand: the same folder for every incident of this site."""
        return device.lock_folder(self.site)

    def close(self) -> None:
        """Let go of the host, and of the journal so that another process may hold it."""
        if self._hands is not None:
            self._hands.close()
        self.journal.close()


def new_id(now: datetime) -> str:
    """A name that sorts by time, to the millisecond, and that a person can say on the telephone."""
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}{randomness.token_hex(1)}"


@contextmanager
def opened(reports: Path, site: Site, request: Request, say: Say = silent) -> Iterator[Case]:
    """Open a new incident and hold it."""
    now = datetime.now(UTC)
    incident = Incident(
        id=request.id or new_id(now),
        host=request.host.name,
        remote=request.remote,
        playbook=request.playbook.name,
        playbook_sha256=request.playbook.sha256,
        operator=request.operator,
        mode=request.mode,
        site=site.folder,
        opened_at=now,
        reason=request.reason,
        alert=request.alert,
        overrides=request.overrides,
        most=request.most,
    )
    host = {key: value for key, value in asdict(request.host).items() if key in PUBLIC}
    journal = Journal(reports / incident.id)
    try:
        if journal.records:
            raise Bug(f"open the incident {incident.id}", "its folder holds another incident already", "try again")
        journal.append("incident.opened", incident=incident, host=host, playbook=request.playbook)
        with closing(Case(reports / incident.id, journal, fold(journal.records), site, say)) as case:
            yield case
    finally:
        journal.close()


@contextmanager
def reopened(folder: Path, say: Say = silent) -> Iterator[Case]:
    """Hold an incident again, from its journal alone and with the inventory as it is now."""
    journal = Journal(folder)
    try:
        state = fold(journal.records)
        with closing(Case(folder, journal, state, sites.current(Path(state.incident.site)), say)) as case:
            yield case
    finally:
        journal.close()


def find(reports: Path, name: str) -> Path:
    """The folder of the incident that a person named: its id, an unambiguous part of it, or `last`.

    Raises:
        ConfigError: none or several fit.
    """
    folders = incidents(reports)
    fits = folders[-1:] if name == "last" else [f for f in folders if name and name in f.name]
    exact = [f for f in folders if f.name == name]
    if len(exact or fits) == 1:
        return (exact or fits)[0]
    known = ", ".join(f.name for f in (fits or folders)[-5:]) or "none yet"
    seen = f"several fit: {known}" if fits else f"there are {known}"
    raise ConfigError(f"{inert(name)!r} names no single incident in {reports}", seen, "see `hemostat history`")


def incidents(reports: Path) -> list[Path]:
    """Every folder below reports/ that holds a journal, oldest first."""
    return sorted(path.parent for path in reports.glob(f"*/{NAME}"))


def load_state(folder: Path) -> State:
    """Read an incident without holding it: for history, show and report while a run goes on."""
    return fold(read(folder / NAME))


def sample(
    case: Case, step: Step, count: int, window: float, stop_at_first: bool = False, stare: bool = False
) -> list[list[Connection]]:
    """Look `count` times over `window` seconds for sockets to the remote; each look is journalled.

    Args:
        stop_at_first: the first sight is enough (confirm); otherwise every sample is taken (triage, verify).
        stare: a look lasts until it sees a socket with its owner, at the longest until the next one is due: a short connect stands
            open for milliseconds, and only then shows whose it is. The very first look of confirm never waits.
    """
    looks: list[list[Connection]] = []
    pause = window / max(count - 1, 1)
    begun = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begun + number * pause - time.monotonic()))
        until = begun + min(number + 1, count - 1) * pause if stare and not (stop_at_first and number == 0) else 0.0
        looks.append(_stare(case, until))
        case.record("sample", step=step, number=number + 1, of=count, connections=looks[-1])
        case.say(
            f"sample {number + 1} of {count}: {len(looks[-1])} socket(s) to {case.incident.remote}",
            (number + 1) / count,
        )
        if stop_at_first and looks[-1]:
            break
    return looks


def _stare(case: Case, until: float) -> list[Connection]:
    """Look once; if no owned socket shows, watch for one until the time (monotonic) is over, and look again."""
    hands, remote = case.hands(), case.incident.remote
    seen = to_remote(hands.connections(), remote)
    left = until - time.monotonic()
    if left <= 0 or any(c.pid is not None for c in seen):
        return seen
    caught = hands.watch(remote, left)
    return [*to_remote(hands.connections(), remote), *caught]


def to_remote(connections: Iterable[Connection], remote: Remote) -> list[Connection]:
    """Those of the sockets whose far end is the remote."""
    wanted = str(remote.address)
    return [c for c in connections if c.remote == wanted and remote.port in (None, c.remote_port)]


def write_once(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)
