"""A systemd unit or another autostart file of its own: stopped, disabled, then quarantined. Must not know why it is bad."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from tasks.model import Action, Finding, Look, Receipt, TargetError, inert
from tasks.remedies import quarantine
from tasks.remedies.autostart import one_line
from tasks.remedies.shape import Scope, mark
from tasks.transports.hands import Hands

kinds = ("autostart.file",)
SYSTEMCTL = "/usr/bin/systemctl"
UNITS = (".service", ".timer", ".path", ".socket")


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    entries = [f for f in reversed(findings) if f.rule.startswith("autostart.") and not one_line(f)]
    whole = {f.facts["path"]: f for f in entries}
    return [_action(f, scope) for _, f in sorted(whole.items())]


def _action(finding: Finding, scope: Scope) -> Action:
    path = finding.facts["path"]
    return Action(
        id=f"cleanup/autostart/{mark(path)}",
        kind="autostart.file",
        on=scope.host,
        target=inert(path),
        reason=finding.what,
        commands=(
            *_stop_words(path, finding.facts.get("owner", "")),
            f"rename {inert(path)} into the vault {scope.vault}, mode 0000",
        ),
        facts={
            "path": path,
            "sha256": finding.facts["sha256"],
            "vault": scope.vault,
            "owner": finding.facts.get("owner", ""),
        },
        undo="rename it back, restore its mode and enable it if it was",
        needs_approval=True,
    )


def look(hands: Hands, action: Action) -> Look:
    seen = quarantine.look(hands, action)
    if seen.present:
        # Gone now tells nothing of before: the record from before the act stands.
        return seen
    return Look(False, seen.seen, {**seen.record, "enabled": _systemctl(hands, action, "is-enabled")})


def act(hands: Hands, action: Action, before: Look) -> None:
    _systemctl(hands, action, "disable", "--now")
    quarantine.act(hands, action, before)
    _reload(hands, action)


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    return quarantine.look_restored(hands, action, receipt)


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    quarantine.undo(hands, action, receipt)
    _reload(hands, action)
    if receipt.record.get("enabled") and not _systemctl(hands, action, "enable"):
        raise TargetError(f"enable {inert(action.facts['path'])} again", "systemctl refused", "enable it by hand")


def _scope(path: str, owner: str) -> tuple[str, ...] | None:
    """systemctl's words for whose unit it is; None for a file that systemd does not manage."""
    if not path.endswith(UNITS):
        return None
    return ("--user", f"--machine={owner}@.host") if "/systemd/user/" in path and owner else ()


def _stop_words(path: str, owner: str) -> tuple[str, ...]:
    scope = _scope(path, owner)
    return () if scope is None else (" ".join(("systemctl", *scope, "disable --now", inert(PurePosixPath(path).name))),)


def _systemctl(hands: Hands, action: Action, *words: str) -> bool:
    """Say it to systemd. A drill's victim has none: its laboratory init reads the files, so moving them is enough."""
    scope = _scope(action.facts["path"], action.facts["owner"])
    if scope is None or hands.root != "/" or hands.stat(SYSTEMCTL) is None:
        return False
    return hands.run([SYSTEMCTL, *scope, *words, "--", PurePosixPath(action.facts["path"]).name]).status == 0


def _reload(hands: Hands, action: Action) -> None:
    scope = _scope(action.facts["path"], action.facts["owner"])
    if scope is not None and hands.root == "/" and hands.stat(SYSTEMCTL) is not None:
        hands.run([SYSTEMCTL, *scope, "daemon-reload"])
