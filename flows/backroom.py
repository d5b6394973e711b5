"""The steps behind the block, in a process of their own: whatever they weigh, they take nothing from another incident's block.

Python lets one thread compute at a time, so triage in the threads of `hemostat serve` would slow its urgent lanes down (measured, eight at
once: first byte at the firewall after 1.8 s instead of 0.3 s). Here they have an interpreter of their own, at a lower priority. It may even
die: its incidents go on in the next one, from their journals. It lives as long as its standard input. Lines of JSON go both ways:

to it:   {"go": ID, "live": BOOL} all steps that are left · {"show": ID} tell Prefect of them · {"stop": ID} · {"rest": true}
from it: {"event": EVENT, "of": ID} · {"done": ID, "error": TEXT}
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from flows.events import Event, Teller
from flows.launch import Launch, carry_on
from flows.server import Server
from tasks.case import load_state
from tasks.model import HemostatError, Json, inert

NICE = 10
# A Prefect that answers at all is given so many seconds to do so.
ANSWERS_WITHIN = 2.0
# One that does not end by itself in so many seconds, as on a machine where it has not even begun, is killed.
ENDS_WITHIN = 10.0


@dataclass(slots=True)
class Backroom:
    """Our side of it: started when it is needed, and again when it has died. Safe to use from many threads.

    Args:
        reports: the folder of the incidents.
        tell: gets the events of the runs in there.
    """

    reports: Path
    tell: Callable[[Event, str], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _process: subprocess.Popen[bytes] | None = None
    _going: dict[str, tuple[subprocess.Popen[bytes], Future[str]]] = field(default_factory=dict)

    def go(self, incident: str, live: bool, stop: threading.Event) -> None:
        """Run all steps that are left, and return when they have ended.

        Args:
            live: through Prefect, which answers now.
            stop: set before `stop` is called; one that came before the run had begun still holds.

        Raises:
            HemostatError: the run broke off; its journal says where.
        """
        self._until_done({"go": incident, "live": live}, incident, stop)

    def show(self, incident: str) -> None:
        """Tell Prefect of a run that it could not show while it went on. No step runs."""
        self._until_done({"show": incident}, incident, threading.Event())

    def stop(self, incident: str) -> None:
        """The step that is under way there is to end at its next look."""
        self._say({"stop": incident})

    def rest(self) -> None:
        """Begin no other step."""
        self._say({"rest": True})

    def open(self) -> None:
        """Start the process if there is none."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            process, self._process = self._process, None
        if process:
            with suppress(OSError):
                _close(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN)
            process.kill()
            process.wait()

    def _until_done(self, order: Json, incident: str, stop: threading.Event) -> None:
        done: Future[str] = Future()
        with self._lock:
            process = self._running()
            self._going[incident] = process, done
            _write(process.stdin, order)
        if stop.is_set():
            self.stop(incident)
        if error := done.result():
            raise HemostatError(f"run the later steps of {incident}", error, "see its journal")

    def _say(self, order: Json) -> None:
        with self._lock, suppress(OSError, ValueError):
            if self._process:
                _write(self._process.stdin, order)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and constant words
                [sys.executable, "-m", "flows.backroom", str(self.reports)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
                start_new_session=True,  # Ctrl-C is for serve, which says here what is to be done
            )
            listener = threading.Thread(target=self._listen, args=(self._process,), name="backroom", daemon=True)
            listener.start()
        return self._process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._heard(json.loads(line))
        process.wait()
        with self._lock, suppress(OSError):
            _close(process)
        with self._lock:  # its successor may be at work already, and that one's runs are not ours to give up
            lost = {name: done for name, (by, done) in self._going.items() if by is process}
            self._going = {name: going for name, going in self._going.items() if name not in lost}
        for done in lost.values():
            done.set_result("the process of the later steps died")

    def _heard(self, said: Json) -> None:
        if "event" in said:
            return self.tell(said["event"], said["of"])
        with self._lock:
            going = self._going.pop(said["done"], None)
        if going:
            going[1].set_result(said["error"])
        return None


def _write(stream: IO[bytes] | None, line: Json) -> None:
    assert stream is not None
    stream.write(json.dumps(line).encode() + b"\n")
    stream.flush()


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


class _Room:
    """The other side: one thread for each run."""

    def __init__(self, reports: Path, out: IO[bytes]) -> None:
        self.reports, self._out = reports, out
        self._lock = threading.Lock()
        self._launches: dict[str, Launch] = {}
        self._rests = threading.Event()

    def serve(self, orders: Iterable[bytes]) -> None:
        """Obey until the other end is closed, or its process is dead."""
        for line in orders:
            order = json.loads(line)
            if "stop" in order:
                if launch := self._launches.get(order["stop"]):
                    launch.stop.set()
            elif "rest" in order:
                self._rest()
            else:
                self._begin(order)

    def _begin(self, order: Json) -> None:
        """The launch stands before the next line is read, which may be its stop."""
        name = order.get("go") or order["show"]
        teller = Teller(self.reports / name, (lambda event, _: self._say({"event": event, "of": name}),))
        launch = self._launches[name] = Launch(watcher=teller)
        if self._rests.is_set():
            launch.rest.set()
        threading.Thread(target=self._run, args=(name, order, launch), daemon=True).start()

    def _rest(self) -> None:
        self._rests.set()
        for launch in tuple(self._launches.values()):
            launch.rest.set()

    def _run(self, name: str, order: Json, launch: Launch) -> None:
        error, folder = "", self.reports / name
        try:
            if "show" in order:
                launch.had_turn |= set(load_state(folder).ends)
            through = _prefect() if "show" in order or order["live"] else None
            carry_on(folder, launch, through, ANSWERS_WITHIN)
        except Exception as seen:  # noqa: BLE001 - this is the process's boundary: serve gets it in words and tries again
            error = inert(f"{type(seen).__name__}: {seen}", 500)
        self._launches.pop(name, None)
        self._say({"done": name, "error": error})

    def _say(self, line: Json) -> None:
        with self._lock:
            _write(self._out, line)


def _prefect() -> Server:
    """Serve's own, which is another process's child: its address is in our environment."""
    return Server(Path())


def main() -> None:
    """Obey until standard input ends. Whatever prints goes to standard error: the lines are ours."""
    os.nice(NICE)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            number, signal.SIG_IGN
        )  # a service manager signals all processes: serve tells us what is to be done
    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # as flows.cli does
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _Room(Path(sys.argv[1]), out).serve(sys.stdin.buffer)
    os._exit(0)  # what is cut off goes on in the next one


if __name__ == "__main__":
    main()
