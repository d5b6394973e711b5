"""What the views make of journals: where an incident stands, what may be ordered, figures. Pure: no server, no file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from flows.inbox import Order
from flows.web import views, views_metrics, words
from flows.web.views import Filter, Row, Stand
from flows.web.views_incident import choices, sheet
from tasks.state import State
from tests.report.stories import STORIES
from tests.report.story import Story

CASES = YAML(typ="safe", pure=True).load(Path(__file__).with_name("stands.yaml"))
OPENED = datetime(2026, 3, 14, tzinfo=UTC)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], State]:
    """The state of a story."""

    def told(name: str) -> State:
        story = Story(tmp_path_factory.mktemp(name))
        STORIES[name](story)
        return story.end()[0]

    return told


@pytest.mark.parametrize("name", CASES)
def test_where_it_stands_and_what_may_be_ordered(state: Callable[[str], State], name: str) -> None:
    """Each story stands as its case says, and offers exactly those orders."""
    found, case = state(name), CASES[name]
    row = views.row(found, name)
    offered = {c.kind: list(c.steps) for c in choices(found)}
    assert (row.stand.word, row.stand.step, row.outcome, row.held) == tuple(case["stands"])
    assert offered == case["offers"]


def test_every_story_has_its_case() -> None:
    """A new story gets a case here."""
    assert set(STORIES) - set(CASES) == set(), "add these stories to tests/web/stands.yaml"


def test_contained_is_said_only_of_what_is_proved(state: Callable[[str], State]) -> None:
    """No story without a proved block has a time of containment that the list would show in green."""
    for name in STORIES:
        row = views.row(state(name), name)
        if row.held != "proved":
            assert row.stand.word not in ("stand.clean", "stand.contained"), name


def test_where_it_stopped_says_why_and_since_when_it_waits(state: Callable[[str], State]) -> None:
    """Whoever opens the page at night reads what the step said of its end, and how long a question has been waiting."""
    assert views.stand(state("refused")).why == "refused by the guard own-path: 203.0.113.66 is the runner's DNS server"
    waiting = state("waiting")
    (asked,) = [r.time for r in waiting.records if r.kind == "approval.asked"]
    assert [card.asked for card in sheet(waiting, "x", ()).cards] == [asked]


def test_an_answer_on_its_way_takes_its_card_away(state: Callable[[str], State]) -> None:
    """While an order with that plan's digest waits, nobody is asked a second time; when it failed, they are."""
    found = state("waiting")
    digest = found.plans["cleanup"].digest
    order = Order("1", "x", "approve", {"digest": digest}, "ada", OPENED)
    assert len(sheet(found, "x", ()).cards) == 1
    assert sheet(found, "x", (order,)).cards == ()
    done = Order("1", "x", "approve", {"digest": digest}, "ada", OPENED, OPENED, "not done: it changed")
    assert len(sheet(found, "x", (done,)).cards) == 1


def test_a_guard_that_the_run_names_can_be_lifted(state: Callable[[str], State]) -> None:
    """The word after --override, from the step's end or the last order's answer, and no other."""
    found = state("refused")
    answer = "not done: refused by the guard x; if you are sure: --override shared"
    order = Order("1", "x", "undo", {}, "ada", OPENED, OPENED, answer)
    (redo,) = [c for c in choices(found, (order,)) if c.kind == "redo"]
    assert redo.overrides == ("shared",)
    assert all(c.overrides == () for c in choices(found) if c.kind != "undo")


ROWS = st.builds(
    Row,
    id=st.text("0123456789abc", min_size=1, max_size=5),
    opened=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),
    to_contain=st.none() | st.timedeltas(timedelta(0), timedelta(days=4000)),
    human=st.timedeltas(timedelta(0), timedelta(days=4000)),
    machine=st.timedeltas(timedelta(0), timedelta(days=4000)),
    stand=st.sampled_from([Stand("stand.clean", "good"), Stand("stand.rejected", "good"), Stand("stand.asks", "held")]),
    held=st.sampled_from(["proved", "none"]),
)


@given(st.lists(ROWS, max_size=12))
def test_the_pictures_stay_in_their_frames(rows: list[Row]) -> None:
    """Whatever the times are, every dot, bar and label lies within the picture, and every incident is counted once."""
    made = views_metrics.metrics(rows)
    for chart in (made.contain, made.work, made.outcomes):
        assert all(0 <= d.x <= chart.width and 0 <= d.y <= chart.height for d in chart.dots)
        assert all(b.x >= 0 and b.y >= 0 and b.y + b.height <= chart.bottom + 1 for b in chart.boxes)
        assert all(0 <= t.at <= chart.width for t in chart.below)
        assert all(0 <= t.at <= chart.height for t in chart.beside)
    assert sum(p.incidents for p in made.periods) == len(rows)
    assert all(sum(p.kinds) == p.incidents for p in made.periods)


@given(st.lists(st.tuples(st.text(), st.text())))
def test_any_query_is_a_filter(pairs: list[tuple[str, str]]) -> None:
    """Whatever stands in the address, filtering does not fail."""
    assert Filter.of(pairs).fits(Row("a", OPENED, stand=Stand("stand.clean", "good"))) in (True, False)


@given(st.text(), st.text())
def test_any_header_chooses_a_language(asked: str, accepted: str) -> None:
    """Cookie and Accept-Language are anybody's: one of the two languages comes out."""
    assert words.choose(asked, accepted, "en") in words.LANGUAGES


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("", "", "en"),
        ("zh", "en", "zh"),
        ("xx", "zh-TW", "zh"),
        ("", "fr,zh;q=0.3,en;q=0.8", "en"),
        ("", "zh;q=0", "en"),
        ("", "fr", "en"),
    ],
)
def test_the_language_is_the_readers(asked: str, accepted: str, language: str) -> None:
    """The cookie before the browser, the best liked before the others, the usual one else."""
    assert words.choose(asked, accepted, "en") == language
