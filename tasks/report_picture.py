"""The geometry of the timeline's picture: lanes, bars, marks, a broken time axis. Pure numbers; the markup is the template's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from tasks.model import Step
from tasks.report_lines import TONES, duration, since
from tasks.report_times import Span, Stretch, total, union

LEFT, AXIS, RIGHT = 156.0, 684.0, 160.0
LANE, ROW = 34.0, 19.0
CHAR = 7.2  # the widest average of a 12 px sans serif font, with some air
BREAK = 64.0
LEAST_BAR = 4.0
CELLS = 48


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant to point at. `tone` colours it."""

    at: datetime
    label: str
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One step's row: its name and how it ended stand left of the axis, so that no text meets another."""

    name: str
    note: str
    tone: str
    y: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """A placed mark: a line from its label down through the lanes."""

    x: float
    y: float
    label: str
    tone: str


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that is drawn shorter than it was; `label` is its real length."""

    x: float
    width: float
    label: str


@dataclass(frozen=True, slots=True)
class Picture:
    width: float
    height: float
    top: float
    left: float
    right: float
    bottom: float
    lanes: tuple[Lane, ...]
    flags: tuple[Flag, ...]
    ticks: tuple[Tick, ...]
    gaps: tuple[Gap, ...]
    text: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Time to place, piece by piece: (start, end, x, width, broken)."""

    pieces: tuple[tuple[datetime, datetime, float, float, bool], ...]

    def x(self, at: datetime) -> float:
        for start, end, x, width, _ in self.pieces:
            if at <= end:
                share = (at - start) / (end - start) if end > start else 0.0
                return x + width * max(0.0, share)
        _, _, x, width, _ = self.pieces[-1]
        return x + width


def scale(first: datetime, last: datetime, busy: Sequence[Stretch], instants: Iterable[datetime]) -> Scale:
    """An axis that is true to time, but for idle stretches that are longer than half of all work: those are cut short.

    Args:
        busy: stretches in which a step ran; never cut.
        instants: moments to show; an idle stretch is cut between them, never across one.
    """
    last = max(last, first + timedelta(milliseconds=1))
    limit = max(total(busy) / 2, timedelta(seconds=1))
    edges = sorted({first, last} | {t for b in busy for t in b} | {t for t in instants if first < t < last})
    spans = [(a, b, b - a > limit and not _inside(a, b, busy)) for a, b in pairwise(edges)]
    broken = sum(cut for *_, cut in spans)
    short = min(BREAK, AXIS / 2 / max(1, broken))
    rest = sum((b - a for a, b, cut in spans if not cut), timedelta()) or timedelta(seconds=1)
    pieces, x = [], LEFT
    for start, end, cut in spans:
        width = short if cut else (AXIS - short * broken) * ((end - start) / rest)
        pieces.append((start, end, x, width, cut))
        x += width
    return Scale(tuple(pieces))


def _inside(start: datetime, end: datetime, stretches: Sequence[Stretch]) -> bool:
    return any(a <= start and end <= b for a, b in stretches)


def draw(
    spans: Sequence[Span], marks: Sequence[Mark], busy: Sequence[Stretch], base: datetime, notes: dict[str, str]
) -> Picture:
    """Lay the picture out.

    Args:
        notes: how each step stands, for the text left of its bars.
    """
    marks = merged(marks)
    times = [m.at for m in marks] + [t for s in spans for t in (s.start, s.end)] + [base]
    axis = scale(min(times), max(times), union(busy), times)
    flags = place([(axis.x(m.at), m) for m in marks])
    top = 10 + ROW * (1 + max((round((f.y) / ROW) for f in flags), default=0))
    flags = tuple(Flag(f.x, top - 8 - f.y, f.label, f.tone) for f in flags)
    lanes = tuple(_lane(i, step, spans, axis, base, top, notes) for i, step in enumerate(Step))
    bottom = top + LANE * len(lanes)
    gaps = tuple(Gap(x, w, duration(b - a)) for a, b, x, w, cut in axis.pieces if cut)
    return Picture(
        width=LEFT + AXIS + RIGHT,
        height=bottom + 30,
        top=top,
        left=LEFT,
        right=LEFT + AXIS,
        bottom=bottom,
        lanes=lanes,
        flags=flags,
        ticks=ticks(axis, base, gaps),
        gaps=gaps,
        text=tuple(_text_row(lane) for lane in lanes),
        description=describe(lanes, marks, base),
    )


