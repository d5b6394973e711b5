"""The phrase book where people read: pages, report and notices in Chinese, of a journal that stays English."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks import report
from tasks.model import ConfigError
from tasks.notices import Notice, text
from tasks.phrases import say
from tasks.report_spoken import PAIRS, SENTENCES, spoken
from tasks.report_view import View, view
from tests.report import stories
from tests.report.story import Story


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> View:
    """A whole incident."""
    story = Story(tmp_path_factory.mktemp("story"))
    stories.whole(story)
    state, head = story.end()
    return view(state, head)


def test_every_field_that_is_put_into_words_exists() -> None:
    """The tables go by name: a field that was renamed would stay English unnoticed."""
    for kind, names in [*SENTENCES.items(), *PAIRS.items()]:
        assert set(names) <= set(kind.__dataclass_fields__), kind


def test_the_report_is_written_in_chinese(shown: View) -> None:
    """Its own words are Chinese; names, times, hashes and hostile text stay; a reader's software is told the language."""
    html, markdown = report.html(shown, "zh"), report.markdown(shown, "zh")
    for made in (html, markdown):
        assert "时间线" in made and "证据清单" in made and "未决问题" in made and "封锁" in made
        assert shown.head in made and shown.incident_id in made
        for english in (
            "Key facts",
            "Open questions",
            "Way back",
            "What was seen",
            "Time to contain",
            "What could not be seen",
        ):
            assert english not in made
    assert '<html lang="zh-CN">' in html
    assert '<html lang="en">' in report.html(shown)


def test_hostile_text_is_escaped_in_chinese_as_well(shown: View) -> None:
    """A translation is text like any other: nothing of it is markup."""
    evil = "process 5 (<script>alert(1)</script>) runs from a file in a hidden folder"
    seen = tuple(replace(s, finding=replace(s.finding, what=evil)) for s in shown.found)
    made = report.html(replace(shown, found=seen), "zh")
    assert "所运行的文件位于隐藏目录" in made
    assert "<script>" not in made and "&lt;script&gt;" in made


def test_commands_targets_and_hashes_are_never_translated(shown: View) -> None:
    """What a device is told, and where, is no sentence."""
    told = spoken(shown, say("zh"))
    assert [d.action.commands for d in told.deeds] == [d.action.commands for d in shown.deeds]
    assert [s.finding.where for s in told.found] == [s.finding.where for s in shown.found]
    assert told.head == shown.head


def test_an_unknown_language_is_told_with_the_known_ones() -> None:
    """No report in a language that nobody wrote."""
    with pytest.raises(ConfigError, match="en, zh"):
        report.files("fr")


def test_a_notice_in_chinese_says_its_summary_in_chinese() -> None:
    """Who is woken at night reads their own language, in the next step as well."""
    notice = Notice(
        *("approval", "inc-1", 7, "2026-01-01T00:00:00Z", "web-1", "203.0.113.9:443", "beacon", "cleanup", "waiting"),
        summary="cleanup waits for approval of 5 action(s)",
        next="`hemostat approve inc-1`",
    )
    told = text(notice, "zh", "", str)
    assert "清除等待审批：共 5 项操作" in told and "`hemostat approve inc-1`" in told
    assert "cleanup waits for approval" in text(notice, "en", "", str)


def test_the_journal_is_not_touched(tmp_path: Path) -> None:
    """Evidence stays in one language, byte for byte."""
    story = Story(tmp_path)
    stories.whole(story)
    state, head = story.end()
    before = (tmp_path / "journal.jsonl").read_bytes()
    report.html(view(state, head), "zh")
    assert (tmp_path / "journal.jsonl").read_bytes() == before
