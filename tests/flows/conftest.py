"""One Prefect server for all tests of this folder: Prefect's clients keep the first one of a process in mind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import server
from flows.server import Server


@pytest.fixture(scope="package")
def prefect_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site whose server it is."""
    return tmp_path_factory.mktemp("prefect") / "site"


@pytest.fixture(scope="package")
def prefect(prefect_site: Path) -> Iterator[Server]:
    """The running server; its first start takes about ten seconds."""
    before = dict(os.environ)
    with server.running(prefect_site / ".hemostat" / "prefect") as running:
        assert running.wait(), "the Prefect server did not come up; see server.log in its folder"
        yield running
    os.environ.clear()
    os.environ.update(before)
