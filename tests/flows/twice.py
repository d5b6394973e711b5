"""Executes one flow run of the form twice, in a process of its own: Prefect's engine leaves threads and sockets behind in its process."""

from __future__ import annotations

import asyncio

from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow_async
from prefect.states import Pending

from flows.form import respond_from_form

PARAMETERS = {"host": "victim", "remote": "203.0.113.77", "playbook": "beacon", "reason": ""}


async def twice() -> None:
    """As Prefect does after a crash of its runner."""
    async with get_client() as client:
        run = await client.create_flow_run(respond_from_form, parameters=PARAMETERS, state=Pending())
        for _ in range(2):
            await run_flow_async(respond_from_form, flow_run=run, parameters=PARAMETERS, return_type="state")
            await client.set_flow_run_state(run.id, Pending(name="Again"), force=True)
            run = await client.read_flow_run(run.id)


if __name__ == "__main__":
    asyncio.run(twice())
