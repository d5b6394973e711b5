"""`hemostat deploy`: a form on Prefect's pages that starts a run. Knows Prefect's runner; must not know a step.

The form is a deployment of flows/form.py by its module's name: a file's path would load a second copy of it. Its runs are executed by
this process's children, for as long as it lives. For a work pool instead, see prefect.yaml.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from rich.console import Console

from flows import server as prefect_server
from flows.console import line
from tasks import site as sites
from tasks.model import TargetError

NAME = "respond"
# Seconds between two looks for runs that somebody started.
LOOK_EVERY = 2.0


def run(folder: Path, reports: Path, out: Console) -> int:
    """Register the form, and execute what it starts until Ctrl-C. The exit code.

    Raises:
        ConfigError: the site's files are wrong.
        TargetError: Prefect's server does not answer.
    """
    sites.load(folder)
    os.environ |= {"HEMOSTAT_SITE": str(folder), "HEMOSTAT_REPORTS": str(reports)}
    with reachable(folder / ".hemostat" / "prefect") as pages, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(pages, out))
    return 0


@contextlib.contextmanager
def reachable(home: Path) -> Iterator[str]:
    """The pages of the Prefect server to use: PREFECT_API_URL's, that of a running `hemostat serve` or `ui`, else one of our own.

    Raises:
        TargetError: it does not answer.
    """
    running = "" if os.environ.get("PREFECT_API_URL") else _running(home)
    if running:
        os.environ.update(prefect_server.settings(home, running))
    with prefect_server.running(home) as server:
        if not server.wait():
            raise TargetError("reach Prefect", f"{server.url} did not answer in time", f"see {home / 'server.log'}")
        yield server.ui


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


async def _serve(pages: str, out: Console) -> None:
    from prefect.runner import Runner  # imported here: it reads its settings when it is imported

    runner = Runner(name="hemostat", query_seconds=LOOK_EVERY, pause_on_shutdown=True)
    deployment = await register(runner)
    out.print(line(f"the form: {pages}/deployments/deployment/{deployment}/run", "bold"))
    out.print(line("what it starts runs here, until Ctrl-C"))
    await runner.start()


async def register(runner: object) -> UUID:
    """Give the runner the form's deployment; its id."""
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
    return await runner.aadd_deployment(made)
