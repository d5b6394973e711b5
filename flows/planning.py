"""`hemostat plan`: what a run would find and do. Reads the host and the devices; changes nothing and opens no incident."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console

from flows.console import line
from tasks import decide, guards
from tasks.block import ask_for
from tasks.case import Request, to_remote
from tasks.firewalls import Entry, Firewall, load
from tasks.model import Approval, Consent, HemostatError, Outcome, Refused, Verdict
from tasks.own_path import effective_own_path
from tasks.secrets import resolve
from tasks.settings import Host, Site
from tasks.transports import device, reach


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """One device: what its list shows now, and what would be said to it; `outcome` is how a block would end by that."""

    device: str
    state: str
    outcome: Outcome
    commands: tuple[str, ...]
    to_provision: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a run would find and do; `refused` is the guard's answer, empty if it would pass.

    `outcome` is how the block would end: refused, else as the first device that could not be blocked on, else done. `itself` are the
    playbook's words on what is done on the host itself; `unseen` is why there is no verdict.
    """

    host: str
    remote: str
    playbook: str
    refused: str
    verdict: Verdict | None
    devices: tuple[DevicePlan, ...]
    outcome: Outcome
    itself: tuple[str, ...] = ()
    unseen: str = ""


def plan(site: Site, request: Request) -> Shown:
    """Look and tell. A refused remote is not asked about on any device."""
    refused = _refused(site, request)
    devices = () if refused else tuple(_device(site, request, site.host(name)) for name in request.host.firewalls)
    itself = () if refused else tuple(_itself(request))
    outcome = Outcome.REFUSED if refused else _outcome(devices, request.playbook.block.on_host)
    verdict, unseen = _verdict(site, request)
    names = (request.host.name, str(request.remote), request.playbook.name)
    return Shown(*names, refused, verdict, devices, outcome, itself, unseen)


def _itself(request: Request) -> Iterator[str]:
    playbook, host = request.playbook, request.host.name
    if playbook.block.on_host:
        yield f"{host} itself would deny {request.remote.address} too (nftables, else iptables)"
    if (rule := playbook.approval(Consent.ISOLATE)) is not Approval.NEVER:
        reverts = f"by itself after {playbook.isolate.revert_after} s unless a new connection gets through"
        yield f"{host} would be isolated ({rule}); it ends that {reverts}"
    if playbook.collect.memory is not Approval.NEVER:
        yield f"the memory of suspicious processes would be copied ({playbook.collect.memory})"


def _outcome(devices: tuple[DevicePlan, ...], on_host: bool) -> Outcome:
    nowhere = Outcome.DONE if devices or on_host else Outcome.FAILED
    return next((d.outcome for d in devices if not d.outcome.finished), nowhere)


def _refused(site: Site, request: Request) -> str:
    own = effective_own_path(site).addresses
    try:
        guards.admit(request.remote, site.policy, own, request.mode, datetime.now(UTC).date(), request.overrides)
    except Refused as error:
        return f"{error}" + (f" (--override {error.override})" if error.override else "")
    return ""


def _verdict(site: Site, request: Request) -> tuple[Verdict | None, str]:
    try:
        with closing(reach(request.host, site, resolve)) as hands:
            seen = to_remote(hands.connections(), request.remote)
    except HemostatError as error:
        return None, str(error)
    return decide.verdict(request.remote, seen, 1, site.policy, datetime.now(UTC).date()), ""


def _device(site: Site, request: Request, host: Host) -> DevicePlan:
    firewall: Firewall = load(host.platform)
    entry = Entry(request.remote, "plan", 0, host.list_name)
    try:
        with device.opened(host, firewall, resolve, device.lock_folder(site)) as session:
            seen = ask_for(session, firewall, entry)
    except HemostatError as error:
        return DevicePlan(host.name, str(error), error.outcome, ())
    commands = (
        ()
        if seen.present or not seen.enforced
        else tuple(c.stdin or c.text for c in (*firewall.block(entry, seen), *firewall.cut(entry)))
    )
    state = f"{'already denied' if seen.present else 'not denied yet'}; {seen.seen}"
    return DevicePlan(host.name, state, Outcome.DONE if seen.enforced else Outcome.FAILED, commands, seen.missing)


def show(out: Console, shown: Shown) -> None:
    """For a person."""
    out.print(line(f"{shown.host} → {shown.remote}, playbook {shown.playbook}: nothing was changed", "bold"))
    out.print(line(f"guards: {shown.refused or 'pass'}", "magenta" if shown.refused else "green"))
    verdict = (
        f"{shown.verdict.decision}: {'; '.join(shown.verdict.reasons)}"
        if shown.verdict
        else f"it could not be looked at: {shown.unseen}"
    )
    out.print(line(f"host: {verdict}"))
    for text in shown.itself:
        out.print(line(text))
    if not (shown.devices or shown.refused or shown.outcome is Outcome.DONE):
        out.print(
            line(f"{shown.host} has no firewall in the inventory: nothing can be blocked; add firewalls: [NAME]", "red")
        )
    for item in shown.devices:
        out.print(line(f"{item.device}: {item.state}", "" if item.outcome.finished else "red"))
        for text in item.commands:
            out.print(line(f"    would say: {text}"))
        for text in item.to_provision:
            out.print(line(f"    put in place once: {text}", "yellow"))
