"""What can go wrong in the WS-Management laboratory, one knob each. Knows no HTTP and no SOAP; the server asks it."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Literal

Frame = Literal["", "cut", "mixed", "hash"]


@dataclass(frozen=True, slots=True)
class Cut:
    """Drop the TCP connection in the `at`-th answer after `arm` (of that `action`, if one is named) after `after` bytes of it.

    With `restart` the WinRM service starts anew: shells and remembered answers are gone.
    """

    at: int = 1
    after: int = 0
    action: str = ""
    restart: bool = False


@dataclass
class Faults:
    """All knobs; a new one is a quiet server.

    `cuts` and `stalls` (seconds by number of the answer) are set by `arm` and used up. `busy`: so many Creates are answered with
    error 170. `denied`: every Create with error 5. `shells`, `operations`, `envelope`: the quotas. `language` is PowerShell's mode
    (Denied: a policy keeps it from starting), `codepage` the console's, whatever the shell asks for, `frame` what happens to a script's
    answer, `clock` the error of the host's clock in seconds, `offer` the only login offered, `page` an HTML page instead of WinRM.
    """

    cuts: list[Cut] = field(default_factory=list)
    stalls: dict[int, float] = field(default_factory=dict)
    busy: int = 0
    denied: bool = False
    shells: int = 30
    operations: int = 1500
    envelope: int = 512_000
    language: str = "FullLanguage"
    codepage: int = 0
    frame: Frame = ""
    clock: float = 0.0
    offer: str = ""
    page: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _answers: int = 0
    _of: dict[str, int] = field(default_factory=dict)

    def arm(self, *cuts: Cut, stalls: dict[int, float] | None = None) -> None:
        """Set cuts and stalls, and count answers from here on."""
        with self._lock:
            self.cuts, self.stalls = list(cuts), dict(stalls or {})
            self._answers, self._of = 0, {}

    def answer(self, action: str) -> tuple[Cut | None, float]:
        """Count one answer: the cut that it suffers, if any, and for how many seconds it is held back."""
        with self._lock:
            self._answers += 1
            self._of[action] = self._of.get(action, 0) + 1
            due = next((cut for cut in self.cuts if cut.at == self._count(cut)), None)
            if due:
                self.cuts.remove(due)
            return due, self.stalls.pop(self._answers, 0.0)

    def _count(self, cut: Cut) -> int:
        return self._of.get(cut.action, 0) if cut.action else self._answers

    def take_busy(self) -> bool:
        """One error 170, if any is left."""
        with self._lock:
            self.busy -= 1
            return self.busy >= 0

    def rewrite(self, data: bytes) -> bytes:
        """What becomes of a piece of a program's standard output."""
        if self.frame == "cut":
            return data.replace(b"END", b"")
        if self.frame == "mixed":
            return b"WARNING: a profile talks\r\n" + data
        if self.frame == "hash":
            return re.sub(rb"^(BEGIN \d+ )(\w{8})", rb"\g<1>00000000", data)
        return data
