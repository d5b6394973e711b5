"""Judges who logged in: from the alert's address, after many failures, or just before the beacon. Facts in, findings out."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from tasks.collectors.context import NEAR, Context
from tasks.facts import Snapshot
from tasks.facts_linux import Login
from tasks.model import Finding, inert
from tasks.signs import Sign

GUESSES = 10
_DAY = 86400.0
# A login that led to the beacon's start came before it; clocks of records are whole seconds.
_AFTER = 5.0


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """The gravest reason of each login."""
    if context.root != "/":
        return []
    starts = [process.created for process in context.beacons(snapshot) if process.created]
    found = []
    for login in snapshot.logins:
        if login.kind == "login" and (
            sign := max(_signs(login, starts, snapshot, context), key=lambda s: s.score, default=None)
        ):
            found.append(_finding(login, sign))
    return found


def _signs(login: Login, starts: list[float], snapshot: Snapshot, context: Context) -> Iterator[Sign]:
    address = _address(login.host)
    if address and address == context.remote.address:
        yield Sign("logged in from the address of the alert", 95, "T1078")
    failed = Counter(f.host for f in snapshot.logins if f.kind == "failed" and 0 <= login.at - f.at <= _DAY)[login.host]
    if login.host and failed >= GUESSES:
        yield Sign(f"logged in after {failed} failed tries from there within a day: a guessed password", 75, "T1110")
    if any(-_AFTER <= start - login.at <= NEAR for start in starts):
        outside = address is not None and address.is_global and not context.good(address)
        words = "logged in within ten minutes before the beacon started"
        yield Sign(words, 55 if outside else 35 if login.host else 25, "T1078")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def _finding(login: Login, sign: Sign) -> Finding:
    come = f"from {inert(login.host, 80)}" if login.host else "on the console"
    return Finding(
        "login.suspicious" if sign.score >= 50 else "login.near",
        f"{inert(login.user, 40) or 'somebody'} {sign.words}",
        f"login {come}, {inert(login.line, 40)}",
        f"At {datetime.fromtimestamp(login.at, UTC):%Y-%m-%d %H:%M:%S} UTC, {come}. The owner of the account knows whether it was them.",
        sign.score,
        "high" if sign.score >= 85 else "medium" if sign.score >= 50 else "low",
        sign.attack,
        {"user": login.user, "host": login.host, "line": login.line, "at": login.at},
    )
