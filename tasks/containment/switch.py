"""The dead-man's switch: a timer on the host that ends its isolation, whatever becomes of us. Knows one timer; must not know why.

It must outlive the connection that made it. Where systemd runs the host, its manager keeps it (systemd-run(1), --on-active): a session
that ends may take all its processes along (logind.conf(5), KillUserProcesses). Elsewhere it is a process in a session of its own.
"""

from __future__ import annotations

import signal

from tasks.containment.netfilter import Filter, program
from tasks.containment.openings import CHAINS, TABLE
from tasks.facts import Process
from tasks.model import TargetError, inert
from tasks.transports.hands import Hands

MARK = "hemostat-switch"
# sh -c REVERT MARK SECONDS NFT IPTABLES IP6TABLES: a fixed text; all else are arguments.
REVERT = (
    'sleep "$1"\n[ -z "$2" ] || "$2" delete table inet ' + TABLE + '\nfor t in "$3" "$4"; do [ -n "$t" ] || continue\n'
)
REVERT += "".join(f'"$t" -w 5 -D {hook.upper()} -j {chain}; ' for hook, chain in CHAINS.items())
REVERT += "".join(f'"$t" -w 5 -F {chain}; "$t" -w 5 -X {chain}; ' for chain in CHAINS.values()) + "done"
_DETACH = 'command -v setsid >/dev/null || exit 127; setsid sh -c "$@" </dev/null >/dev/null 2>&1 &'
# The bracket keeps the search from finding itself.
_SEARCH = "grep -ls '[h]emostat-switch' /proc/[0-9]*/cmdline"


def arm(filter_: Filter, seconds: int) -> None:
    """Start the timer, unless one runs.

    Raises:
        TargetError: the host can start none: then nothing may be cut off.
    """
    hands = filter_.hands
    if armed(hands):
        return
    tables = dict(filter_.tables)
    words = (filter_.nft, tables.get(4, ""), tables.get(6, ""))
    if _by_systemd(hands, seconds, words):
        return
    ran = hands.run(["sh", "-c", _DETACH, MARK, REVERT, MARK, str(seconds), *words])
    if ran.status:
        seen = inert(ran.err.decode(errors="replace").strip(), 200) or "it has no setsid"
        raise TargetError(
            "start the dead-man's switch", seen, "the host was not cut off: isolate it on a switch or firewall"
        )


def _by_systemd(hands: Hands, seconds: int, words: tuple[str, ...]) -> bool:
    systemd_run = program(hands, "systemd-run")
    if not systemd_run or hands.stat("/run/systemd/system") is None:
        return False
    timer = ["--quiet", "--collect", f"--unit={MARK}", f"--on-active={seconds}", "--timer-property=AccuracySec=1s"]
    return hands.run([systemd_run, *timer, "--", "/bin/sh", "-c", REVERT, MARK, "0", *words]).status == 0


def armed(hands: Hands) -> str:
    """What would end the isolation, in words; empty when nothing would."""
    if _timer(hands):
        return f"the timer {MARK} of systemd"
    return next((f"process {p.pid}" for p in _processes(hands)), "")


def _timer(hands: Hands) -> bool:
    systemctl = program(hands, "systemctl")
    if not systemctl or hands.stat("/run/systemd/system") is None:
        return False
    return hands.run([systemctl, "--quiet", "is-active", f"{MARK}.timer"]).status == 0


def _processes(hands: Hands) -> list[Process]:
    found = hands.run(["sh", "-c", _SEARCH]).out.decode(errors="replace").split()
    pids = [int(path.split("/")[2]) for path in found]
    # Somebody else may bear the mark in its words: only the very script counts.
    return [p for p in hands.processes(pids) if p.cmdline[2:4] == (REVERT, MARK)] if pids else []


def disarm(hands: Hands) -> None:
    """Stop the timer; its `sleep` ends by itself and does nothing then."""
    if _timer(hands):
        hands.run([program(hands, "systemctl"), "stop", f"{MARK}.timer"])
    for process in _processes(hands):
        hands.signal(process.pid, process.start, signal.SIGKILL)
