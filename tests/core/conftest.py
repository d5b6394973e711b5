"""What the tests of remedies share: a victim with a case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.desk import sit_down
from tests.core.victim import Victim


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    root = tmp_path / "victim"
    root.mkdir()
    case = sit_down(tmp_path / "incident", root)
    yield Victim(root, case)
    case.close()
