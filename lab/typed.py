"""A device whose configuration is text that can be typed again: load, save, reboot. Knows no vendor and no wire."""

from __future__ import annotations

import re
from typing import ClassVar

from lab.cli import Session
from lab.device import Device
from tasks.model import Json


class Typed(Device):
    """What is saved is text, and a reboot reads that text as if it were typed.

    `typing_mode` is the mode in which configuration is typed. A vendor fills `clear` and `config`; one with a candidate
    configuration puts it in force in `typed`. `remarks` is a regular expression: what it may say to a line that it takes.
    """

    typing_mode: ClassVar[str]
    remarks: ClassVar[str] = "$"
    startup = ""

    def clear(self) -> None:
        """Forget the running configuration."""
        raise NotImplementedError

    def config(self) -> str:
        """The part of the running configuration that can be changed, as it can be typed again."""
        raise NotImplementedError

    def typed(self) -> None:
        """All of a configuration was typed."""

    def load(self, text: str) -> None:
        """Replace the running configuration by this text; ValueError for a line that the device would refuse."""
        with self.lock:
            self.clear()
            session = Session(self, Silent(), "startup")
            session.mode = self.typing_mode
            for line in text.splitlines():
                said = session.answer(line)
                if not re.match(self.remarks, said):
                    raise ValueError(f"{line!r}: {said}")
            self.typed()

    def reboot(self) -> None:
        """Connections and whatever was not saved are gone."""
        self.conns.cut()
        self.load(self.startup)

    def dump(self) -> Json:
        with self.lock:
            return {"running": self.config(), "startup": self.startup}

    def restore(self, state: Json) -> None:
        self.load(state["running"])
        self.startup = state["startup"]


class Silent:
    """The terminal of a configuration that is read from a file."""

    def write(self, text: str) -> None:
        pass

    def line(self, hidden: bool = False) -> str:
        raise EOFError

    key = line
