"""The doors: what a person or a sender asks becomes a request for an incident. Knows files and alerts; must not know a terminal."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
from collections.abc import Sequence
from pathlib import Path

from flows.inbox import Item
from tasks import alerts, site
from tasks.case import Request
from tasks.choose import choose
from tasks.model import Alert, ConfigError, Mode, Remote
from tasks.own_path import resolve
from tasks.serving import Sender
from tasks.settings import Host, Site

DOMAIN = r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9_-]+)+"
RESOLVE_WITHIN = 3.0


def operator() -> str:
    """Who is at work, as the journal and the custody record name them: HEMOSTAT_OPERATOR, else the login behind sudo."""
    return os.environ.get("HEMOSTAT_OPERATOR") or os.environ.get("SUDO_USER") or getpass.getuser()


def by_hand(
    folder: Path, host: str, remote: str, playbook: str, reason: str, overrides: Sequence[str] = ()
) -> tuple[Site, Request]:
    """A person names a host and a remote.

    Raises:
        ConfigError: a file is wrong, or host, remote or playbook is not what the files know.
    """
    known = site.load(folder)
    request = Request(
        host=known.host(host),
        remote=_remote(remote),
        playbook=known.playbook(playbook),
        operator=operator(),
        reason=reason,
        overrides=tuple(overrides),
    )
    return known, request


def _remote(text: str) -> Remote:
    """The address; a domain is resolved and shown, but which of its addresses the host talked to is for a person to say."""
    try:
        return Remote.parse(text)
    except ConfigError:
        found = resolve([text], RESOLVE_WITHIN).get(text, ()) if re.fullmatch(DOMAIN, text) else ()
        if not found:
            raise
        addresses = ", ".join(map(str, found))
        raise ConfigError(
            f"{text} is a domain, and a firewall denies addresses",
            f"it resolves to {addresses} now, which may be others than the host talked to",
            "name the address that was seen on the wire; run once for each",
        ) from None


def by_alert(
    folder: Path, source: str, raw: bytes, mode: Mode = Mode.LIVE, playbook: str = ""
) -> tuple[Site, list[Request]]:
    """A sensor tells: each alert becomes a request for the inventory host that it means.

    Raises:
        ConfigError: the bytes are no alert of that source, or no inventory host has the victim's address.
    """
    known = site.load(folder)
    found = alerts.parse(source, raw, known.policy.inside)
    return known, [_request(known, alert, mode, playbook) for alert in found]


def items(known: Site, found: Sequence[Alert], name: str, sender: Sender) -> list[Item]:
    """What a sender's alerts are in the inbox: victim and playbook chosen, and the most that they may do.

    Args:
        name: the sender's, as inventory/serve.yaml has it.

    Raises:
        ConfigError: no inventory host, or more than one, has a victim's address; no playbook answers.
    """
    chosen = [known.playbook(sender.playbook) if sender.playbook else choose(known, alert) for alert in found]
    return [
        Item(alert, _victim(known, alert).name, playbook.name, name, sender.most)
        for alert, playbook in zip(found, chosen, strict=True)
    ]


def _request(known: Site, alert: Alert, mode: Mode, playbook: str) -> Request:
    chosen = known.playbook(playbook) if playbook else choose(known, alert)
    victim = _victim(known, alert)
    return Request(victim, alert.remote, chosen, operator(), mode, f"alert: {alert.signature}", alert)


def _victim(known: Site, alert: Alert) -> Host:
    """The inventory's host: by the alert's first name for it, else by one of the others."""
    for name in (alert.host, *alert.aliases):
        with contextlib.suppress(ConfigError):
            return known.meant(name)
    try:
        return known.meant(alert.host)
    except ConfigError as error:
        raise ConfigError(
            f"find the alert's victim: {error.tried}",
            f"{error.seen}; nothing was done".removeprefix("; "),
            "add its address to a host in inventory/hosts.yaml, or run `hemostat respond HOST --remote ADDRESS`",
        ) from None
