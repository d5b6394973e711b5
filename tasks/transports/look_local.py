"""Asking scripts/look.sh on this very machine: one plain shell a question. Knows how to run it; must not know what it tells."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from importlib.resources import files

from tasks.model import TargetError
from tasks.transports.ssh_look_records import Ask

_PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def asker(shell: Sequence[str] = ("sh",)) -> Ask:
    """Ask the script through a shell of this machine; it gets the script and the question on its standard input."""
    script = (files("tasks.transports") / "scripts" / "look.sh").read_bytes()

    def ask(verb: str, arguments: Sequence[str], seconds: float) -> bytes:
        words = b" ".join(shlex.quote(word).encode("utf-8", "surrogateescape") for word in arguments)
        question = script + b"\nverb_" + verb.encode() + b" " + words + b" </dev/null\n"
        try:
            done = subprocess.run(  # noqa: S603
                [*shell], input=question, capture_output=True, timeout=seconds, env=_PLAIN, start_new_session=True
            )
        except subprocess.TimeoutExpired:
            raise TargetError(f"look at {verb}", f"it did not end within {seconds:.0f} s", "try again") from None
        except OSError as error:
            raise TargetError(f"look at {verb}", error.strerror or str(error), "hemostat needs a POSIX sh") from None
        return done.stdout

    return ask
