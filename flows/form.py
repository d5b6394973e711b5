"""The flow behind Prefect's own form: a person names host and remote there, and a real incident opens. Knows doors; no step's inside."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Failed

from flows import doors
from flows.launch import Launch, urgent
from flows.respond import shown
from tasks.case import opened
from tasks.journal import NAME, first_data
from tasks.model import HemostatError, inert

NAMED = "respond-from-form"
# Where the site and its incidents stand: for the process that runs the flow to say, never for the form.
SITE, REPORTS = "HEMOSTAT_SITE", "HEMOSTAT_REPORTS"


@flow(name=NAMED, flow_run_name="respond {host} {remote}", persist_result=False)
async def respond_from_form(host: str, remote: str, playbook: str = "beacon", reason: str = "") -> State[Any]:
    """Open an incident for one host and run the seven steps, through the same door and guards as `hemostat respond`.

    A run that is executed again goes on with the incident that it opened. One that waits for an approval is Paused; approve on the review
    pages or with `hemostat approve`.

    Args:
        host: The victim's name in the inventory.
        remote: The address that it must not talk to, as seen on the wire: IP or IP:PORT.
        playbook: A file of playbooks/, without its suffix.
        reason: Why, for the postmortem.
    """
    log = get_run_logger()
    try:
        folder, launch = await asyncio.to_thread(_contain, _name(), host, remote, playbook, reason)
    except HemostatError as error:
        log.error("nothing was done: %s", inert(error))
        return Failed(name=error.outcome.name.title(), message=inert(error))
    log.info("incident %s", folder.name)
    return await shown(folder, launch, NAMED)


def _name() -> str:
    """The incident's id: always the same one for a flow run."""
    at = flow_run.scheduled_start_time or datetime.now(UTC)
    return f"{at.astimezone(UTC):%Y%m%d-%H%M%S}-{at.microsecond // 1000:03d}{UUID(str(flow_run.id)).hex[:8]}"


def _contain(name: str, host: str, remote: str, playbook: str, reason: str) -> tuple[Path, Launch]:
    """Open the incident unless this run did so before, and stop its bleeding before Prefect hears of any step."""
    site = Path(os.environ.get(SITE, "")).absolute()
    reports = Path(os.environ.get(REPORTS) or site / "reports")
    launch = Launch()
    if first_data(reports / name / NAME):
        return reports / name, launch
    known, request = doors.by_hand(site, host, remote, playbook, reason or "started from Prefect's form")
    with opened(reports, known, replace(request, id=name)) as case:
        urgent(case, launch)
    return reports / name, launch
