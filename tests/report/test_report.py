"""The report from whole, broken and hostile journals: it says what is so, and never more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks import report
from tests.report.refresh import GOLDEN, sample
from tests.report.stories import STORIES
from tests.report.story import Story

SAYS = {
    "whole": "Contained and verified: web-7 no longer talks to 203.0.113.66:8443.",
    "rejected": "Not confirmed: the alert on web-7 does not describe an incident.",
    "unsure": "Not blocked: confirm WAITING.",
    "by_hand": "Not blocked: confirm not run.",
    "refused": "Not blocked: block REFUSED.",
    "failed": "Block not proved: block begun, no end written.",
    "resumed": "Contained, not verified clean: collect not run.",
    "unproved": "Block partly proved: triage not run.",
    "waiting": "Contained, not verified clean: cleanup WAITING.",
    "declined": "Contained, not verified clean: cleanup REFUSED.",
    "dirty": "Contained, not verified clean: verify FAILED.",
    "skipped": "Contained, not verified clean: verify SKIPPED.",
    "undone": "Open: the block was taken back, so web-7 can reach 203.0.113.66:8443 again.",
    "not_undone": "In doubt: an undo began and did not take all of the block back; read 203.0.113.66:8443 from the devices.",
    "relapsed": "Contained, not verified clean: something was changed or taken back since.",
    "rule_gone": "Block does not hold: verify FAILED.",
    "quiet_counter": "Contained, not verified clean: triage not run.",
    "unknown_kind": "Not blocked: confirm not run.",
}


def test_every_story_has_a_verdict_line() -> None:
    """A new variant of the journal cannot be added without saying what its report shall claim."""
    assert SAYS.keys() == STORIES.keys()


@pytest.mark.parametrize("name", STORIES)
def test_verdict_line(name: str, tmp_path: Path) -> None:
    """Each journal gets its own honest line, and both renderings carry it."""
    story = Story(tmp_path)
    STORIES[name](story)
    shown = report.view(*story.end())
    assert shown.verdict_line == SAYS[name]
    assert SAYS[name] in report.html(shown)
    assert SAYS[name] in report.markdown(shown)


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_golden_sample(name: str) -> None:
    """The sample that people read in the repository is what this version writes."""
    golden = (GOLDEN / name).read_text(encoding="utf-8")
    assert sample()[name] == golden, "if this is meant: `python -m tests.report.refresh`, read the diff, commit it"
