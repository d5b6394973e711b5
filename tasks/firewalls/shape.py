"""The shape of a firewall platform: what to say and how to read the answer. Knows no socket, no netmiko, no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Protocol

from tasks.model import Address, ConfigError, Remote, inert

Channel = Literal["cli", "exec"]


@dataclass(frozen=True, slots=True)
class Command:
    """One thing said to a device. `{user}` in `text` is the name that we are logged in by.

    `expect` is a regular expression that ends the answer; empty means the platform's own prompt. `stdin` is only for
    exec channels: text that must reach a program as data. `tolerate` is a refusal text that is no failure here. `patience`
    is in seconds: what takes the device longer than the host's time-out, such as a commit.
    """

    text: str
    expect: str = ""
    stdin: str = ""
    tolerate: str = ""
    patience: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What shall be in the list: the remote, whose incident it is, and for how long (`minutes` 0: until undone)."""

    remote: Remote
    incident: str
    minutes: int = 0
    name: str = "HEMOSTAT"

    def __post_init__(self) -> None:
        # Both are said to a device, where a space or a quote would be another word.
        for what, text in (("list_name", self.name), ("incident id", self.incident)):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", text):
                raise ConfigError(
                    f"the {what} {inert(text)!r} is no plain word", do="use letters, digits, - and _, at most 41"
                )

    @property
    def address(self) -> Address:
        return self.remote.address


@dataclass(frozen=True, slots=True)
class Listing:
    """What a device says of the list. `enforced` is False when the list is there but no rule in force uses it.

    `missing` are the provisioning lines that are not in place; `hits` is the rule's counter where the platform shows
    one; `note` is what the device keeps beside the entry (an incident id, a rest of its time to live). `free` are numbers that
    new entries may take, where the platform numbers them. `foreign`: what the device keeps beside the entry says that it is
    somebody else's. `ends_in`: seconds until the device ends the entry by itself; None where it does not, or does not tell.
    """

    present: bool
    enforced: bool
    seen: str
    missing: tuple[str, ...] = ()
    hits: int | None = None
    note: str = ""
    free: tuple[int, ...] = ()
    foreign: bool = False
    ends_in: int | None = None


class Firewall(Protocol):
    """One platform. Every method is pure: facts in, words out; or words in, facts out."""

    platform: str
    driver: str
    channel: Channel
    prompt: str
    failures: tuple[str, ...]
    ports: bool
    timed: bool

    def look(self, entry: Entry) -> tuple[Command, ...]:
        """The questions whose answers `read` understands; they change nothing."""

    def read(self, entry: Entry, answers: tuple[str, ...]) -> Listing:
        """Is the entry in the list, and is the list in force? Raises TargetError for an answer that it cannot read."""

    def block(self, entry: Entry, listing: Listing) -> tuple[Command, ...]:
        """Add the entry, enter and leave the configuration mode, commit and save where the platform has it."""

    def unblock(self, entry: Entry, listing: Listing) -> tuple[Command, ...]:
        """Take exactly this entry back."""

    def cut(self, entry: Entry) -> tuple[Command, ...]:
        """End established sessions to the remote, never without a filter; empty where the block itself does it."""

    def sessions(self, entry: Entry) -> tuple[Command, ...]:
        """Ask for the established sessions to the remote; empty where the platform cannot tell or needs no cut."""

    def count(self, entry: Entry, answers: tuple[str, ...]) -> int:
        """How many sessions those answers show."""

    def save(self) -> tuple[Command, ...]:
        """Make the running configuration survive a reboot; said after the proof, off the urgent path."""

    def leave(self) -> tuple[Command, ...]:
        """Back out of a half-done configuration without applying it; said after a failure."""

    def provision(self, name: str) -> tuple[str, ...]:
        """The lines to put in place once, for an administrator to read, adapt and paste."""
