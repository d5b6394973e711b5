"""The nouns an incident is made of. Knows the standard library only; must not know any host, device, file or clock."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal

Json = Any
Address = IPv4Address | IPv6Address
# The most that a sender's alerts may do by themselves: open an incident and look, ask before a block, or what the playbook says.
Most = Literal["open", "ask", "playbook"]

_SEEN = "give the address that was seen on the wire, as 203.0.113.9, 203.0.113.9:443 or [2001:db8::9]:443"


class Outcome(StrEnum):
    """How a step ended: exactly one of these, and every door shows it under this name."""

    DONE = "done"
    NOTHING_TO_DO = "nothing_to_do"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    WAITING = "waiting"

    @property
    def finished(self) -> bool:
        """True when the step is over for good: a resume never executes it again."""
        return self in (Outcome.DONE, Outcome.NOTHING_TO_DO)

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")


class Step(StrEnum):
    """The seven steps, in their order."""

    CONFIRM = "confirm"
    BLOCK = "block"
    TRIAGE = "triage"
    COLLECT = "collect"
    CLEANUP = "cleanup"
    VERIFY = "verify"
    REPORT = "report"


# The acts of isolation have a name of their own beside the steps', so that it is asked about, and taken back, by itself.
ISOLATE = "isolate"
# So has the plan to copy processes' memory, which is part of collect.
MEMORY = "memory"


class Consent(StrEnum):
    """What a playbook's `approvals` may name: the steps, and the isolation of the host, which is part of block."""

    CONFIRM = "confirm"
    BLOCK = "block"
    ISOLATE = ISOLATE
    TRIAGE = "triage"
    COLLECT = "collect"
    CLEANUP = "cleanup"
    VERIFY = "verify"
    REPORT = "report"


class Mode(StrEnum):
    """LIVE touches real things; DRILL is fenced to a laboratory's folder."""

    LIVE = "live"
    DRILL = "drill"


class Approval(StrEnum):
    """What a playbook says of a step's acts."""

    AUTO = "auto"
    ASK = "ask"
    NEVER = "never"


class Decision(StrEnum):
    """What confirm concludes."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNSURE = "unsure"


class Result(StrEnum):
    """What a check saw. UNKNOWN is never shown as PASS."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Remote:
    """The indicator: the address (and port) that a host must not talk to."""

    address: Address
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Remote:
        """Read `ADDR`, `ADDR:PORT`, `[V6]` or `[V6]:PORT`.

        IPv4-mapped IPv6 becomes the IPv4 address that is on the wire (RFC 4291 section 2.5.5.2).

        Raises:
            ConfigError: not an address (a domain, a zone id, a port out of range).
        """
        host, port = _split_port(text.strip())
        return cls(parse_address(host), port)

    def __str__(self) -> str:
        if self.port is None:
            return str(self.address)
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, normalised. `id` is what a second delivery of the same alert repeats.

    `host` is a name or address that the inventory must know, `domain` the name that the remote was asked by, `sha256` that of
    the record's bytes. `aliases` are other names that the sender gives the same host, for an inventory that does not know the first.
    `signature`, `severity` and `domain` are the sender's text: data, never to be trusted or run.
    """

    source: str
    id: str
    host: str
    remote: Remote
    signature: str
    at: datetime
    severity: str = ""
    sha256: str = ""
    domain: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """What is fixed when an incident opens; all else is in its journal. `most` binds every later go at it as well."""

    id: str
    host: str
    remote: Remote
    playbook: str
    playbook_sha256: str
    operator: str
    mode: Mode
    site: str
    opened_at: datetime
    reason: str = ""
    alert: Alert | None = None
    overrides: tuple[str, ...] = ()
    most: Most = "playbook"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Confirm's conclusion. `confidence` is 0 to 100."""

    decision: Decision
    confidence: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """One intended change.

    `id` is stable within the incident, so that a resume finds the intent again. `facts` are what the act
    verifies again on the target before it touches anything. `undo` says how it is taken back; None: it cannot be.
    """

    id: str
    kind: str
    on: str
    target: str
    reason: str
    commands: tuple[str, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)
    undo: str | None = None
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What re-reading the target shows: is the wanted state there? `record` is what an undo will need."""

    present: bool
    seen: str
    record: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an action. `changed` is True only if *we* changed something."""

    action: str
    ok: bool
    changed: bool
    seen: str
    record: Mapping[str, Json] = field(default_factory=dict)
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicious thing. `score` is 0 to 100, `sure` is low, medium or high, `attack` an ATT&CK technique id."""

    rule: str
    what: str
    where: str
    why: str
    score: int
    sure: str
    attack: str
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sealed item with its custody record. `path` is relative to the incident's folder."""

    path: str
    what: str
    source: str
    how: str
    by: str
    host: str
    at: datetime
    size: int
    sha256: str
    sha256_at_source: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One statement that verification made and how it came out."""

    name: str
    expected: str
    observed: str
    result: Result


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended: the outcome, one sentence for a tired person, what to do next."""

    step: Step
    outcome: Outcome
    summary: str
    next: str = ""


