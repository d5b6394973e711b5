"""Writes the golden sample again: `python -m tests.report.refresh`, then read the diff before you commit it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tasks import report
from tests.report.stories import STORIES
from tests.report.story import Story

# The real hash changes with every noun's new field; the sample is to change only when the report does.
HEAD = "8ead" * 16
GOLDEN = Path(__file__).parents[2] / "reports" / "golden"


def sample() -> dict[str, str]:
    """The golden files' content by name."""
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        STORIES["whole"](story)
        state, _ = story.end()
    view = report.view(state, HEAD)
    return {"report.md": report.markdown(view), "report.html": report.html(view)}


if __name__ == "__main__":
    for name, text in sample().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
