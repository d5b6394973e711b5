"""FRRouting on the range's router: zebra and staticd with its own configuration. Knows FRR's files; must not know hemostat.

FRR User Guide, "Basic Setup" (daemons, vtysh's integrated frr.conf). The daemons run as the user frr, as the package does.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from lab.netns.entries import Start
from lab.netns.init import Init, wait

LIBRARY = Path("/usr/lib/frr")
DAEMONS = ("zebra", "staticd")


def missing() -> str:
    """Why FRR cannot run here, or nothing."""
    absent = [name for name in DAEMONS if not (LIBRARY / name).exists()]
    return f"Debian's frr is not installed ({', '.join(absent)} is not in {LIBRARY})" if absent else ""


def start(root: Path, init: Init) -> None:
    """Start the daemons with the saved configuration, as a boot does; returns when they answer.

    Raises:
        OSError: they did not come up.
    """
    user = pwd.getpwnam("frr")
    conf, run = root / "etc/frr", root / "run/frr"
    conf.mkdir(exist_ok=True)
    for name, text in (("frr.conf", "ip forwarding\nipv6 forwarding\n"), ("vtysh.conf", "")):
        if not (conf / name).exists():
            (conf / name).write_text(text)
    for path in (conf, run, *conf.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    for name in DAEMONS:
        init.start(Start(name, "root", (str(LIBRARY / name), "-f", "/dev/null", "-P", "0")))
        if not wait(lambda name=name: (run / f"{name}.vty").exists(), 10):  # type: ignore[misc]
            raise OSError(f"{name} did not come up")
    init.start(Start("vtysh", "root", ("/usr/bin/vtysh", "-b")))
