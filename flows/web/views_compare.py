"""Two incidents side by side: figures, steps, findings that both or one of them has. Pure; must not know HTML or files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flows.web.views_incident import Sheet
from tasks.model import Finding


@dataclass(frozen=True, slots=True)
class Line:
    """One thing of both; `same` False is where to look."""

    name: str
    one: str
    other: str

    @property
    def same(self) -> bool:
        return self.one == self.other


@dataclass(frozen=True, slots=True)
class Shared:
    """One finding and who has it: both, one or other."""

    finding: Finding
    whose: str


@dataclass(frozen=True, slots=True)
class Comparison:
    facts: tuple[Line, ...]
    metrics: tuple[Line, ...]
    steps: tuple[Line, ...]
    findings: tuple[Shared, ...]


def compare(one: Sheet, other: Sheet) -> Comparison:
    """Put the second incident beside the first."""
    return Comparison(
        facts=tuple(_lines(one.view.facts, other.view.facts)),
        metrics=tuple(_lines(_metrics(one), _metrics(other))),
        steps=tuple(_lines(_steps(one), _steps(other))),
        findings=_findings(one, other),
    )


Pairs = tuple[tuple[str, str], ...]


def _metrics(sheet: Sheet) -> Pairs:
    return tuple((m.name, m.value) for m in sheet.view.metrics)


def _steps(sheet: Sheet) -> Pairs:
    return tuple((lamp.step, lamp.word) for lamp in sheet.lamps)


def _lines(one: Pairs, other: Pairs) -> Iterator[Line]:
    second = dict(other)
    return (Line(name, text, second.get(name, "")) for name, text in one)


def _findings(one: Sheet, other: Sheet) -> tuple[Shared, ...]:
    """What both have first: two hosts with the same trace have the same visitor. The same trace is the same rule at the same place."""
    first = {_trace(s.finding): s.finding for s in one.view.found}
    second = {_trace(s.finding): s.finding for s in other.view.found}
    found = [Shared(f, "both" if key in second else "one") for key, f in first.items()]
    found += [Shared(f, "other") for key, f in second.items() if key not in first]
    order = ("both", "one", "other")
    return tuple(sorted(found, key=lambda s: (order.index(s.whose), -s.finding.score)))


def _trace(finding: Finding) -> tuple[str, str]:
    return finding.rule, finding.where
