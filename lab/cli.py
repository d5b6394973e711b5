"""A strict command line: modes, abbreviations, questions, paging, pipes. Knows words and lines; must know no socket and no vendor.

A vendor is a `Grammar` (commands by mode) and a `Device` subclass in lab/devices/. A handler takes the session and the
words that stood at the syntax's capitals, and returns its answer; one that asks something is a generator that yields
`Ask` and gets what was typed. A word that no command takes is that vendor's own error, never ignored.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from lab.device import Device

Dialogue = Generator["str | Ask", str, str]
Answer = str | Dialogue
Handler = Callable[..., Answer]
D = TypeVar("D", bound=Device)
REST = "..."


class Terminal(Protocol):
    """The far end of a session. Every method raises EOFError when it is gone."""

    def write(self, text: str) -> None: ...

    def line(self, hidden: bool = False) -> str:
        """One typed line; `hidden` ones are not echoed."""

    def key(self) -> str: ...


class Gone(EOFError):
    """The device ends the session (logout, reload, or a fault)."""


class Word(str):
    """A typed word that remembers the column where it stood."""

    column: int

    @classmethod
    def found(cls, match: re.Match[str]) -> Word:
        word = cls(match.group())
        word.column = match.start()
        return word


class Invalid(Exception):
    """A word that nothing takes; `column` is where the vendor puts its marker."""

    def __init__(self, column: int) -> None:
        self.column = column
        super().__init__(column)


class Ambiguous(Exception):
    """An abbreviation of two commands."""


class Incomplete(Exception):
    """A command that wants more words."""


class Denied(Exception):
    """A refusal in the vendor's words, printed as they are."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question of the device. `hidden` answers are not echoed."""

    prompt: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode, its prompt, and the modes whose commands are understood here as well, nearest first."""

    prompt: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Syntax:
    """One command: lower-case words may be abbreviated, capitals are arguments, `...` takes the rest."""

    words: tuple[str, ...]
    mode: str
    handler: Handler

    def at(self, index: int) -> str:
        if index < len(self.words):
            return self.words[index]
        return REST if self.words[-1] == REST else ""

    def takes(self, index: int, word: str) -> bool:
        wanted = self.at(index)
        if _argument(wanted):
            return True
        return wanted.startswith(word.lower()) and (index > 0 or len(word) > 1 or wanted == word)

    def complete(self, count: int) -> bool:
        return count >= len(self.words) if self.words[-1] == REST else count == len(self.words)

    def arguments(self, words: list[Word]) -> list[Word]:
        return [word for index, word in enumerate(words) if _argument(self.at(index))]


def _argument(wanted: str) -> bool:
    return wanted == REST or wanted.isupper()


@dataclass(slots=True)
class Grammar:
    """All commands of a platform."""

    table: list[Syntax] = field(default_factory=list)

    def command(self, syntax: str, *modes: str) -> Callable[[Handler], Handler]:
        """Register a handler under this syntax in these modes."""

        def register(handler: Handler) -> Handler:
            self.table += [Syntax(tuple(syntax.split()), mode, handler) for mode in modes]
            return handler

        return register

    def find(self, modes: Iterable[str], words: list[Word]) -> tuple[Handler, list[Word]]:
        """The one command that these words mean, and its arguments.

        Raises:
            Invalid, Ambiguous, Incomplete: there is none.
        """
        order = tuple(modes)
        fits = [s for s in self.table if s.mode in order]
        for index, word in enumerate(words):
            fits = _narrow(fits, index, word)
        whole = [s for s in fits if s.complete(len(words))]
        if not whole:
            raise Incomplete
        nearest = min(whole, key=lambda s: order.index(s.mode))
        return nearest.handler, nearest.arguments(words)


def _narrow(candidates: list[Syntax], index: int, word: Word) -> list[Syntax]:
    fits = [s for s in candidates if s.takes(index, word)]
    keywords = [s for s in fits if not _argument(s.at(index))]
    exact = [s for s in keywords if s.at(index) == word.lower()]
    chosen = exact or keywords or fits
    if not chosen:
        raise Invalid(word.column)
    if len({s.at(index) for s in chosen}) > 1 and keywords:
        raise Ambiguous(word)
    return chosen


def grep(text: str, verb: str, pattern: str) -> str:
    """The lines that a `| include`, `| exclude` or `| begin` leaves."""
    lines = text.splitlines()
    hits = [bool(re.search(pattern, line)) for line in lines]
    if verb == "begin":
        start = hits.index(True) if any(hits) else len(lines)
        return "\n".join(lines[start:])
    return "\n".join(line for line, hit in zip(lines, hits, strict=True) if hit is (verb == "include"))


class Session(Generic[D]):
    """One person or program at the command line. `context` is what the mode is about (a group's name)."""

    def __init__(self, device: D, terminal: Terminal, user: str) -> None:
        self.device, self.terminal, self.user = device, terminal, user
        self.mode = device.first_mode
        self.context = ""
        self.page = device.page
        self.data: dict[str, Any] = {}

    def run(self) -> None:
        """Prompt, read, obey, until the far end or the device ends it."""
        try:
            self.terminal.write(self.device.banner(self.user))
            while True:
                self.terminal.write(self.prompt)
                self.obey(self.terminal.line())
        except EOFError:
            return

    @property
    def prompt(self) -> str:
        mode: Mode = self.device.modes[self.mode]
        return mode.prompt.format(host=self.device.hostname, user=self.user, context=self.context)

    @property
    def modes(self) -> tuple[str, ...]:
        return (self.mode, *self.device.modes[self.mode].parents)

    def obey(self, line: str) -> None:
        """Do one line and show its answer; then the faults that come after it."""
        self.device.count += 1
        time.sleep(self.device.faults.delay)
        self.device.seen()
        answer = self.answer(line)
        self.device.enforced()
        self.show(answer)
        if self.device.faults.drops(line):
            raise Gone

    def answer(self, line: str) -> str:
        """What the device says to this line."""
        command, pipe, tail = (line, "", "") if self.device.own_pipes else line.partition(" | ")
        words = [Word.found(match) for match in re.finditer(r"\S+", command)]
        if not words or words[0].startswith(self.device.comments):
            return ""
        try:
            self.device.guard(self, line)
            handler, arguments = self.device.grammar.find(self.modes, words)
            with self.device.lock:
                answer = handler(self, *arguments)
            self.device.accounting.append(line.strip())
            text = answer if isinstance(answer, str) else self._converse(answer)
            return grep(text, *self._filter(tail, line)) if pipe else text
        except (Invalid, Ambiguous, Incomplete) as error:
            return str(self.device.complain(error, line, self.prompt))
        except Denied as error:
            return str(error)

    def _filter(self, tail: str, line: str) -> tuple[str, str]:
        verb, _, pattern = tail.strip().partition(" ")
        meant = [kind for name, kind in self.device.filters.items() if verb and name.startswith(verb)]
        try:
            re.compile(pattern.strip())
        except re.error:
            meant = []
        if not pattern.strip() or not meant:
            raise Invalid(line.index("|"))
        return meant[0], pattern.strip()

    def _converse(self, dialogue: Dialogue) -> str:
        try:
            said = next(dialogue)
            while True:
                said = dialogue.send(self._ask(said))
        except StopIteration as done:
            return str(done.value)

    def _ask(self, said: str | Ask) -> str:
        if isinstance(said, str):
            self.terminal.write(said)
            return ""
        self.terminal.write(said.prompt)
        return self.terminal.line(hidden=said.hidden)

    def show(self, text: str) -> None:
        """Print an answer, a page at a time where paging is on (`page` lines; 0 is off)."""
        lines = text.splitlines()
        room = self.page or len(lines)
        while lines:
            self.terminal.write("".join(f"{line}\n" for line in lines[:room]))
            lines = lines[room:]
            room = self._more() if lines else 0
            if not room:
                return

    def _more(self) -> int:
        self.terminal.write(self.device.more)
        key = self.terminal.key()
        self.terminal.write("\r" + " " * len(self.device.more) + "\r")
        return {"q": 0, "\r": 1, "\n": 1}.get(key, self.page)
