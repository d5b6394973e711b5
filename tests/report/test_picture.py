"""The picture's geometry: labels never meet, bars stay on the axis, time never runs backwards."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from tasks.model import Outcome, Step
from tasks.report_picture import AXIS, CHAR, LEFT, RIGHT, Flag, Mark, Picture, draw, merged
from tasks.report_times import Span
from tests.report.scene import START

SECONDS = st.one_of(st.floats(0, 120), st.floats(0, 1e7), st.sampled_from([0.0, 0.0, 1.0]))
LABELS = st.sampled_from(["alert", "opened", "block proved", "approved: cleanup", "asked: cleanup", "taken back"])
MARKS = st.lists(st.builds(lambda s, label: Mark(START + timedelta(seconds=s), label), SECONDS, LABELS), max_size=12)
SPANS = st.lists(
    st.builds(
        lambda step, start, length, outcome: Span(
            step, 1, START + timedelta(seconds=start), START + timedelta(seconds=start + length), outcome
        ),
        st.sampled_from(Step),
        SECONDS,
        SECONDS,
        st.none() | st.sampled_from(Outcome),
    ),
    max_size=9,
)


def drawn(spans: list[Span], marks: list[Mark]) -> Picture:
    return draw(spans, marks, [(s.start, s.end) for s in spans], START, {step.value: "DONE" for step in Step})


def box(flag: Flag) -> tuple[float, float]:
    return flag.x + 8, flag.x + 8 + CHAR * len(flag.label)


@given(spans=SPANS, marks=MARKS)
def test_labels_never_meet(spans: list[Span], marks: list[Mark]) -> None:
    """No label lies on another one, and no mark's line crosses a label below its own."""
    for one, other in combinations(drawn(spans, marks).flags, 2):
        (a, b), (c, d) = box(one), box(other)
        assert one.y != other.y or b <= c or d <= a, f"{one} lies on {other}"
        upper, lower = sorted((one, other), key=lambda f: f.y)
        left, right = box(lower)
        assert upper.y == lower.y or not left < upper.x < right, f"the line of {upper} crosses {lower}"


@given(spans=SPANS, marks=MARKS)
def test_everything_is_on_the_picture(spans: list[Span], marks: list[Mark]) -> None:
    """Bars, marks, ticks and labels stay within the picture's edges."""
    picture = drawn(spans, marks)
    for bar in (b for lane in picture.lanes for b in lane.bars):
        assert bar.x >= LEFT - 0.01
        assert bar.x + bar.width <= LEFT + AXIS + 5
    for flag in picture.flags:
        assert 0 < flag.y < picture.top
        assert box(flag)[1] <= LEFT + AXIS + RIGHT, f"{flag} is cut off"
    for one, other in combinations(picture.ticks, 2):
        assert abs(one.x - other.x) > CHAR * (len(one.label) + len(other.label)) / 2, f"{one} lies on {other}"


@given(spans=SPANS, marks=MARKS)
def test_time_runs_from_left_to_right(spans: list[Span], marks: list[Mark]) -> None:
    """However the axis is broken, a later mark never stands left of an earlier one."""
    picture = drawn(spans, marks)
    assert [f.x for f in picture.flags] == sorted(f.x for f in picture.flags)
    assert len(picture.flags) == len(merged(marks))


def test_a_long_wait_is_cut_short() -> None:
    """A night without work takes little room, and its real length is written there."""
    spans = [
        Span(Step.CONFIRM, 1, START, START + timedelta(seconds=5), Outcome.DONE),
        Span(Step.BLOCK, 1, START + timedelta(hours=9), START + timedelta(hours=9, seconds=5), Outcome.DONE),
    ]
    picture = drawn(spans, [])
    assert [gap.label for gap in picture.gaps] == ["8 h 59 min"]
    assert all(lane.bars[0].width > 200 for lane in picture.lanes[:2])
