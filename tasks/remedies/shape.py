"""The shape of a remedy: plan, look, act, undo. Knows hands and nouns; must not know a step, a journal or a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from tasks.model import Action, Finding, Look, Receipt, inert
from tasks.transports.hands import Hands

# The kinds of action that end a process.
KILLS = frozenset({"process.kill", "windows.process"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What a plan is made for.

    `vault` is where quarantined files go, below the victim's root; `own` are hemostat's own folders; `windows`: which remedies apply;
    `logins` are the users by whom we come in.
    """

    incident: str
    host: str
    vault: str
    own: tuple[str, ...] = ()
    windows: bool = False
    logins: tuple[str, ...] = ()


def mark(path: str) -> str:
    """A path in an action's id: as it is, or harmless and with a hash, so that two odd names never share one id."""
    shown = inert(path)
    return path if shown == path else f"{shown}~{sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


class Remedy(Protocol):
    """One remedy. `plan` is pure; the others work through the host's hands and re-verify before they touch anything."""

    kinds: tuple[str, ...]

    def plan(self, findings: Sequence[Finding], scope: Scope) -> list[Action]:
        """The actions that these findings call for, in their order."""

    def look(self, hands: Hands, action: Action) -> Look:
        """Is the threat gone? Its record is what an undo needs, read before anything is changed."""

    def act(self, hands: Hands, action: Action, before: Look) -> None:
        """Remove the threat; raises TargetError if what stands there is no longer what the plan saw."""

    def look_restored(self, hands: Hands, action: Action, receipt: Receipt) -> Look:
        """Does it stand as it stood before the act?"""

    def undo(self, hands: Hands, action: Action, receipt: Receipt) -> None:
        """Put it back as it was; only for actions whose `undo` says how."""
