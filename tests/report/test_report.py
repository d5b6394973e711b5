"""The report from whole, broken and hostile journals: it says what is so, and never more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks import report
from tasks.model import Action, Finding, Receipt
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


def test_paths_of_a_drill_are_short(tmp_path: Path) -> None:
    """Paths below the victim's root are written from there, the root itself is told once, other paths stay whole."""
    root = "/srv/reports/drill/range/victim"
    story = Story(tmp_path, {"path": f"{root}/home/deploy/.x"})
    STORIES["whole"](story)
    state, head = story.end()
    state.host["root"] = root
    text = report.markdown(report.view(state, head))
    assert "`⟨root⟩/home/deploy/.x (pid 4242)`" in text
    assert "`/proc/4242/exe`" in text
    assert text.count(root) == 1, "the root itself stands in the key facts alone"


def test_an_action_on_a_file_answers_its_lines(tmp_path: Path) -> None:
    """Putting a whole unit file off answers a finding on a line of it; a finding on another file stays open."""
    story = Story(tmp_path)
    story.open()
    for path in ("/etc/systemd/system/a.service", "/etc/systemd/system/b.service"):
        finding = Finding("unit", "starts it", f"{path}:5", "why", 90, "high", "T1543.002", {"path": path, "line": 5})
        story.say("finding", finding=finding, phase="first")
    unit = "/etc/systemd/system/a.service"
    action = Action("1", "autostart.file", "web-7", unit, "starts it", facts={"path": unit})
    story.act("cleanup", action, Receipt("1", True, True, "gone"))
    found = {s.finding.where: s.answer for s in report.view(*story.end()).found}
    assert found == {
        "/etc/systemd/system/a.service:5": "an action answered it",
        "/etc/systemd/system/b.service:5": "no action answers it",
    }


@pytest.mark.parametrize(
    ("refused", "says"),
    [(False, "an action that waits for approval would answer it"), (True, "no action answers it")],
)
def test_an_action_that_waits_for_approval_is_no_missing_one(tmp_path: Path, refused: bool, says: str) -> None:
    """While the card stands, its findings say that an action would answer them; after a no, that none does."""
    story = Story(tmp_path)
    story.open()
    path = "/etc/systemd/system/a.service"
    finding = Finding("unit", "starts it", f"{path}:5", "why", 90, "high", "T1543.002", {"path": path, "line": 5})
    story.say("finding", finding=finding, phase="first")
    action = Action("1", "autostart.file", "web-7", path, "starts it", facts={"path": path})
    story.say("plan", step="cleanup", actions=[action], digest="c1ea" * 16, blast={})
    story.say("approval.asked", step="cleanup", digest="c1ea" * 16)
    if refused:
        story.say("approval.refused", step="cleanup", digest="c1ea" * 16, by="li.wei", via="test", reason="no")
    (seen,) = report.view(*story.end()).found
    assert seen.answer == says
