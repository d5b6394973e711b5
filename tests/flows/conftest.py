"""One Prefect server for all tests of this folder: Prefect's clients keep the first one of a process in mind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import server
from flows.server import Server
from tests.patience import BUSY


@pytest.fixture(scope="session")
def prefect_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site whose server it is."""
    return tmp_path_factory.mktemp("prefect") / "site"


@pytest.fixture(scope="session")
def prefect_server(prefect_site: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """The running server and the environment that leads to it; its first start takes about ten seconds."""
    before = dict(os.environ)
    with server.answering(prefect_site / ".hemostat" / "prefect") as running:
        # A busy machine's server takes longer than a run may wait for it, or says 503 while its SQLite is locked (seen); these tests
        # want to see what it shows in the end.
        os.environ.update({"PREFECT_API_REQUEST_TIMEOUT": str(5 * BUSY), "PREFECT_CLIENT_MAX_RETRIES": "4"})
        ways = {name: value for name, value in os.environ.items() if before.get(name) != value}
        _restore(before)
        yield running, ways
    _restore(before)


@pytest.fixture(scope="module")
def prefect(prefect_server: tuple[Server, dict[str, str]]) -> Iterator[Server]:
    """The server, with its environment for the tests of one file and no others."""
    running, ways = prefect_server
    if not running.alive:  # another file's test has killed it
        running.revive()
        assert running.wait(), "the Prefect server did not come up again"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ways.items():
            patch.setenv(name, value)
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()
        yield running


def _restore(before: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(before)
