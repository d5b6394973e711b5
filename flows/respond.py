"""The `respond` flow: the seven steps as Prefect tasks. Prefect shows, tags and keeps history; the journal alone decides what is done."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed, Paused

from flows.launch import CURRENT, Launch
from tasks.case import Case, reopened
from tasks.model import Outcome, Step, StepEnd, inert
from tasks.report import escape

AWAITING = "AwaitingApproval"


@flow(name="respond", flow_run_name="respond {incident}", persist_result=False)
async def respond(
    incident: str, host: str, remote: str, playbook: str, operator: str, mode: str, folder: str
) -> State[Any]:
    """Run what is left of an incident; what is over is shown as it ended.

    Args:
        incident: its id.
        host: the victim's inventory name.
        remote: the indicator, as address or address:port.
        playbook: the playbook's name.
        operator: who opened it.
        mode: live or drill.
        folder: the incident's folder, which holds the journal. All that counts is read from there; the other parameters are for
            whoever reads Prefect's pages.
    """
    return await shown(Path(folder), CURRENT.get() or Launch(), "respond")


async def shown(folder: Path, launch: Launch, name: str) -> State[Any]:
    """Run what is left of the incident as tasks of the flow run that is current, whose flow has that name."""
    with reopened(folder) as case:
        case.record("prefect", flow_run=str(flow_run.id), flow=name)
        end = await _steps(case, launch, [f"incident:{case.incident.id}", f"host:{case.host.name}"])
    if end is not None and end.outcome is Outcome.WAITING:
        await _pause(end)
    return _task_state(end) if end else Completed(name="NothingToDo")


async def _steps(case: Case, launch: Launch, tags: list[str]) -> StepEnd | None:
    end: StepEnd | None = None
    for step in Step:
        if step in case.state.skipped:
            continue
        if launch.rest.is_set() and not case.state.done(step):
            break
        named = one_step.with_options(name=step.value, task_run_name=f"{step} {case.host.name}", tags=tags)
        await named(case, launch, step, return_state=True)  # type: ignore[misc]
        end = case.state.ends[step]
        if not end.outcome.finished:
            break
    return end


@task(persist_result=False, cache_policy=NO_CACHE)
async def one_step(case: Case, launch: Launch, step: Step) -> State[Any]:
    """One step; one that is over is shown as it ended and not executed again."""
    log = get_run_logger()
    try:
        end = await asyncio.to_thread(launch.turn, case, step)
    except asyncio.CancelledError:
        launch.stop.set()  # Ctrl-C: the thread looks at it before every act and while it asks
        raise
    log.info("%s: %s", end.outcome.label, inert(end.summary))
    await _artifact(case, end)
    return _task_state(end)


async def _artifact(case: Case, end: StepEnd) -> None:
    """The step's card on Prefect's pages. A page that cannot be written is no reason to stop."""
    text = f"## {end.step} on {escape(case.host.name)}: {end.outcome.label}\n\n{escape(end.summary)}\n\n{escape(end.next)}\n"
    with suppress(Exception):
        await acreate_markdown_artifact(
            text, key=f"{end.step}-{case.incident.id}", description=f"{end.step}, incident {case.incident.id}"
        )


def _task_state(end: StepEnd) -> State[Any]:
    """The outcome as the state's name; its type tells Prefect whether the step is over."""
    name, message = end.outcome.name.title().replace("_", ""), inert(end.summary)
    if end.outcome.finished:
        return Completed(name=name, message=message)
    # A task run cannot pause by itself (its flow run does), and nothing has failed when a guard or a person holds it up.
    held = end.outcome in (Outcome.REFUSED, Outcome.WAITING)
    return (Cancelled if held else Failed)(name=name, message=message)


async def _pause(end: StepEnd) -> None:
    """Pause the flow run without holding a process; an approval runs the same one again.

    The state is set by ourselves: raising Pause alone leaves the run Running in Prefect's database (measured with 3.8.8).
    """
    state: State[Any] = Paused(name=AWAITING, message=inert(end.summary), reschedule=False)
    async with get_client() as client:
        await client.set_flow_run_state(UUID(str(flow_run.id)), state, force=True)
    raise Pause(state=state)
