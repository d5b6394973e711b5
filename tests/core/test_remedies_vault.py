"""Quarantine against somebody who works against it: files and folders that are exchanged, hemostat's own places, odd paths."""

from __future__ import annotations

import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tasks import systemctl
from tasks.cleanup import plan, vault
from tasks.model import Action, Receipt, TargetError
from tasks.remedies import quarantine
from tasks.transports import local_move
from tests.core.victim import Victim


def evil(victim: Victim, name: str = "home/ops/evil") -> tuple[Path, Action]:
    """A bad file, and the action against it."""
    path = victim.file(name, b"evil", 0o755)
    victim.find("file.talker", path=str(path), sha256=sha256(b"evil").hexdigest())
    return path, victim.plan()


def kept(victim: Victim) -> list[Path]:
    folder = Path(vault(victim.case))
    return list(folder.iterdir()) if folder.exists() else []


def swapped(path: Path) -> None:
    """Somebody renames an honest file over the bad one."""
    honest = path.with_name("honest")
    honest.write_bytes(b"honest")
    honest.rename(path)


def test_a_file_that_is_swapped_after_its_hash_stays(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash was right, then the name got another file: it is not moved."""
    path, action = evil(victim)
    check = local_move._expect

    def overtaken(*words: object) -> None:
        check(*words)  # type: ignore[arg-type]
        swapped(path)

    monkeypatch.setattr(local_move, "_expect", overtaken)
    with pytest.raises(TargetError, match="nothing was moved"):
        victim.do(action)
    assert (path.read_bytes(), kept(victim)) == (b"honest", [])


def test_a_file_that_is_swapped_at_the_last_moment_goes_back(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last comparison and the rename: what was renamed is looked at once more, and put back with its mode."""
    path, action = evil(victim)
    known, asked = local_move._known, []

    def overtaken(folder: int, name: str) -> tuple[int, int] | None:
        asked.append(name)
        answer = known(folder, name)
        if asked.count(path.name) == 1 and name == path.name:
            swapped(path)
        return answer

    monkeypatch.setattr(local_move, "_known", overtaken)
    with pytest.raises(TargetError, match="put back"):
        victim.do(action)
    assert (path.read_bytes(), kept(victim)) == (b"honest", [])
    assert stat.S_IMODE(path.stat().st_mode) & 0o444


def exchanged(folder: Path) -> None:
    folder.rename(folder.with_name("old"))
    folder.mkdir()


def gone(folder: Path) -> None:
    folder.rename(folder.with_name("old"))


def linked(folder: Path) -> None:
    folder.rename(folder.with_name("old"))
    folder.with_name("other").mkdir()
    folder.symlink_to("other")


@pytest.mark.parametrize("turn", [exchanged, gone, linked])
def test_an_undo_puts_nothing_into_another_folder(victim: Victim, turn: Callable[[Path], None]) -> None:
    """The folder is another one, or none: the undo refuses, makes no folder, and the file stays in the vault."""
    path, action = evil(victim, "home/ops/bin/evil")
    receipt = victim.do(action)
    turn(path.parent)
    before = sorted(p.name for p in path.parent.parent.rglob("*"))
    with pytest.raises(TargetError):
        victim.undo(action, receipt)
    assert sorted(p.name for p in path.parent.parent.rglob("*")) == before
    assert len(kept(victim)) == 1


def test_an_undo_does_not_put_back_another_file(victim: Victim) -> None:
    """The vault's copy was changed: it is not what was taken away."""
    path, action = evil(victim)
    receipt = victim.do(action)
    kept(victim)[0].write_bytes(b"worse")
    with pytest.raises(TargetError, match="no longer the file"):
        victim.undo(action, receipt)
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_vault_that_others_write_in_locks_nothing(victim: Victim, mode: int) -> None:
    """Somebody made the folder before us, to take the file out of it again: the file stays, and that is an error."""
    path, action = evil(victim)
    Path(vault(victim.case)).mkdir(parents=True)
    Path(vault(victim.case)).chmod(mode)
    with pytest.raises(TargetError, match="others may write"):
        victim.do(action)
    assert (path.read_bytes(), kept(victim)) == (b"evil", [])


@pytest.mark.parametrize("place", ["{vault}/0123-evil", "{other}/0123-evil", "{incident}/evidence/files/evil"])
def test_hemostats_own_places_are_not_cleaned(victim: Victim, place: str) -> None:
    """What lies in a vault or among the evidence was taken there by us."""
    here = vault(victim.case)
    path = place.format(vault=here, other=Path(here).parent / "other", incident=victim.case.folder)
    victim.find("file.talker", path=path, sha256="0" * 64)
    assert plan(victim.case) == []


def test_a_locked_file_beside_its_old_place_is_in_a_vault(victim: Victim) -> None:
    """A process still runs it from there: nothing is done to it. A file with rights in such a folder is no vault's."""
    path, action = evil(victim, "tmp/.hemostat-1/0123-evil")
    assert not quarantine.look(victim.hands, action).present
    path.chmod(0)
    assert quarantine.look(victim.hands, action).present


def test_a_path_that_leads_nowhere_is_an_error(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel says (unreachable) of a file outside of our mounts: it is not said to be gone."""
    monkeypatch.chdir(victim.root)
    victim.find("process.talks", path="(unreachable)/evil", sha256="0" * 64)
    (action,) = plan(victim.case)
    with pytest.raises(TargetError, match="cannot be reached"):
        victim.do(action)


def test_a_file_that_cannot_be_looked_at_is_an_error(victim: Victim) -> None:
    """A name that no system call takes is not the same as a file that is gone."""
    victim.find("file.talker", path=str(victim.root / ("x" * 300)), sha256="0" * 64)
    with pytest.raises(TargetError, match="too long"):
        victim.do(victim.plan())


UNITS = "etc/systemd/system/evil.service"
SYSTEMCTL = """#!/bin/sh
# Keeps one unit's state in a file, as systemd keeps links: enabled or not.
while [ $# -gt 0 ]; do case "$1" in
  is-enabled) if test -e "$0.enabled"; then echo enabled; else echo disabled; exit 1; fi; exit;;
  disable) rm -f "$0.enabled"; exit;;
  enable) : > "$0.enabled"; exit;;
  daemon-reload) exit;;
