"""Kill a process tree. Knows identities (pid, start, hash) and signals; must not know why a process is bad.

A pid alone is reused by the kernel, so every signal goes to pid and start together, and the executable's hash is compared
once more before the first one. The tree is stopped before it is killed, parents first, so that no member can start another; it is
killed children first, so that after a crash in between the root still stands and leads to whoever is left. A member that may not be
signalled (one that carries the machine, one outside of the fence) is left and told: a beacon must not live on by starting one.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from tasks.facts import Process, Start
from tasks.model import Action, Finding, HemostatError, Look, Receipt, Refused, TargetError, inert
from tasks.remedies.shape import Scope
from tasks.transports.hands import Hands

kinds = ("process.kill",)
GONE_WITHIN = 5.0
# Killing these ends the machine or the way to it. Known by their file: a process may call itself what it likes (PR_SET_NAME).
PROTECTED = frozenset(
    {"systemd", "init", "sshd", "dbus-daemon", "systemd-journald", "systemd-logind", "systemd-udevd", "NetworkManager"}
)
SYSTEM = ("/usr/", "/lib/", "/sbin/", "/bin/")


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    if scope.windows:
        return []
    of_processes = [f for f in reversed(findings) if f.rule.startswith("process.") and f.facts.get("created")]
    of_processes = [f for f in of_processes if f.facts["pid"] != 1]  # init: left to a person
    processes = {(f.facts["pid"], f.facts["created"]): f for f in of_processes}
    return [_action(f, scope) for _, f in sorted(processes.items())]


def _action(finding: Finding, scope: Scope) -> Action:
    facts = {key: finding.facts.get(key, "") for key in ("pid", "created", "started", "sha256", "exe", "name")}
    return Action(
        id=f"cleanup/process/{facts['pid']}@{facts['created']}",
        kind="process.kill",
        on=scope.host,
        target=f"process {facts['pid']} ({inert(facts['exe'] or facts['name'])}) and its descendants",
        reason=finding.what,
        commands=(f"SIGSTOP, then SIGKILL to {facts['pid']} and its descendants",),
        facts=facts,
        undo=None,
        needs_approval=True,
    )


def look(hands: Hands, action: Action) -> Look:
    process = _alive(hands, action)
    if process is None:
        return Look(True, f"process {action.facts['pid']} is gone")
    return Look(
        False,
        f"process {process.pid} runs {inert(process.exe)}",
        {"cmdline": list(process.cmdline), "exe": process.exe},
    )


def act(hands: Hands, action: Action, before: Look) -> None:
    root = _alive(hands, action)
    if root is None:
        return
    _spare(root)
    wanted = action.facts.get("sha256")
    if wanted and root.sha256 and root.sha256 != wanted:
        raise TargetError(
            f"kill process {root.pid}",
            "its executable is no longer the one that triage saw",
            "redo triage; nothing was killed",
        )
    hands.signal(root.pid, root.start, signal.SIGSTOP)
    left = dict(filter(None, (_send(hands, member, signal.SIGSTOP) for member in _tree(hands, root)[1:])))
    left |= dict(filter(None, (_send(hands, member, signal.SIGKILL) for member in reversed(_tree(hands, root)))))
    _wait_until_gone(hands, action)
    if left:
        raise TargetError(
            f"kill process {root.pid} and its descendants",
            f"{len(left)} of them were left, the others were killed: {'; '.join(left.values())}",
            "look at those by hand",
        )


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    return Look(False, "a killed process does not come back")


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    raise Refused(
        "no-undo", "a killed process cannot be brought back", f"its command line was {receipt.record.get('cmdline')}"
    )


def _alive(hands: Hands, action: Action) -> Process | None:
    pid, start = int(action.facts["pid"]), Start.of(action.facts)
    return next((p for p in hands.processes([pid]) if p.start.same(start)), None)


def _tree(hands: Hands, root: Process) -> list[Process]:
    """The process and its descendants, parents first; a child is one only if it is younger than its parent."""
    everyone = hands.processes()
    tree = [root]
    for parent in tree:
        tree += [p for p in everyone if p.ppid == parent.pid and not parent.start.after(p.start) and p not in tree]
    return tree


def _send(hands: Hands, member: Process, number: int) -> tuple[int, str] | None:
    """Signal one of the tree; its pid and the reason when it is left, which it never is stopped."""
    try:
        _spare(member)
        hands.signal(member.pid, member.start, number)
    except HemostatError as error:
        if not isinstance(error, Refused):  # what a guard refuses was never stopped
            with suppress(HemostatError):
                hands.signal(member.pid, member.start, signal.SIGCONT)
        return member.pid, f"{member.pid} ({inert(member.exe or member.name, 200)}): {error.seen or error}"
    return None


def _spare(process: Process) -> None:
    """Leave what carries the machine. hemostat itself and its ancestors on the host are refused by the hands' own guard ("self")."""
    name = PurePosixPath(process.exe).name
    if name in PROTECTED and process.exe.startswith(SYSTEM) and not process.deleted:
        raise Refused(
            "protected-process",
            f"{name} ({process.pid}) carries the machine",
            "isolate the host and rebuild it",
        )


def _wait_until_gone(hands: Hands, action: Action) -> None:
    deadline = time.monotonic() + GONE_WITHIN
    while _alive(hands, action) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
