"""What a person sees while a run goes on: Rich on a terminal, plain lines elsewhere. Everything from outside is made inert here."""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from flows.doors import operator
from tasks.model import Action, Outcome, Result, Step, StepEnd, inert
from tasks.state import Plan, State

COLOURS = {
    Outcome.DONE: "green",
    Outcome.NOTHING_TO_DO: "cyan",
    Outcome.WAITING: "yellow",
    Outcome.REFUSED: "magenta",
    Outcome.UNREACHABLE: "red",
    Outcome.FAILED: "red",
}
RESULTS = {Result.PASS: "green", Result.FAIL: "red", Result.UNKNOWN: "yellow"}


def line(text: str, style: str = "") -> Text:
    """One line of Rich text: no markup is read in it, and nothing in it controls the terminal."""
    return Text(inert(text), style=style)


Words = Callable[[str], str]


def as_said(name: str, root: str) -> Words:
    """How paths are told: a drill's victim has its / in a folder far down, and HOST:/PATH is what a person wants to read."""
    prefix = f"{root.rstrip('/')}/"
    return lambda text: text if prefix == "/" else text.replace(prefix, f"{name}:/")


def words_of(state: State) -> Words:
    """The same for an incident, from its journal."""
    return as_said(state.incident.host, str(state.host.get("root", "/")))


class Terminal:
    """Watches a run. On a terminal a bar shows the step at work; elsewhere each step is two plain lines."""

    def __init__(self, console: Console, words: Words = str) -> None:
        self.console, self.words = console, words
        self._bar: Progress | None = None
        self.stop = threading.Event()

    def started(self, step: Step) -> None:
        if self.console.is_terminal:
            self._open(step)
        else:
            self.console.print(Text(f"{step} …"))

    def said(self, text: str, part: float | None) -> None:
        if self._bar is None:
            return
        shown = inert(self.words(text), 70)
        self._bar.update(self._bar.task_ids[0], description=shown, completed=None if part is None else part * 100)

    def ended(self, end: StepEnd, seconds: float) -> None:
        self.close()
        mark = Text(f"{end.outcome.label:<14}", COLOURS[end.outcome])
        rows = [(Text(f" {end.step:<8}", "bold"), mark, Text(f"{seconds:7.2f} s", "dim"), self._text(end.summary))]
        if end.next and not end.outcome.finished:
            rows.append((Text(" " * 9), Text(" " * 14), Text("      do:", "bold"), self._text(end.next)))
        for row in rows:
            self.console.print(_hanging(row) if self.console.is_terminal else Text(" ").join(row))

    def _text(self, text: str) -> Text:
        return Text(inert(self.words(text), 600))

    def _open(self, step: Step) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn(f"[bold]{step:<8}"),
            BarColumn(20),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=self.console, transient=True)
        self._bar.add_task("", total=100)
        self._bar.start()

    def close(self) -> None:
        """Take the bar away: before a question, and at a step's end."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def ask(self, plan: Plan) -> tuple[bool, str] | None:
        """Show the card and ask; None when nobody sits at a terminal."""
        self.close()
        self.console.print(card(plan, self.words))
        if not (self.console.is_terminal and sys.stdin.isatty()):
            return None
        answer = self._answer()
        return None if answer is None else (answer, operator())

    def _answer(self) -> bool | None:
        """yes or no; anything else, Enter too, leaves it for later. Looks up five times a second, so that Ctrl-C ends it in any thread."""
        self.console.print(Text("Go on? yes, no, or Enter to leave it for later: "), end="")
        while not self.stop.is_set():
            if select.select([sys.stdin], [], [], 0.2)[0]:
                return {"y": True, "yes": True, "n": False, "no": False}.get(sys.stdin.readline().strip().lower())
        return None


def always(terminal: Terminal) -> Callable[[Plan], tuple[bool, str] | None]:
    """Answers yes for a person who said --yes, and shows the card all the same."""

    def ask(plan: Plan) -> tuple[bool, str]:
        terminal.close()
        terminal.console.print(card(plan, terminal.words))
        return True, f"{operator()} (--yes)"

    return ask


def _hanging(row: tuple[Text, ...]) -> Table:
    """The row as columns, so that a long last one hangs and stays readable."""
    grid = Table.grid(padding=(0, 1))
    for _ in row[:-1]:
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(*row)
    return grid


def card(plan: Plan, words: Words = str) -> Panel:
    """The blast-radius card: what will be done, to what, what it touches, what undoes it."""
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="bold")
    table.add_column(overflow="fold")
    for key, value in plan.blast.items():
        table.add_row(key, line(words(_listed(value))))
    table.add_row("", "")
    for number, action in enumerate(plan.actions, start=1):
        table.add_row(str(number), _action(action, words))
    return Panel(table, title=f"{plan.step}: {len(plan.actions)} action(s)", border_style="yellow", expand=False)


def _action(action: Action, words: Words) -> Text:
    undo = ("can be undone", "green") if action.undo else ("cannot be undone", "red")
    return Text.assemble(
        (action.kind, "bold"),
        f" on {inert(action.on)}: {inert(words(action.target), 200)}\n",
        (f"{inert(words(action.reason), 300)}; ", "dim"),
        undo,
    )


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


@contextmanager
def watching(console: Console, words: Words = str) -> Iterator[Terminal]:
    """A terminal that is left tidy, also after an error."""
    terminal = Terminal(console, words)
    try:
        yield terminal
    finally:
        terminal.close()
