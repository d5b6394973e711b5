"""What the command line's tests share: one running range, a fresh site before it for each test, one finished drill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.range import Range
from tests.cli.house import QUICK, House, ended, spawn


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """A range for all tests; its credentials are in the environment, where the site's references look."""
    with (
        pytest.MonkeyPatch.context() as patch,
        Range(tmp_path_factory.mktemp("cli") / "range", "keepalive", 0.2) as running,
    ):
        for name, value in {
            **running.environment,
            "HEMOSTAT_TEST_WRONG": "wrong",
            "HEMOSTAT_OPERATOR": "olive",
        }.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def house(lab: Range, tmp_path: Path) -> Iterator[House]:
    """A faultless site of its own for one test; the device is left as it was found."""
    made = House(tmp_path / "site", lab)
    lab.write_site(made.folder)
    made.merge("playbooks/beacon.yaml", QUICK)
    lab.faults()
    before = made.configuration()
    yield made
    lab.faults()
    for folder in made.incidents:
        if made.configuration() != before:
            made.say("undo --yes --override unverified --override shared", folder.name)
    assert made.configuration() == before, "the test left the device changed"


@pytest.fixture(scope="session")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished drill; what it told a program is in said.json, two folders up.

    `undo` is tried on it, which no reading test minds; who damages it makes a copy.
    """
    folder = tmp_path_factory.mktemp("drill")
    words = ("drill", "--yes", "--no-prefect", "--no-windows", "--interval", "0.2", "--json", "--reports", "reports")
    said = ended(spawn(*words, cwd=folder))
    assert said.code == 0, said.text
    (folder / "said.json").write_text(said.out)
    return next((folder / "reports").iterdir())
