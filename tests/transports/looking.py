"""Ways to ask scripts/look.sh on this machine: dash, bash, and a host that has nothing but busybox. Each as the SSH session asks."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.transports import ssh_text
from tests.patience import BUSY

SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}
NONCE = "0123456789abcdef" * 2


@dataclass(frozen=True, slots=True)
class Asker:
    """One question a shell, through session.sh's own loop.

    Args:
        shell: the program that reads the script.
        tools: the host's whole PATH; empty for the usual one.
        before: words before the shell, such as setpriv's or unshare's.
    """

    shell: Sequence[str]
    tools: str = ""
    before: Sequence[str] = ()

    def __call__(self, verb: str, arguments: Sequence[str], seconds: float) -> bytes:
        script = ssh_text.script("session.sh", "look.sh")
        if self.tools:
            script = re.sub(rb"(?m)^PATH=.*$", b"PATH=" + self.tools.encode(), script)
        asked = b"begin\n" + script + b"obey\n" + ssh_text.request(NONCE, verb, arguments, seconds)
        words = [*self.before, *self.shell, "-c", ssh_text.BOOTSTRAP]
        done = subprocess.run(words, input=asked, capture_output=True, timeout=BUSY * seconds, check=False)
        body = done.stdout.partition(f"{NONCE} BEGIN\n".encode())[2]
        answer, end, rest = body.partition(f"\n{NONCE} END ".encode())
        assert end and rest.startswith(b"0\n"), (verb, done.stdout[-300:], done.stderr[-300:])
        return answer


def asker(name: str, folder: Path, before: Sequence[str] = ()) -> Asker:
    """The asker of that name; for busybox, all tools are its own."""
    if name != "busybox":
        return Asker(SHELLS[name], before=before)
    tools = folder / "busybox-tools"
    if not tools.is_dir():
        tools.mkdir(parents=True)
        box = shutil.which("busybox")
        for applet in subprocess.run([str(box), "--list"], capture_output=True, text=True, check=True).stdout.split():
            (tools / applet).symlink_to(str(box))
    return Asker((str(tools / "sh"),), str(tools), before)
