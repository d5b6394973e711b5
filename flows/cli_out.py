"""What the commands share: where things stand, how facts are printed, which exit code an outcome has. Knows no step."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flows.console import RESULTS, Words, line
from tasks.journal import pretty
from tasks.model import Check, ConfigError, HemostatError, Json, Outcome, Result

CODES = {
    Outcome.DONE: 0,
    Outcome.NOTHING_TO_DO: 0,
    Outcome.FAILED: 1,
    Outcome.REFUSED: 3,
    Outcome.UNREACHABLE: 4,
    Outcome.WAITING: 5,
}
USAGE = 2
TAMPERED = 6
CODES_HELP = (
    "Exit codes: 0 done or nothing to do, 1 failed, 2 your files or words are wrong, 3 a guard refused, "
    "4 host or device unreachable, 5 waits for approval, 6 verify found a change, 130 stopped by Ctrl-C."
)

SiteFolder = Annotated[
    Path, typer.Option("--site", envvar="HEMOSTAT_SITE", help="Folder with inventory/ and playbooks/.")
]
Reports = Annotated[
    Path | None,
    typer.Option("--reports", envvar="HEMOSTAT_REPORTS", help="Folder of the incidents; default SITE/reports."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
IncidentId = Annotated[str, typer.Argument(metavar="ID", help="Incident id, an unambiguous part of it, or `last`.")]


def reports_of(site: Path, reports: Path | None) -> Path:
    """The folder of the incidents."""
    return (reports or site / "reports").absolute()


def console(as_json: bool = False) -> Console:
    """Standard output, or standard error when a program reads JSON from that; wide enough for a log when it is no terminal."""
    if as_json:
        return Console(stderr=True, highlight=False, soft_wrap=True)
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
    return Console(highlight=False, width=width, soft_wrap=not sys.stdout.isatty())


def facts(value: Json) -> None:
    """Print facts as JSON for a program."""
    typer.echo(pretty(value).decode())


def complain(error: HemostatError) -> int:
    """One message on standard error, in three parts, and the exit code."""
    err = Console(stderr=True, highlight=False, soft_wrap=True)
    err.print(line(error.tried, "bold red"))
    for label, text in (("saw", error.seen), ("do", error.do)):
        for number, part in enumerate(text.splitlines() or ()):
            err.print(line(f"  {label if number == 0 else '':<4}{part}"))
    override = getattr(error, "override", None)
    if override:
        err.print(line(f"  or  if you are sure: --override {override}"))
    return USAGE if isinstance(error, ConfigError) else CODES[error.outcome]


def show_checks(out: Console, checks: list[Check], words: Words = str) -> None:
    """One line a passed check, three for any other; the failed ones last, where a tired person looks. Nothing is cut or folded."""
    order = (Result.PASS, Result.UNKNOWN, Result.FAIL)
    for check in sorted(checks, key=lambda c: order.index(c.result)):
        passed = check.result is Result.PASS
        mark, style = f"{check.result:<8}", RESULTS[check.result]
        name, expected, observed = map(words, (check.name, check.expected, check.observed))
        out.print(line(mark, style) + line(f"{name}: {observed}" if passed else name))
        if not passed:
            out.print(line(f"        expected {expected}"))
            out.print(line(f"        saw      {observed}"))
