"""The report never claims more than the journal shows, at whatever record the journal stops."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tasks.fold
from tasks import report
from tasks.fold import fold
from tasks.journal import Record
from tasks.model import Json
from tasks.phrases import LANGUAGES
from tasks.report_lines import known_kinds
from tests.report.stories import STORIES
from tests.report.story import Story

# What the Markdown must say, and must not say, of each journal.
MUST = {
    "whole": (
        "This was a drill",
        "Time to contain | 13.3 s",
        "Time to clean | 1 min 18 s",
        "Waited for people | 41.0 s",
    ),
    "rejected": ("the update mirror", "The host was not looked at", "Nothing was done"),
    "unsure": ("a short beacon may have been missed", "Nothing was checked", "Not sealed"),
    "by_hand": (
        "No verdict",
        "none: opened by hand",
        "The host was not looked at",
        "Everything: the host was not read",
    ),
    "refused": (
        "Guards that were lifted",
        "own-path",
        "Overrides | unsure",
        "a person lifted the guard unsure",
        "not reached: not blocked",
    ),
    "failed": ("has no receipt", "not known: begun, no receipt", "not reached: block not proved"),
    "resumed": ("found done after an interruption", "torn last line", "looked again since", "attempt 4"),
    "unproved": ("could not be answered", "**unknown**", "not reached: block partly proved"),
    "waiting": ("not answered yet", "cleanup planned and did not do", "hemostat approve"),
    "declined": ("refused by li.wei", "talk to the owner"),
    "dirty": ("**fail**", "7 packets", "not reached: verify FAILED"),
    "skipped": ("verify was skipped", "the host was rebuilt", "Not looked at again"),
    "undone": ("Taken back | changed", "the entry is gone", "still open"),
    "not_undone": ("the device refused", "taking back block on fw-1", "still open"),
    "relapsed": ("line 3 is active again", "No action answers this finding (score 84)", "still open"),
    "rule_gone": ("not in the list", "still open"),
    "quiet_counter": ("The block check “counter on fw-1” could not be answered",),
    "unknown_kind": ("from.the.future", "1. Noted: web-7: the owner was called"),
}
MUST_NOT = {
    "clean": (
        "rejected",
        "unsure",
        "by_hand",
        "refused",
        "failed",
        "unproved",
        "waiting",
        "skipped",
        "dirty",
        "undone",
    ),
}


def told(name: str, folder: Path) -> tuple[list[Record], str]:
    story = Story(folder)
    STORIES[name](story)
    state, head = story.end()
    return state.records, report.markdown(report.view(state, head)).replace("\\", "")


@pytest.mark.parametrize("name", STORIES)
def test_says_what_is_so(name: str, tmp_path: Path) -> None:
    """Each journal's report holds the sentences that a reader needs most."""
    _, text = told(name, tmp_path)
    for sentence in MUST[name]:
        assert sentence in text, f"the report of {name} does not say {sentence!r}"


@pytest.mark.parametrize("name", MUST_NOT["clean"])
def test_never_calls_it_clean(name: str, tmp_path: Path) -> None:
    """Where verification did not pass, the word clean stands only beside its denial."""
    _, text = told(name, tmp_path)
    head = text.split("## Key facts")[0]
    for match in re.finditer(r"[^.;|]*\bclean\b", head):
        assert re.search(r"\bnot\b|\bno\b", match[0]), f"{name} is called clean: {match[0]!r}"
    assert "verification passed;" not in head


def test_every_prefix_of_a_journal_renders(tmp_path: Path) -> None:
    """A crash after any record leaves a journal whose report claims a block, a seal and a clean host only once they are proved."""
    records, _ = told("undone", tmp_path)
    kinds = [r.kind for r in records]
    verified = next(i for i, r in enumerate(records) if r.kind == "step.ended" and r.data["step"] == "verify")
    proved = next(i for i, r in enumerate(records) if r.kind == "step.ended" and r.data["step"] == "block")
    undo = next(i for i, r in enumerate(records) if r.kind == "intent" and r.data["step"] == "undo")
    for length in range(1, len(records) + 1):
        view = report.view(fold(records[:length]), records[length - 1].hash)
        assert report.html(view)
        line, metrics = view.verdict_line, {m.name: m for m in view.metrics}
        assert line.startswith("Contained") == (proved < length <= undo), f"after record {length - 1}: {line}"
        assert line.startswith("Contained and verified") == (verified < length <= undo), f"after record {length - 1}"
        assert metrics["Time to evidence"].reached == ("evidence.sealed" in kinds[:length])
        assert bool(view.seal) == ("evidence.sealed" in kinds[:length])


def test_every_kind_of_record_has_words() -> None:
    """Each kind in the journal's vocabulary has its line in the timeline."""
    table = (tasks.fold.__doc__ or "").split("|---|---|---|")[1]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("|")]
    kinds = {kind for row in rows for kind in re.findall(r"[a-z_]*\.?[a-z_]+", row)}
    known = {part for kind in known_kinds() for part in (kind, "." + kind.partition(".")[2])}
    assert kinds <= known, "give these kinds words in tasks/report_lines.py"


# What serve writes beside the steps, as it writes it.
BY_SERVE: tuple[tuple[str, dict[str, Json], str], ...] = (
    ("linked", {"incident": "20261101-101112-a0000", "why": "an earlier incident of web-7"}, "see also incident 2026"),
    ("alerts", {"count": 3, "last": "2026-11-02T10:00:00Z", "since_undo": 0}, "3 alerts of this by now"),
    ("alerts", {"count": 5, "last": "2026-11-02T10:05:00Z", "since_undo": 2}, "still talking since the undo: 2 alerts"),
    ("order", {"asked": "redo", "by": "anna", "arguments": {}, "order": "0a" * 16}, "a person asked on a page: redo"),
    ("order.done", {"order": "0a" * 16, "answer": "verify runs again"}, "verify runs again"),
    ("resumed", {"by": "anna", "reason": "the line is back", "order": "0b" * 16}, "a person let the run go on"),
    ("goes.on", {"why": "the alert came again"}, "the run goes on"),
)


@pytest.mark.parametrize(("kind", "data", "line"), BY_SERVE, ids=[f"{n}-{row[0]}" for n, row in enumerate(BY_SERVE)])
def test_what_serve_writes_beside_the_steps_has_its_line(
    kind: str, data: dict[str, Json], line: str, tmp_path: Path
) -> None:
    """A second incident of a host, an alert that came again, a person's order: the record renders, in both languages."""
    story = Story(tmp_path)
    STORIES["waiting"](story)
    story.say(kind, 1.0, **data)
    view = report.view(*story.end())
    assert line in view.timeline[-1].what
    assert all(report.html(view, language) for language in LANGUAGES)


def test_metrics_add_up(tmp_path: Path) -> None:
    """Waiting, working and standing still are the whole time from the first record to the last."""
    story = Story(tmp_path)
    STORIES["resumed"](story)
    state, head = story.end()
    shown = {m.name: m.value for m in report.view(state, head).metrics}
    assert shown["Stood still"] == "2 h 01 min"
    assert shown["Machine time"] == "28.3 s"
    assert shown["Waited for people"] == "0.0 s"
