"""What every page and hook of `hemostat serve` may use. Knows the house; must not know HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.inbox import Inbox, Item, Kind, Ticket
from flows.worker import Worker
from tasks import site as sites
from tasks.model import Json
from tasks.secrets import Secret, resolve
from tasks.serving import Serve
from tasks.settings import Site


@dataclass(frozen=True, slots=True)
class Context:
    """One serve. `folder` is the site's, `reports` that of the incidents; `secret` resolves a reference at the moment of use.

    `accept` and `order` write to a disk and wait for it: call them from a thread (a plain `def` endpoint is in one), never in the loop.
    `worker.doing(id)` says whether the machine is at an incident now, `worker.subscribe` tells of events, for notifications.
    """

    folder: Path
    reports: Path
    serve: Serve
    inbox: Inbox
    worker: Worker
    secret: Callable[[str], Secret] = resolve

    def site(self) -> Site:
        """The owner's files as they are now; read again only when one of them has changed.

        Raises:
            BadFiles: somebody broke them since the start.
        """
        return sites.current(self.folder)

    def accept(self, items: Sequence[Item]) -> list[Ticket]:
        """Take alerts, all or none, durably (see Inbox.accept), and start on what is new at once.

        Raises:
            NoRoom: the disk is full; nothing was taken. The app answers 507.
        """
        tickets = self.inbox.accept(items)
        for ticket, item in zip(tickets, items, strict=True):
            if ticket.duplicate:
                self.worker.alerted_again(ticket.incident)
            else:
                self.worker.alerted(ticket.incident, item.host)
        return tickets

    def order(self, incident: str, kind: Kind, arguments: Mapping[str, Json], who: str, key: str = "") -> str:
        """Take what a person asks, durably (see Inbox.order and flows/orders.py), and do it at once. The order's id.

        Args:
            key: a form's own mark, so that a double click is one order.

        Raises:
            NoRoom: the disk is full; nothing was taken. The app answers 507.
        """
        order = self.inbox.order(incident, kind, arguments, who, key)
        self.worker.ordered(incident, kind)
        return order
