"""`hemostat deploy`: a form on Prefect's pages that starts a run. Knows Prefect's runner; must not know a step.

The form is a deployment of flows/form.py by its module's name: a file's path would load a second copy of it. Its runs are executed by
this process's children, for as long as it lives. For a work pool instead, see prefect.yaml.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console

from flows import server as prefect_server
from flows.console import line
from tasks import site as sites
from tasks.model import TargetError
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
    with reachable(home) as server, contextlib.suppress(KeyboardInterrupt):
        if not foreign:
            out.print(line(f"Prefect's pages ask for the line in {server.password_file}; who has it may start runs"))
        asyncio.run(_serve(site, server.ui, out))
    return 0


@contextlib.contextmanager
def reachable(home: Path) -> Iterator[prefect_server.Server]:
    """The Prefect server to use: PREFECT_API_URL's, that of a running `hemostat serve` or `ui`, else one of our own.

    Raises:
        TargetError: it does not answer.
    """
    running = "" if os.environ.get("PREFECT_API_URL") else _running(home)
    if running:
        os.environ.update(prefect_server.settings(home, running))
    with prefect_server.running(home) as server:
        if not server.wait():
            raise TargetError("reach Prefect", f"{server.url} did not answer in time", f"see {home / 'server.log'}")
        yield server


def _running(home: Path) -> str:
    """The API of this site's server, if one runs: it answers at its address, and to our password."""
    try:
        url, password = (home / "url").read_text(), (home / "auth").read_text()
        ask = urllib.request.Request(f"{url}/admin/version")  # noqa: S310 - our own file, http on loopback
        ask.add_header("Authorization", "Basic " + base64.b64encode(password.encode()).decode())
        with urllib.request.urlopen(ask, timeout=2) as answer:  # noqa: S310 - the same
            return url if answer.status == 200 else ""
    except (OSError, ValueError, urllib.error.URLError):
        return ""


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
