"""What the inbox holds: alerts to open incidents with, tickets for their senders, orders of people. Knows no file and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from tasks.journal import digest
from tasks.model import Alert, Json, Most

Kind = Literal["approve", "reject", "redo", "skip", "undo", "resume", "override"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Item:
    """One alert, with its victim and playbook chosen: what an incident is opened with. `sender` is who sent it, `most` what it may do."""

    alert: Alert
    host: str
    playbook: str
    sender: str
    most: Most = "playbook"

    @property
    def fold(self) -> str:
        """What alerts of one incident share: also what may be done for them, or a strong sender's would be lost in a weak one's."""
        return digest([self.host, str(self.alert.remote), self.alert.signature, self.playbook, self.most])

    @property
    def event(self) -> str:
        """What a second delivery of this very alert repeats. One id may tell of several hosts and remotes (Sentinel, Alertmanager)."""
        return digest([self.alert.source, self.alert.id, self.host, str(self.alert.remote), self.playbook, self.most])


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where an alert went. `count` is how many different alerts the incident has; `duplicate`: it was there before."""

    incident: str
    path: str
    duplicate: bool
    count: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What the inbox knows of one incident. `linked` is an earlier incident of the same host, or empty."""

    id: str
    item: Item
    linked: str
    count: int
    first: datetime
    last: datetime
    closed: datetime | None


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked of an incident. `answer` says what became of it, once `done`."""

    id: str
    incident: str
    kind: Kind
    arguments: Mapping[str, Json]
    who: str
    at: datetime
    done: datetime | None = None
    answer: str = ""
