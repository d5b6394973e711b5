"""One view of the whole drill for the tests that only render it."""

from __future__ import annotations

import pytest

from tasks import report
from tests.report.stories import STORIES
from tests.report.story import Story


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> report.View:
    """The full drill's view."""
    story = Story(tmp_path_factory.mktemp("whole"))
    STORIES["whole"](story)
    return report.view(*story.end())
