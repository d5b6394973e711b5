"""A laboratory's process, which ends when the pipe to it does. Knows its lines of JSON; must not know what they ask for."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tasks.model import Json, TargetError


class Child:
    """One process: `start`, then orders and their answers, then `stop`.

    Args:
        folder: where its lab.log stands.
        patience: seconds that an answer may take.
    """

    def __init__(self, folder: Path, patience: float) -> None:
        self.log, self._patience = folder / "lab.log", patience
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Was it started, and not stopped since?"""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Its process id; TargetError when it is not running."""
        return self._running().pid

    def start(self, argv: Sequence[str]) -> None:
        """Start it with those words; returns when it has said that it is up.

        Raises:
            TargetError: it did not come up; says what it printed.
        """
        code = str(Path(__file__).resolve().parent.parent)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and words
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONPATH": code},
                start_new_session=True,
            )
        self._answer()

    def order(self, order: Json) -> Json:
        """Its answer to one order.

        Raises:
            TargetError: it is not running, says nothing, or says that it could not.
        """
        stdin = _pipe(self._running().stdin)
        stdin.write(json.dumps(order).encode() + b"\n")
        stdin.flush()
        return self._answer()

    def stop(self) -> None:
        """End it, and with it all that it started; a second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(BrokenPipeError):
            _pipe(process.stdin).close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()  # its processes end with their pipe, or the kernel ends its namespaces with it
            process.wait()
        _pipe(process.stdout).close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise TargetError("ask the range", "it is not running", "start it first")
        return self._process

    def _answer(self) -> Json:
        stdout = _pipe(self._running().stdout)
        ready, _, _ = select.select([stdout], [], [], self._patience)
        line = stdout.readline() if ready else b""
        if not line:
            raise TargetError("start the range", self.log.read_text(errors="replace")[-1500:], f"see {self.log}")
        answer = json.loads(line)
        if "error" in answer:
            raise TargetError("ask the range", answer["error"], f"see {self.log}")
        return answer


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
