"""A person at a real terminal: the bar, the card, the question, each answer, and Ctrl-C at the question."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

from tasks.case import load_state
from tasks.model import Outcome, Step
from tests.cli.house import CODE, REMOTE, House
from tests.patience import BUSY

pytestmark = pytest.mark.lab

PATIENCE = 30 * BUSY


class Person:
    """Someone at a pseudo-terminal, who reads everything and types an answer when the question comes."""

    def __init__(self, house: House, words: str) -> None:
        self.screen = ""
        self._end, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *words.split(), "--site", house.folder],
            env=os.environ | {"PYTHONPATH": str(CODE), "TERM": "xterm", "COLUMNS": "100"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_controlling_terminal,
        )
        os.close(theirs)

    def read_until(self, text: str) -> None:
        """Read until this is on the screen, or the command has ended."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.screen:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.screen}"
            if not select.select([self._end], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self._end, 65536)
            except OSError:  # the other side is closed: the command has ended
                return
            self.screen += data.decode("utf-8", "replace")

    def answer(self, keys: bytes) -> int:
        """Type the keys at the question, read to the end; the exit code."""
        self.read_until("Go on?")
        os.write(self._end, keys)
        self.read_until("\0 never said")
        os.close(self._end)
        return self._process.wait(PATIENCE)

    @property
    def plain(self) -> str:
        """The screen without colours and movements, every run of white space as one space."""
        return " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.screen).split())


def _controlling_terminal() -> None:
    """login_tty(3): Ctrl-C reaches only a process that leads its session at that terminal."""
    os.setsid()
    os.close(os.open(os.ttyname(0), os.O_RDWR))


@pytest.fixture
def asking(house: House) -> House:
    """A site whose playbook asks before the block."""
    house.merge("playbooks/beacon.yaml", {"approvals": {"block": "ask"}})
    return house


# Keys, exit codes, how the block ends, and what is read afterwards.
ANSWERS = {
    "yes": (b"y\n", (1,), Outcome.DONE, "approved"),  # 1: verify never saw a process that talked to the remote
    "no": (b"n\n", (3,), Outcome.REFUSED, "refused"),
    "just Enter": (b"\n", (5,), Outcome.WAITING, "asked"),
    "Ctrl-C": (b"\x03", (1, 130), Outcome.FAILED, "asked"),
}


@pytest.mark.parametrize(("keys", "codes", "outcome", "kind"), ANSWERS.values(), ids=ANSWERS)
def test_the_question_at_the_terminal(
    asking: House, keys: bytes, codes: tuple[int, ...], outcome: Outcome, kind: str
) -> None:
    """The card comes before the question; only a yes changes the device; the journal knows who answered."""
    before = asking.configuration()
    person = Person(asking, f"respond victim --remote {REMOTE} --no-prefect")
    code = person.answer(keys)
    assert code in codes, person.plain
    assert "firewall.block" in person.plain.partition("Go on?")[0]
    state = load_state(asking.incidents[0])
    assert state.ends[Step.BLOCK].outcome is outcome
    assert (asking.configuration() != before) is (outcome is Outcome.DONE)
    told = {"approved": state.approvals, "refused": state.refusals, "asked": state.asked}[kind]
    assert told
    if kind != "asked":
        assert list(told.values()) == ["olive"]
