"""Writes the golden sample again: `python -m tests.report.refresh`, then read the diff before you commit it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tasks import report
from tests.report.stories import STORIES
from tests.report.story import Story

GOLDEN = Path(__file__).parents[2] / "reports" / "golden"


def sample() -> dict[str, str]:
    """The golden files' content by name."""
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        STORIES["whole"](story)
        view = report.view(*story.end())
    return {"report.md": report.markdown(view), "report.html": report.html(view)}


if __name__ == "__main__":
    for name, text in sample().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
