"""`hemostat deploy`: a form on Prefect's pages that starts a run. Knows Prefect's runner; must not know a step.

The form is a deployment of flows/form.py by its module's name: a file's path would load a second copy of it. Its runs are executed by
this process's children, for as long as it lives. For a work pool instead, see prefect.yaml.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console

from flows.console import line
from flows.server import answering
from tasks import site as sites
from tasks.settings import Site

NAME = "respond"
# Seconds between two looks for runs that somebody started.
LOOK_EVERY = 2.0


def run(folder: Path, reports: Path, out: Console) -> int:
    """Register the form, and execute what it starts until Ctrl-C. The exit code.

    Raises:
        ConfigError: the site's files are wrong.
        TargetError: Prefect's server does not answer.
    """
    site = sites.load(folder)
    os.environ |= {"HEMOSTAT_SITE": str(folder), "HEMOSTAT_REPORTS": str(reports)}
    home, foreign = folder / ".hemostat" / "prefect", os.environ.get("PREFECT_API_URL")
    with answering(home) as server, contextlib.suppress(KeyboardInterrupt):
        if not foreign:
            out.print(line(f"Prefect's pages ask for the line in {server.password_file}; who has it may start runs"))
        asyncio.run(_serve(site, server.ui, out))
    return 0


async def _serve(site: Site, pages: str, out: Console) -> None:
    from prefect.runner import Runner  # imported here: it reads its settings when it is imported

    runner = Runner(name="hemostat", query_seconds=LOOK_EVERY, pause_on_shutdown=True)
    deployment = await register(runner, site)
    out.print(line(f"the form: {pages}/deployments/deployment/{deployment}/run", "bold"))
    out.print(line("what it starts runs here, until Ctrl-C"))
    await runner.start()


async def register(runner: object, site: Site) -> UUID:
    """Give the runner the form's deployment, with the site's hosts and playbooks to choose from; its id."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate
    from prefect.runner import Runner
    from prefect.types.entrypoint import EntrypointType

    from flows.form import respond_from_form

    assert isinstance(runner, Runner)
    made = await respond_from_form.ato_deployment(
        NAME,
        description="Open an incident for one host, and run the seven steps.",
        tags=["hemostat"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    deployment = await runner.aadd_deployment(made)
    async with get_client() as client:
        schema = (await client.read_deployment(deployment)).parameter_openapi_schema or {}
        choices = DeploymentUpdate.model_validate({"parameter_openapi_schema": offering(schema, site)})
        await client.update_deployment(deployment, choices)
    return deployment


def offering(schema: dict[str, Any], site: Site) -> dict[str, Any]:
    """The form's schema with what the site has to choose from. The flow checks each word again: an inventory may change meanwhile."""
    made = copy.deepcopy(schema)
    firewalls = {name for host in site.hosts.values() for name in host.firewalls}
    for field, names in (("host", site.hosts.keys() - firewalls), ("playbook", site.playbooks)):
        made["properties"][field]["enum"] = sorted(names)
    if "beacon" not in site.playbooks:
        made["properties"]["playbook"].pop("default")
        made["required"].append("playbook")
    return made