class HemostatError(Exception):
    """The root, split by blame. Carries what was tried, what was seen and what to do next."""

    outcome = Outcome.FAILED

    def __init__(self, tried: str, seen: str = "", do: str = "") -> None:
        self.tried, self.seen, self.do = tried, seen, do
        super().__init__(". ".join(part.rstrip(".") for part in (tried, seen, do) if part))


class ConfigError(HemostatError):
    """Your files or your command line are wrong."""


class TargetError(HemostatError):
    """The host or device answered wrongly."""


class Unreachable(TargetError):
    """The host or device did not answer, or did not let us in."""

    outcome = Outcome.UNREACHABLE


class Refused(HemostatError):
    """A guard said no. `guard` names it; `override` is the word that lifts it, if anything does."""

    outcome = Outcome.REFUSED

    def __init__(self, guard: str, seen: str, do: str = "", override: str | None = None) -> None:
        self.guard, self.override = guard, override
        super().__init__(f"refused by the guard {guard}", seen, do)


class Bug(HemostatError):
    """Ours: please report it with the journal."""


def parse_address(text: str) -> Address:
    """Read one IP address; ConfigError for anything else. IPv4-mapped IPv6 becomes IPv4."""
    if "%" in text:
        raise ConfigError(
            f"{inert(text)!r} has a zone id", "a zone is one host's own name for a link, no remote", _SEEN
        )
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ConfigError(
            f"{inert(text)!r} is not an IP address",
            do=_SEEN,
        ) from None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if rest.startswith(":") else ""
        if not closed or (rest and not port):
            raise ConfigError(f"{inert(text)!r} is not [address]:port", do=_SEEN)
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not port:
            raise ConfigError(f"{inert(text)!r} ends in a colon without a port", do=_SEEN)
    else:
        return text, None
    return host, parse_port(port) if port else None


def parse_port(text: str) -> int:
    """Read a TCP or UDP port, 1 to 65535; ConfigError for anything else."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535:
        return int(text)
    raise ConfigError(f"{inert(text)!r} is not a port", do="ports are 1 to 65535")


def inert(text: object, limit: int = 2000) -> str:
    """Make text that an attacker may control harmless on one terminal line: controls, bidi and odd spaces are escaped.

    Unicode categories Cc, Cf (bidi overrides, UTS #55), Cs, Co, Cn, Zl and Zp are written as escapes; `limit` is in characters.
    """
    whole = str(text)
    shown = "".join(c if _plain(c) else c.encode("unicode_escape").decode("ascii") for c in whole[:limit])
    return shown if len(whole) <= limit else f"{shown}… ({len(whole)} characters)"


def _plain(char: str) -> bool:
    return char == " " or (char.isprintable() and unicodedata.category(char)[0] != "C")