def merged(marks: Sequence[Mark]) -> list[Mark]:
    """Marks in order; those of one label become one at the first's time, with their number."""
    by_label: dict[str, list[Mark]] = {}
    for mark in sorted(marks, key=lambda m: m.at):
        by_label.setdefault(mark.label, []).append(mark)
    return [
        Mark(same[0].at, label if len(same) == 1 else f"{label} ×{len(same)}", same[0].tone)
        for label, same in by_label.items()
    ]


def place(marks: Sequence[tuple[float, Mark]]) -> tuple[Flag, ...]:
    """Give each label a height above the lanes (`y`) so that no label meets another label or another mark's line.

    All labels stand right of their lines. A mark stands one row above every later mark that begins under its label;
    so labels of one row never meet, and a line, which runs downwards, finds only labels of marks further left below
    it that end before it.
    """
    heights: list[int] = [0] * len(marks)
    for i in reversed(range(len(marks))):
        end = marks[i][0] + 10 + CHAR * len(marks[i][1].label)
        under = [heights[j] for j in range(i + 1, len(marks)) if marks[j][0] < end]
        heights[i] = 1 + max(under) if under else 0
    return tuple(Flag(x, h * ROW, m.label, m.tone) for (x, m), h in zip(marks, heights, strict=True))


def _lane(
    row: int, step: Step, spans: Sequence[Span], axis: Scale, base: datetime, top: float, notes: dict[str, str]
) -> Lane:
    own = [s for s in spans if s.step is step]
    y = top + row * LANE
    bars = tuple(_bar(s, axis, base) for s in own)
    return Lane(step.value, notes.get(step, ""), bars[-1].tone if bars else "none", y, bars)


def _bar(span: Span, axis: Scale, base: datetime) -> Bar:
    x = axis.x(span.start)
    word = span.outcome.label if span.outcome else "not ended"
    title = f"{span.step.value}, attempt {span.attempt}: {word}, {since(span.start, base)} for {duration(span.end - span.start)}"
    tone = TONES[span.outcome] if span.outcome else "held"
    return Bar(x, max(LEAST_BAR, axis.x(span.end) - x), tone, title)


_NICE = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)


def ticks(axis: Scale, base: datetime, gaps: Sequence[Gap]) -> tuple[Tick, ...]:
    """Round times under the axis, as many as have room between themselves and the gaps' labels."""
    true = [(a, b, w) for a, b, _, w, cut in axis.pieces if not cut and w]
    if not true:
        return ()
    seconds = sum((b - a).total_seconds() for a, b, _ in true)
    per_px = seconds / sum(w for *_, w in true)
    step = next((n for n in _NICE if n >= per_px * 90), 86400.0 * max(1, round(per_px * 90 / 86400)))
    found: list[Tick] = []
    taken = [(g.x + g.width / 2, CHAR * len(g.label)) for g in gaps]
    for start, end, _ in true:
        for k in _steps((start - base).total_seconds(), (end - base).total_seconds(), step):
            at = base + timedelta(seconds=k * step)
            tick = Tick(axis.x(at), _round(since(at, base)) if k else "0")
            room = CHAR * len(tick.label)
            if all(abs(tick.x - x) > (room + w) / 2 for x, w in taken):
                taken.append((tick.x, room))
                found.append(tick)
    return tuple(found)


def _round(text: str) -> str:
    """A round time without its zeros: +10 s, +2 min, +1 h."""
    return text.replace(".0 s", " s").replace(" 00 s", "").replace(" 00 min", "")


def _steps(start: float, end: float, step: float) -> range:
    return range(-int(-start // step), int(end // step) + 1)


def _text_row(lane: Lane) -> str:
    """The same bars in characters, for Markdown."""
    cells = [" "] * CELLS
    for bar in lane.bars:
        first = min(CELLS - 1, int((bar.x - LEFT) / AXIS * CELLS))
        last = min(CELLS - 1, int((bar.x + bar.width - LEFT) / AXIS * CELLS))
        cells[first : last + 1] = "█" * (last + 1 - first)
    return f"{lane.name:8}|{''.join(cells)}| {lane.note}"


def describe(lanes: Sequence[Lane], marks: Sequence[Mark], base: datetime) -> str:
    """The picture in words, for those who do not see it."""
    steps = "; ".join(f"{lane.name} {lane.note}" for lane in lanes)
    points = "; ".join(f"{m.label} {since(m.at, base)}" for m in marks)
    return f"Steps: {steps}. Marks: {points}."
