"""The remedies for autostarts, what is theirs and what is not: masks, links, drop-ins, order, what is left; and what a locked file is."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tasks import cleanup, remedies, systemctl
from tasks.model import Action, Outcome
from tasks.persistence import PLACES
from tasks.remedies import Scope, unit
from tasks.remedies.autostart import LEFT
from tests.core.victim import Victim

# Keeps what systemd keeps: links of enabled units, links to /dev/null of masked ones, and a list of what was said.
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$0.said"
for last; do :; done
etc={etc}
case " $* " in
  *" is-enabled "*) if [ -L "$etc/$last" ]; then echo masked; exit 1; elif test -e "$0.enabled"; then echo enabled; else echo static; fi;;
  *" disable "*) rm -f "$0.enabled";;
  *" enable "*) : > "$0.enabled";;
  *" mask "*) [ -e "$etc/$last" ] && exit 1; ln -s /dev/null "$etc/$last";;
  *" unmask "*) [ -L "$etc/$last" ] && rm "$etc/$last"; exit 0;;
esac
"""


@pytest.fixture
def whole(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> Victim:
    """A host that is not fenced, whose systemd keeps its files below the test's folder."""
    etc = victim.root / "etc/systemd/system"
    etc.mkdir(parents=True)
    monkeypatch.setattr(
        systemctl, "SYSTEMCTL", str(victim.file("systemctl", SYSTEMCTL.replace("{etc}", str(etc)).encode(), 0o755))
    )
    return Victim(Path("/"), victim.case)


def planned(host: Victim, path: Path, text: str = "", digest: str | None = None, kind: str = "systemd") -> Action:
    known = sha256(path.read_bytes()).hexdigest() if digest is None else digest
    host.find("autostart.starts", path=str(path), sha256=known, kind=kind, line=0, text=text, owner="")
    return host.plan()


def said(victim: Victim) -> list[str]:
    return (victim.root / "systemctl.said").read_text().splitlines()


@pytest.mark.parametrize("name", ["evil.service", "evil.timer"])
def test_a_unit_is_stopped_disabled_masked_and_comes_back(victim: Victim, whole: Victim, name: str) -> None:
    """After the act its name leads to /dev/null, which verification takes for gone; after the undo it is what it was."""
    path = victim.file(f"etc/systemd/system/{name}", b"[Service]\nExecStart=/x/evil\n")
    (victim.root / "systemctl.enabled").touch()
    before = path.read_bytes()
    action = planned(whole, path)
    receipt = whole.do(action)
    assert path.readlink() == Path("/dev/null")
    assert unit.look(whole.hands, action).present
    assert [line for line in said(victim) if "is-" not in line] == [
        f"disable -- {name}",
        f"mask -- {name}",
        "daemon-reload",
        f"kill --signal=KILL -- {name}",
        f"stop -- {name}",
    ]
    assert whole.undo(action, receipt).ok
    assert (path.is_symlink(), path.read_bytes()) == (False, before)
    assert (victim.root / "systemctl.enabled").exists()


def test_a_mask_of_somebody_else_stays(victim: Victim, whole: Victim) -> None:
    """A unit of the distribution's folder that an administrator had masked: the undo does not unmask it."""
    path = victim.file("usr/lib/systemd/system/evil.service", b"[Service]\nExecStart=/x/evil\n")
    mask = victim.root / "etc/systemd/system/evil.service"
    mask.symlink_to("/dev/null")
    action = planned(whole, path)
    assert whole.undo(action, whole.do(action)).ok
    assert (path.exists(), mask.is_symlink()) == (True, True)


def test_a_linked_unit_goes_as_the_link_that_it_is(victim: Victim) -> None:
    """What it leads to is not touched by this act; a link that leads elsewhere now is another thing."""
    target = victim.file("opt/evil.service", b"[Service]\nExecStart=/x/evil\n")
    path = victim.root / "etc/systemd/system/evil.service"
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    action = planned(victim, path, text=f"link to {target}", digest="")
    receipt = victim.do(action)
    assert (path.is_symlink(), target.exists()) == (False, True)
    assert victim.undo(action, receipt).ok
    assert path.readlink() == target


@pytest.mark.parametrize("name", ["etc/systemd/system/ssh.service.d/x.conf", "etc/systemd/system-generators/x"])
def test_what_changes_units_is_followed_by_a_reload(victim: Victim, whole: Victim, name: str) -> None:
    """A drop-in or a generator is no unit: it is taken away and systemd reads its files again."""
    path = victim.file(name, b"[Service]\nExecStartPre=/x/evil\n", 0o755)
    action = planned(whole, path)
    receipt = whole.do(action)
    assert said(victim) == ["daemon-reload"]
    assert whole.undo(action, receipt).ok
    assert path.exists()


def test_without_systemctl_the_file_alone_and_said_so(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alpine and old hosts: the act is on the file, and the journal says that no more could be done."""
    monkeypatch.setattr(systemctl, "SYSTEMCTL", "/nonexistent/systemctl")
    path = victim.file("etc/systemd/system/evil.service", b"[Service]\nExecStart=/x/evil\n")
    host = Victim(Path("/"), victim.case)
    action = planned(host, path)
    assert "systemctl is not there" in unit.look(host.hands, action).seen
    receipt = host.do(action)
    assert (receipt.changed, path.exists()) == (True, False)
    assert host.undo(action, receipt).ok


def test_what_is_loaded_into_every_program_goes_first(victim: Victim) -> None:
    """ld.so.preload before anything is looked for again, persistence before processes, files last."""
    victim.find("process.talks", pid=7, created=1.0, path="/x/evil", sha256="a", exe="/x/evil", name="evil")
    for name, kind in (("etc/zzz", "cron"), ("etc/ld.so.preload", "ld_preload"), ("etc/aaa", "profile")):
        path = str(victim.root / name)
        victim.find("autostart.starts", path=path, line=1, text="x", kind=kind, sha256="", owner="")
    kinds = [(a.kind, a.facts.get("path", "").rpartition("/")[2]) for a in cleanup.plan(victim.case)]
    assert kinds[0] == ("autostart.line", "ld.so.preload")
    assert [kind for kind, _ in kinds] == ["autostart.line"] * 3 + ["process.kill", "file.quarantine"]


@pytest.mark.parametrize("kind", ["pam", "sudoers", "sshd"])
def test_what_locks_everybody_out_is_left_to_a_person(victim: Victim, kind: str) -> None:
    """No remedy touches it, whole or by line, and the step's end says whose it is."""
    path = victim.file(f"etc/{kind}", b"session optional pam_exec.so /x/evil\n")
    facts = {"path": str(path), "text": "x", "kind": kind, "sha256": "", "owner": "root"}
    victim.find("autostart.starts", line=1, **facts)
    victim.find("autostart.starts", line=0, **facts)
    assert cleanup.plan(victim.case) == []
    victim.case.record("evidence.sealed", manifest="m", sha256="0", items=0, bytes=0, not_copied=[])
    victim.case.record("step.ended", step="collect", outcome="done", summary="", next="", seconds=0.0)
    end = cleanup.run(victim.case)
    assert (end.outcome, f"left to a person: {path}" in end.summary) == (Outcome.NOTHING_TO_DO, True)


@pytest.mark.parametrize("kind", sorted({place.kind for place in PLACES}))
def test_every_kind_that_is_read_has_a_remedy_or_is_left(victim: Victim, kind: str) -> None:
    """A new kind of persistence must come with an answer: who takes it out?"""
    facts = {"path": "/etc/x", "kind": kind, "sha256": "a", "owner": "root", "text": "evil:x:0:0::/:/bin/sh"}
    for line in (0, 1):
        victim.find("autostart.starts", line=line, **facts)
    kinds = {action.kind for action in cleanup.plan(victim.case)}
    assert kinds == {"account.lock"} if kind == "account" else bool(kinds) is not (kind in LEFT)


def _immutable_works(folder: Path) -> bool:
    probe = folder / "probe"
    probe.touch()
    done = subprocess.run(["chattr", "+i", probe], capture_output=True).returncode == 0
    return done and subprocess.run(["chattr", "-i", probe], capture_output=True).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: chattr")
def test_a_quarantined_file_is_immutable_listed_and_comes_back(victim: Victim) -> None:
    """On a real host not even root renames it by accident; the vault's own list says what it was and where."""
    if not _immutable_works(victim.root):
        pytest.skip("this file system has no immutable files")
    path = victim.file("home/ops/evil", b"\x7fELF evil", 0o755)
    vault = victim.root / "vault/incident"
    host = Victim(Path("/"), victim.case)
    scope = Scope("incident", "web", str(vault))
    host.find("file.talker", path=str(path), sha256=sha256(path.read_bytes()).hexdigest())
    (action,) = remedies.load("quarantine").plan(host.case.state.findings, scope)
    receipt = host.do(action)
    kept = Path(str(receipt.record["kept"]))
    with pytest.raises(PermissionError):
        kept.rename(kept.with_name("elsewhere"))
    (row,) = map(json.loads, (vault / "manifest.jsonl").read_text().splitlines())
    assert (row["path"], row["kept"], row["mode"]) == (str(path), str(kept), 0o755)
    assert host.undo(action, receipt).ok
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"\x7fELF evil", 0o755)
