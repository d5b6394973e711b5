"""A systemd unit or another autostart file of its own: disabled, quarantined, masked, ended. Must not know why it is bad.

Masked (systemctl(1), mask), so that a copy in another folder of systemd's cannot be started under its name; ended last, when systemd has
read that: what the unit would do when it is stopped (ExecStop, Restart) no longer counts then. Files that systemd makes are not moved:
a generator's come and go with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tasks import systemctl
from tasks.model import Action, Finding, Look, Receipt, TargetError, inert
from tasks.remedies import quarantine
from tasks.remedies.autostart import one_line, persists
from tasks.remedies.shape import Scope, mark
from tasks.systemctl import Unit
from tasks.transports.hands import Hands

kinds = ("autostart.file",)
# The way to the host, and what carries it: without their units nobody gets in again.
_CARRIES = re.compile(
    r"^/(?:usr/)?lib/systemd/system/(?:sshd?|dbus|dbus-broker|systemd-.+|NetworkManager|networking|network)(?:@\w*)?\.(?:service|socket)$"
)


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    entries = [f for f in reversed(findings) if persists(f) and not one_line(f)]
    whole = {f.facts["path"]: f for f in entries if not _CARRIES.match(f.facts["path"])}
    return [_action(f, scope) for _, f in sorted(whole.items())]


def _action(finding: Finding, scope: Scope) -> Action:
    path, owner = finding.facts["path"], finding.facts.get("owner", "")
    return Action(
        id=f"cleanup/autostart/{mark(path)}",
        kind="autostart.file",
        on=scope.host,
        target=inert(path),
        reason=finding.what,
        commands=_commands(systemctl.of(path, owner), path, scope.vault),
        facts={
            "path": path,
            "sha256": finding.facts["sha256"],
            "vault": scope.vault,
            "owner": owner,
            "link": _link(finding),
        },
        undo="rename it back, restore its mode and enable it if it was; it is not started",
        needs_approval=True,
    )


def _commands(unit: Unit | None, path: str, vault: str) -> tuple[str, ...]:
    rename = f"rename {inert(path)} into the vault {vault}, mode 0000"
    if unit is None:
        return (rename,)
    file = () if unit.made == "generator" else (rename,)
    off = () if unit.made else ("disable",)
    said = [f"{unit.words} {word} {unit.name}" for word in (*off, "mask", "kill --signal=KILL", "stop")]
    return (*said[: len(off)], *file, *said[len(off) :])


def _link(finding: Finding) -> str:
    """Where a link leads that was read as an entry of its own (tasks.transports.local_autostarts)."""
    text = str(finding.facts.get("text", ""))
    return text.removeprefix("link to ") if text.startswith("link to ") and not finding.facts["sha256"] else ""


def _unit(hands: Hands, action: Action) -> Unit | None:
    """The unit, where systemd can be asked about it."""
    unit = systemctl.of(action.facts["path"], action.facts["owner"])
    return unit if unit and systemctl.there(hands) else None


def look(hands: Hands, action: Action) -> Look:
    unit = _unit(hands, action)
    masked = _masked(hands, action)
    seen = Look(True, "it is masked, and its file is not there") if masked else quarantine.look(hands, action)
    if unit and unit.made == "generator" and not seen.present and systemctl.is_enabled(hands, unit) == "masked":
        seen = Look(True, "it is masked; its file is systemd's own")
    if seen.present:
        # Gone now tells nothing of before: the record from before the act stands.
        still = unit is not None and not systemctl.shadows(hands, action.facts["path"]) and systemctl.runs(hands, unit)
        return Look(not still, f"{seen.seen}{', but systemd still runs it' if still else ''}")
    if unit is None:
        told = "; systemctl is not there, so only its file can be dealt with" if _is_unit(hands, action) else ""
        return Look(False, f"{seen.seen}{told}", {**seen.record, "enabled": False, "masked": False})
    word = systemctl.is_enabled(hands, unit)
    state = {"enabled": systemctl.on(word), "masked": word == "masked"}
    return Look(
        False, seen.seen, {**seen.record, **state, "instances": systemctl.instances(hands, unit, action.facts["path"])}
    )


def _is_unit(hands: Hands, action: Action) -> bool:
    return hands.root == "/" and systemctl.of(action.facts["path"], action.facts["owner"]) is not None


def _masked(hands: Hands, action: Action) -> bool:
    """Our mask stands where the file stood."""
    there = hands.stat(action.facts["path"])
    return there is not None and there.link == "/dev/null" and action.facts.get("link") != "/dev/null"


def act(hands: Hands, action: Action, before: Look) -> None:
    unit, path = _unit(hands, action), action.facts["path"]
    if unit is None or systemctl.shadows(hands, path):
        # Of a unit that stands before the distribution's own, that one counts again; what the file started is a process of its own.
        quarantine.act(hands, action, before)
        _reload(hands, action)
        return
    if not unit.made:
        systemctl.say(hands, unit, "disable")
    if unit.made != "generator" and not _masked(hands, action):
        quarantine.act(hands, action, before)
    if unit.made != "transient":
        systemctl.say(hands, unit, "mask")
    _reload(hands, action)
    systemctl.end(hands, unit)


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    unit = _unit(hands, action)
    if unit and unit.made == "generator":
        masked = systemctl.is_enabled(hands, unit) == "masked" and not receipt.record.get("masked")
        return Look(not masked, "it is masked" if masked else "it is not masked; its file comes with its generator")
    if _masked(hands, action):
        return Look(False, "it is masked, and its file is not there")
    return quarantine.look_restored(hands, action, receipt)


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    unit = _unit(hands, action)
    if unit and not receipt.record.get("masked") and not systemctl.shadows(hands, action.facts["path"]):
        systemctl.say(hands, unit, "unmask")
    if unit is None or unit.made != "generator":
        quarantine.undo(hands, action, receipt)
    _reload(hands, action)
    # `unmask` takes the links of what was enabled along.
    names = [*([unit.name] if unit and receipt.record.get("enabled") else []), *receipt.record.get("instances", ())]
    refused = [name for name in names if unit and not systemctl.say(hands, replace(unit, name=str(name)), "enable")]
    if refused:
        raise TargetError(f"enable {', '.join(map(inert, refused))} again", "systemctl refused", "enable it by hand")


def _reload(hands: Hands, action: Action) -> None:
    """For units, and for what changes them: drop-ins and generators."""
    if "/systemd/" in action.facts["path"] and systemctl.there(hands):
        systemctl.reload(hands, action.facts["path"], action.facts["owner"])
