"""Runs the respond flow in this process, as a new flow run or the incident's earlier one. Knows Prefect's client; no step."""

from __future__ import annotations

from contextlib import suppress
from inspect import isawaitable
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound, Pause
from prefect.flow_engine import run_flow_async
from prefect.logging.handlers import APILogHandler
from prefect.states import Pending

from flows.respond import respond
from tasks.case import load_state
from tasks.model import Json
from tasks.state import State

FLUSH_WITHIN = 5.0


async def run_flow(folder: Path) -> None:
    """Run the flow for the incident in that folder, in the caller's event loop.

    The incident's flow run is one for all its launches, so that Prefect's pages show one history. Its states are forced, for our
    journal and not Prefect's database says whether it may go on.
    """
    state = load_state(folder)
    async with get_client() as client:
        run = await _earlier(client, state) or await _new(client, folder, state)
        if run.state is None or not run.state.is_pending():
            await client.set_flow_run_state(run.id, Pending(name="Resuming"), force=True)
            run = await client.read_flow_run(run.id)
    try:
        with suppress(Pause):  # the flow's own word for "waits for approval"
            await run_flow_async(respond, flow_run=run, parameters=parameters(folder, state), return_type="state")
    finally:
        await _flush()


async def _flush() -> None:
    """Task states and logs are sent in the background; our server ends soon, so they must be out before."""
    await APILogHandler.aflush()
    pending = EventsWorker.drain_all(timeout=FLUSH_WITHIN, at_exit=False)
    if isawaitable(pending):
        await pending


def parameters(folder: Path, state: State) -> dict[str, Json]:
    """What Prefect shows of the incident. No secret is ever among it."""
    incident = state.incident
    return {
        "incident": incident.id,
        "host": incident.host,
        "remote": str(incident.remote),
        "playbook": incident.playbook,
        "operator": incident.operator,
        "mode": incident.mode.value,
        "folder": str(folder.resolve()),
    }


async def _new(client: PrefectClient, folder: Path, state: State) -> FlowRun:
    incident = state.incident
    return await client.create_flow_run(
        respond,
        name=f"respond {incident.id}",
        parameters=parameters(folder, state),
        tags=[f"incident:{incident.id}", f"host:{incident.host}", incident.mode.value],
        state=Pending(),
    )


async def _earlier(client: PrefectClient, state: State) -> FlowRun | None:
    if not state.flow_run:
        return None
    try:
        return await client.read_flow_run(UUID(state.flow_run))
    except ObjectNotFound:
        return None
