"""What the tests of serve share: one running range, and a site of its own before it for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.range import Range
from tests.serve.house import Office


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """One range for a file of tests; its credentials are in the environment, where a site's references look."""
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch, Range(folder / "range", "keepalive", 5.0) as running:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def office(lab: Range, tmp_path: Path) -> Iterator[Office]:
    """Three hosts behind the laboratory's ASA."""
    made = Office(tmp_path / "site", lab)
    made.furnish(3)
    lab.faults()
    yield made
    lab.faults()
