"""A systemd unit or another autostart file of its own: stopped, disabled, quarantined, masked. Must not know why it is bad.

Masked (systemctl(1), mask), so that a copy in another folder of systemd's cannot be started under its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from tasks.model import Action, Finding, Look, Receipt, TargetError, inert
from tasks.remedies import quarantine
from tasks.remedies.autostart import one_line, persists
from tasks.remedies.shape import Scope, mark
from tasks.transports.hands import Hands

kinds = ("autostart.file",)
SYSTEMCTL = "/usr/bin/systemctl"
UNITS = (".service", ".timer", ".path", ".socket")


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    entries = [f for f in reversed(findings) if persists(f) and not one_line(f)]
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
            "link": _link(finding),
        },
        undo="rename it back, restore its mode and enable it if it was",
        needs_approval=True,
    )


def _link(finding: Finding) -> str:
    """Where a link leads that was read as an entry of its own (tasks.transports.local_autostarts)."""
    text = str(finding.facts.get("text", ""))
    return text.removeprefix("link to ") if text.startswith("link to ") and not finding.facts["sha256"] else ""


def look(hands: Hands, action: Action) -> Look:
    if _masked(hands, action):
        return Look(True, "it is masked, and its file is not there")
    seen = quarantine.look(hands, action)
    if seen.present:
        # Gone now tells nothing of before: the record from before the act stands.
        return seen
    told = seen.seen
    if _unit(action) and hands.root == "/" and hands.stat(SYSTEMCTL) is None:
        told += "; systemctl is not there, so only its file can be dealt with"
    before = {"enabled": _systemctl(hands, action, "is-enabled"), "masked": _masked_elsewhere(hands, action)}
    return Look(False, told, {**seen.record, **before})


def _masked(hands: Hands, action: Action) -> bool:
    """Our mask stands where the file stood."""
    there = hands.stat(action.facts["path"])
    return there is not None and there.link == "/dev/null" and action.facts.get("link") != "/dev/null"


def _masked_elsewhere(hands: Hands, action: Action) -> bool:
    scope = _scope(action.facts["path"], action.facts["owner"])
    if scope is None or hands.root != "/" or hands.stat(SYSTEMCTL) is None:
        return False
    return hands.run([SYSTEMCTL, *scope, "is-enabled", "--", _unit(action)]).out.strip() == b"masked"


def act(hands: Hands, action: Action, before: Look) -> None:
    _systemctl(hands, action, "disable", "--now")
    quarantine.act(hands, action, before)
    _systemctl(hands, action, "mask")
    _reload(hands, action)


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    if _masked(hands, action):
        return Look(False, "it is masked, and its file is not there")
    return quarantine.look_restored(hands, action, receipt)


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    if not receipt.record.get("masked"):
        _systemctl(hands, action, "unmask")
    quarantine.undo(hands, action, receipt)
    _reload(hands, action)
    if receipt.record.get("enabled") and not _systemctl(hands, action, "enable"):
        raise TargetError(f"enable {inert(action.facts['path'])} again", "systemctl refused", "enable it by hand")


def _unit(action: Action) -> str:
    """The name by which systemd knows the file; empty for none (a drop-in changes a unit and is none)."""
    path = action.facts["path"]
    return PurePosixPath(path).name if path.endswith(UNITS) else ""


def _scope(path: str, owner: str) -> tuple[str, ...] | None:
    """systemctl's words for whose unit it is; None for a file that is no unit."""
    return _manager(path, owner) if path.endswith(UNITS) else None


def _manager(path: str, owner: str) -> tuple[str, ...]:
    return ("--user", f"--machine={owner}@.host") if "/systemd/user/" in path and owner else ()


def _stop_words(path: str, owner: str) -> tuple[str, ...]:
    scope, name = _scope(path, owner), inert(PurePosixPath(path).name)
    if scope is None:
        return ()
    return tuple(" ".join(("systemctl", *scope, words, name)) for words in ("disable --now", "mask"))


def _systemctl(hands: Hands, action: Action, *words: str) -> bool:
    """Say it to systemd. A drill's victim has none: its laboratory init reads the files, so moving them is enough."""
    scope = _scope(action.facts["path"], action.facts["owner"])
    if scope is None or hands.root != "/" or hands.stat(SYSTEMCTL) is None:
        return False
    return hands.run([SYSTEMCTL, *scope, *words, "--", PurePosixPath(action.facts["path"]).name]).status == 0


def _reload(hands: Hands, action: Action) -> None:
    """For units, and for what changes them: drop-ins and generators."""
    path = action.facts["path"]
    if "/systemd/" in path and hands.root == "/" and hands.stat(SYSTEMCTL) is not None:
        hands.run([SYSTEMCTL, *_manager(path, action.facts["owner"]), "daemon-reload"])