esac; shift; done
exit 1
"""


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("dies", [False, True])
def test_a_unit_is_enabled_again_if_it_was(
    victim: Victim, monkeypatch: pytest.MonkeyPatch, enabled: bool, dies: bool
) -> None:
    """What systemd said before the act is in the receipt, also after a crash in the midst of it, and the undo goes by it."""
    path = victim.file(UNITS, b"[Service]\nExecStart=/x/evil\n")
    program = victim.file("systemctl", SYSTEMCTL.encode(), 0o755)
    state = program.with_name("systemctl.enabled")
    if enabled:
        state.touch()
    monkeypatch.setattr(systemctl, "SYSTEMCTL", str(program))
    whole = Victim(Path("/"), victim.case)
    facts = {"kind": "systemd", "line": 0, "text": "", "owner": ""}
    whole.find("autostart.starts", path=str(path), sha256=sha256(path.read_bytes()).hexdigest(), **facts)
    action = whole.plan()
    receipt = _do(whole, action, monkeypatch, dies)
    assert (receipt.record["enabled"], path.exists(), state.exists()) == (enabled, False, False)
    assert whole.undo(action, receipt).ok
    assert (path.exists(), state.exists()) == (True, enabled)


def _do(victim: Victim, action: Action, monkeypatch: pytest.MonkeyPatch, dies: bool) -> Receipt:
    if dies:
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr(quarantine, "act", _die)
            victim.do(action)
    return victim.do(action)


def _die(*_: object) -> None:
    raise SystemExit("the runner died")
