"""What becomes of a body of alerts: taken, over, or refused, each for itself. Knows doors and the inbox; must not know HTTP.

An alert that cannot be taken (a field is missing, no inventory host has its victim's address) takes no other of its body with it: the
others are stored and acted on, and the answer names it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from flows import doors
from flows.inbox import Item, Ticket
from flows.web.context import Context
from tasks import alerts
from tasks.alerts.shape import Over
from tasks.model import Alert, ConfigError, Json, inert
from tasks.serving import Sender
from tasks.settings import Site

log = logging.getLogger("hemostat.hook")
# Faults that an answer lists; more of them say nothing new.
MOST_TOLD = 20


@dataclass(slots=True)
class Taken:
    """What a body came to. `tickets` stand in the inbox."""

    tickets: list[Ticket] = field(default_factory=list)
    over: Sequence[Over] = ()
    refused: list[ConfigError] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Nothing of it could be used."""
        return not (self.tickets or self.over)

    def told(self, url: str) -> dict[str, Json]:
        """For the sender; `url` is how it reaches the pages."""
        return {
            "incidents": [_incident(*pair, url) for pair in self._incidents()],
            "accepted": len(self.tickets),
            "duplicates": sum(ticket.duplicate for ticket in self.tickets),
            "over": [{"record": inert(over.record), "why": inert(over.why)} for over in self.over[:MOST_TOLD]],
            "refused": [fault(error) for error in self.refused[:MOST_TOLD]],
        }

    def _incidents(self) -> list[tuple[Ticket, Ticket]]:
        """Each incident once, however many alerts of the body are its: the first ticket, which may have opened it, and the last."""
        last = {ticket.incident: ticket for ticket in self.tickets}
        first = {ticket.incident: ticket for ticket in reversed(self.tickets)}
        return [(first[name], last[name]) for name in dict.fromkeys(ticket.incident for ticket in self.tickets)]


def fault(error: ConfigError) -> dict[str, Json]:
    """An error for a sender: what was tried, what was seen, what to do."""
    return {"error": inert(": ".join(filter(None, (error.tried, error.seen)))), "do": inert(error.do)}


def take(context: Context, source: str, raw: bytes, name: str, sender: Sender) -> Taken:
    """Read the body and put what can be taken into the inbox, durably, all of that or none.

    Raises:
        NoRoom: the disk is full; nothing was taken.
        BadFiles: the owner's files are broken now; nothing was taken.
    """
    known = context.site()
    try:
        batch = alerts.read(source, raw, known.policy.inside)
    except ConfigError as error:
        return _logged(Taken(refused=[error]), name)
    taken = Taken(over=batch.over, refused=batch.faults)
    items = [item for alert in batch.alerts for item in _items(known, alert, name, sender, taken.refused)]
    taken.tickets = context.accept(items) if items else []
    return _logged(taken, name)


def _items(known: Site, alert: Alert, name: str, sender: Sender, refused: list[ConfigError]) -> list[Item]:
    try:
        return doors.items(known, [alert], name, sender)
    except ConfigError as error:
        refused.append(error)
        return []


def _logged(taken: Taken, name: str) -> Taken:
    """A sender may not read its answer: what was not taken is also told where the owner looks."""
    for error in taken.refused[:MOST_TOLD]:
        log.warning("%s: an alert was refused: %s", name, inert(error, 500))
    return taken


def _incident(first: Ticket, last: Ticket, url: str) -> dict[str, Json]:
    return {"id": first.incident, "url": f"{url}{first.path}", "duplicate": first.duplicate, "count": last.count}
