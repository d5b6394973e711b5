"""Figures over time and the geometry of their pictures. Pure numbers; the markup is the template's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median

from flows.web.views import Row
from tasks.report_lines import duration

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 720.0, 260.0, 64.0, 16.0, 32.0, 16.0
# Where the logarithmic axis of time has its lines, in seconds.
_TICKS = (0.1, 1, 10, 60, 600, 3600, 36_000, 86_400, 864_000)
KINDS = ("clean", "contained", "rejected", "open")


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    series: str
    title: str
    id: str


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a bar."""

    x: float
    y: float
    width: float
    height: float
    series: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture: dots or boxes between a time axis and a value axis."""

    dots: tuple[Dot, ...]
    boxes: tuple[Box, ...]
    below: tuple[Tick, ...]
    beside: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    bottom: float = HEIGHT - BOTTOM
    right: float = WIDTH - RIGHT


@dataclass(frozen=True, slots=True)
class Period:
    """A day, a week or a month: the pictures in words and numbers."""

    name: str
    incidents: int
    kinds: tuple[int, ...]
    contain: str
    human: str
    machine: str


@dataclass(frozen=True, slots=True)
class Metrics:
    count: int
    figures: tuple[tuple[str, str], ...]
    contain: Chart
    work: Chart
    outcomes: Chart
    periods: tuple[Period, ...]


def metrics(rows: Iterable[Row]) -> Metrics:
    """Everything that the page of figures shows. Damaged incidents have none."""
    known = sorted((r for r in rows if not r.damaged), key=lambda r: r.opened)
    first, last = (known[0].opened, known[-1].opened) if known else (_EPOCH, _EPOCH)
    groups = _grouped(known, _period(last - first))
    contained = [r for r in known if r.to_contain is not None]
    return Metrics(
        count=len(known),
        figures=_figures(known, contained),
        contain=_dots([(r, "contain", r.to_contain) for r in contained if r.to_contain is not None], first, last),
        work=_dots(
            [(r, s, t) for r in known for s, t in (("machine", r.machine), ("human", waited(r))) if t], first, last
        ),
        outcomes=_bars(groups),
        periods=tuple(_told(name, group) for name, group in groups),
    )


_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def kind(row: Row) -> str:
    """How an incident counts among the outcomes."""
    return {"stand.clean": "clean", "stand.rejected": "rejected"}.get(
        row.stand.word, "contained" if row.held == "proved" else "open"
    )


def waited(row: Row) -> timedelta:
    """How long people were waited for; nothing yet while they still are."""
    return timedelta() if row.stand.word == "stand.asks" else row.human


def _figures(known: Sequence[Row], contained: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    times = sorted(r.to_contain for r in contained if r.to_contain is not None)
    worst = times[min(len(times) - 1, math.ceil(len(times) * 0.9) - 1)] if times else None
    return (
        ("figure.median", _median(times)),
        ("figure.worst", duration(worst) if worst is not None else "–"),
        ("figure.human", _median([t for t in map(waited, known) if t])),
        ("figure.machine", _median([r.machine for r in known if r.machine])),
    )


def _median(times: Sequence[timedelta]) -> str:
    return duration(timedelta(seconds=median(t.total_seconds() for t in times))) if times else "–"


def _period(span: timedelta) -> Callable[[datetime], str]:
    """Days for a month, weeks for a year, then months."""
    if span <= timedelta(days=31):
        return lambda at: f"{at:%Y-%m-%d}"
    return (lambda at: f"{_monday(at):%Y-%m-%d}") if span <= timedelta(days=366) else (lambda at: f"{at:%Y-%m}")


def _monday(at: datetime) -> date:
    return at.date() - timedelta(days=at.weekday())


def _grouped(known: Sequence[Row], name: Callable[[datetime], str]) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in known:
        groups.setdefault(name(row.opened.astimezone(UTC)), []).append(row)
    return list(groups.items())


def _told(name: str, group: Sequence[Row]) -> Period:
    counts = tuple(sum(kind(r) == k for r in group) for k in KINDS)
    contain = _median([r.to_contain for r in group if r.to_contain is not None])
    human, machine = (_median([t for t in times if t]) for times in (map(waited, group), [r.machine for r in group]))
    return Period(name, len(group), counts, contain, human, machine)


def _dots(points: Sequence[tuple[Row, str, timedelta]], first: datetime, last: datetime) -> Chart:
    """Each value of each incident as a dot; the values' axis is logarithmic, for they lie between a second and a week."""
    seconds = [max(0.1, t.total_seconds()) for _, _, t in points]
    least, most = min(seconds, default=1.0), max(seconds, default=1.0)
    low = max((t for t in _TICKS if t <= least), default=0.1)
    high = min((t for t in _TICKS if t >= most and t > low), default=most * 2)
    span = max((last - first).total_seconds(), 1.0)

    def x(at: datetime) -> float:
        return LEFT + 8 + (WIDTH - LEFT - RIGHT - 16) * (at - first).total_seconds() / span

    def y(value: float) -> float:
        share = math.log(max(value, low) / low) / math.log(high / low)
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share, 1)

    dots = tuple(
        Dot(
            round(x(r.opened), 1), y(v), series, f"{r.opened:%Y-%m-%d %H:%M} {r.host} → {r.remote}: {duration(t)}", r.id
        )
        for (r, series, t), v in zip(points, seconds, strict=True)
    )
    beside = tuple(Tick(y(t), _short(t)) for t in _TICKS if low <= t <= high)
    return Chart(dots, (), _dates(first, last, x) if points else (), beside)


def _short(seconds: float) -> str:
    for unit, factor in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= factor:
            return f"{seconds / factor:g} {unit}"
    return f"{seconds:g} s"


def _dates(first: datetime, last: datetime, x: Callable[[datetime], float]) -> tuple[Tick, ...]:
    """Up to five dates under the axis, each once."""
    marks = {
        f"{at:%m-%d}" if last - first > timedelta(days=2) else f"{at:%m-%d %H:%M}": at for at in _even(first, last)
    }
    return tuple(Tick(round(x(at), 1), label) for label, at in marks.items())


def _even(first: datetime, last: datetime) -> list[datetime]:
    return [first + (last - first) * part / 4 for part in range(5)] if last > first else [first]


def _bars(groups: Sequence[tuple[str, list[Row]]]) -> Chart:
    """One bar a period, its parts the outcomes."""
    most = max((len(g) for _, g in groups), default=1)
    width = (WIDTH - LEFT - RIGHT) / max(1, len(groups))
    high = HEIGHT - BOTTOM - TOP
    boxes: list[Box] = []
    for number, (name, group) in enumerate(groups):
        base = HEIGHT - BOTTOM
        for series in KINDS:
            count = sum(kind(r) == series for r in group)
            tall = high * count / most
            base -= tall
            bar = min(width * 0.7, 48.0)
            if count:
                x = LEFT + width * number + (width - bar) / 2
                boxes.append(
                    Box(round(x, 1), round(base, 1), round(bar, 1), round(tall, 1), series, f"{name}: {count}")
                )
    every = max(1, math.ceil(len(groups) / 6))
    below = tuple(Tick(LEFT + width * (n + 0.5), name[2:]) for n, (name, _) in enumerate(groups) if n % every == 0)
    step = max(1, math.ceil(most / 4))
    beside = tuple(Tick(HEIGHT - BOTTOM - high * n / most, str(n)) for n in range(0, most + 1, step))
    return Chart((), tuple(boxes), below, beside)
