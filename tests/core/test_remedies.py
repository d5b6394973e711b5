"""Remedies on real files below a root: done, taken back to the byte, and refused where they have no business."""

from __future__ import annotations

import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tasks.cleanup import vault
from tasks.model import Action, HemostatError, Refused, TargetError
from tasks.transports import local_change
from tests.core.victim import Victim

CRON = "# jobs\n30 2 * * * root /usr/local/sbin/backup\n* * * * * ops /x/evil >/dev/null\n@daily root /bin/true\n"
EVIL = "* * * * * ops /x/evil >/dev/null"


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def seen(path: Path) -> tuple[bytes, int, int, int]:
    """What an undo must restore: bytes, mode, owner and group; not the times."""
    known = path.stat()
    return path.read_bytes(), stat.S_IMODE(known.st_mode), known.st_uid, known.st_gid


def cron_line(victim: Victim, path: Path, number: int = 3, text: str = EVIL) -> Action:
    victim.find("autostart.starts", path=str(path), line=number, text=text, kind="cron", sha256=digest(path), owner="")
    return victim.plan()


CRONS = {
    "in the middle": CRON,
    "first": f"{EVIL}\n# other\n",
    "last": f"# other\n{EVIL}\n",
    "last, without its end": f"# other\n{EVIL}",
    "alone": f"{EVIL}\n",
    "with Windows line ends": f"# other\r\n{EVIL}\r\n@daily root /bin/true\r\n",
    "beside bytes that are no text": f"# \udcff\udcfe\n{EVIL}\n",
}


@pytest.mark.parametrize("text", CRONS.values(), ids=CRONS)
def test_a_line_goes_and_comes_back_to_the_byte(victim: Victim, text: str) -> None:
    """Persistence off is one line less; undo gives the same bytes, mode and owner."""
    path = victim.file("etc/cron.d/x", text.encode("utf-8", "surrogateescape"), 0o640)
    number = next(n for n, line in enumerate(text.splitlines(), 1) if line == EVIL)
    before = seen(path)
    action = cron_line(victim, path, number)
    receipt = victim.do(action)
    assert (receipt.changed, EVIL.encode() in path.read_bytes()) == (True, False)
    assert len(path.read_bytes().splitlines()) == len(text.splitlines()) - 1
    assert victim.undo(action, receipt).ok
    assert seen(path) == before


TWICE = {
    "apart": f"{EVIL}\n# other\n{EVIL}\n",
    "together": f"# other\n{EVIL}\n{EVIL}\n# more\n",
    "the last without its end": f"{EVIL}\n# other\n{EVIL}",
    "only they": f"{EVIL}\n  {EVIL}\n{EVIL}",
}


@pytest.mark.parametrize("text", TWICE.values(), ids=TWICE)
def test_a_line_that_stands_twice_goes_wholly(victim: Victim, text: str) -> None:
    """One action for all of them, and an undo puts each back to its place."""
    path = victim.file("etc/cron.d/x", text.encode())
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() == EVIL:
            facts = {"path": str(path), "line": number, "text": EVIL, "kind": "cron", "sha256": "", "owner": ""}
            victim.find("autostart.starts", **facts)
    action = victim.plan()
    receipt = victim.do(action)
    assert EVIL.encode() not in path.read_bytes()
    assert victim.undo(action, receipt).ok
    assert path.read_bytes() == text.encode()


def test_no_line_is_glued_to_another(victim: Victim) -> None:
    """The last line had no end, and others were added since: the undo keeps them apart."""
    path = victim.file("etc/cron.d/x", f"# other\n{EVIL}".encode())
    action = cron_line(victim, path, 2)
    receipt = victim.do(action)
    path.write_text("# other\n# new")
    assert victim.undo(action, receipt).ok
    assert path.read_text() == f"# other\n{EVIL}\n# new"


ODD_LINES = {
    "not UTF-8": b"* * * * * ops /x/\xff\xfe",
    "a bare carriage return": b"* * * * * ops true\r/x/evil",
    "very long": b"* * * * * ops /x/evil " + b"a" * 9000,
}


@pytest.mark.parametrize("line", ODD_LINES.values(), ids=ODD_LINES)
def test_what_triage_reads_of_a_line_finds_it_again(victim: Victim, line: bytes) -> None:
    """The entry as it was read leads to the very line, through the journal."""
    path = victim.file("etc/crontab", b"# jobs\r# more\n" + line + b"\n@daily root /bin/true\n")
    before = seen(path)
    entry = victim.hands.autostarts()[0][0]
    action = cron_line(victim, path, entry.line, entry.text)
    receipt = victim.do(action)
    assert path.read_bytes() == b"# jobs\r# more\n@daily root /bin/true\n"
    assert victim.undo(action, receipt).ok
    assert seen(path) == before


def test_a_line_that_moved_is_found_by_its_words(victim: Victim) -> None:
    """Somebody added lines since triage: the right one goes all the same."""
    path = victim.file("etc/cron.d/x", CRON.encode())
    action = cron_line(victim, path)
    path.write_text(f"# new\n# newer\n{CRON}")
    assert victim.do(action).changed
    assert path.read_text() == f"# new\n# newer\n{CRON}".replace(f"{EVIL}\n", "")


def test_a_file_that_changes_under_the_act_is_left_alone(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash is compared at the last moment: no one's edit is lost."""
    path = victim.file("etc/cron.d/x", CRON.encode())
    action = cron_line(victim, path)
    write = local_change._write

    def overtaken(*args: object) -> str:
        name = write(*args)
        path.write_text(CRON + "# an administrator's\n")
        return name

    monkeypatch.setattr(local_change, "_write", overtaken)
    with pytest.raises(TargetError, match="changed it since"):
        victim.do(action)
    assert path.read_text() == CRON + "# an administrator's\n"
    assert [p.name for p in path.parent.iterdir()] == ["x"], "a temporary file was left"


def quarantined(victim: Victim, path: Path, rule: str = "file.talker") -> Action:
    victim.find(rule, path=str(path), sha256=digest(path), kind="systemd", line=0, text="", owner="")
    return victim.plan()


@pytest.mark.parametrize("mode", [0o755, 0o4755, 0o000])
def test_a_file_goes_into_the_vault_and_comes_back(victim: Victim, mode: int) -> None:
    """Renamed, not copied: the same inode, locked with mode 0000, and as it was after the undo."""
    path = victim.file("home/ops/.cache/evil", b"\x7fELF evil", mode)
    before, inode = seen(path), path.stat().st_ino
    action = quarantined(victim, path)
    receipt = victim.do(action)
    (kept,) = (p for p in Path(vault(victim.case)).iterdir())
    assert not path.exists()
    assert (kept.stat().st_ino, stat.S_IMODE(kept.stat().st_mode)) == (inode, 0)
    assert victim.undo(action, receipt).ok
    assert (seen(path), path.stat().st_ino) == (before, inode)


def test_a_file_that_came_back_is_quarantined_again(victim: Victim) -> None:
    """The dropper wrote the same bytes once more: both copies are kept."""
    path = victim.file("home/ops/evil", b"evil", 0o755)
    action = quarantined(victim, path)
    victim.do(action)
    victim.file("home/ops/evil", b"evil", 0o755)
    assert victim.do(action).changed
    assert len(list(Path(vault(victim.case)).iterdir())) == 2


def test_another_file_in_its_place_is_neither_moved_nor_overwritten(victim: Victim) -> None:
    """Not the file that triage saw: nothing is moved. Something new where it stood: the undo refuses."""
    path = victim.file("home/ops/evil", b"evil", 0o755)
    action = quarantined(victim, path)
    path.write_bytes(b"a colleague's script")
    with pytest.raises(TargetError, match="no longer the file"):
        victim.do(action)
    assert path.read_bytes() == b"a colleague's script"
    path.write_bytes(b"evil")
    receipt = victim.do(action)
    path.write_bytes(b"something new")
    with pytest.raises(TargetError, match="another file stands"):
        victim.undo(action, receipt)
    assert path.read_bytes() == b"something new"


def test_a_link_is_not_followed(victim: Victim, tmp_path: Path) -> None:
    """The path is exchanged for a link to a file with the same bytes outside the root: that one stays."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"evil")
    path = victim.file("home/ops/evil", b"evil", 0o755)
    action = quarantined(victim, path)
    path.unlink()
    path.symlink_to(outside)
    with pytest.raises(HemostatError):
        victim.do(action)
    assert outside.read_bytes() == b"evil"


def test_a_unit_is_disabled_by_moving_it_away(victim: Victim) -> None:
    """An autostart file of its own goes whole, and comes back whole."""
    path = victim.file("home/ops/.config/systemd/user/evil.service", b"[Service]\nExecStart=/x/evil\n")
    before = seen(path)
    action = quarantined(victim, path, "autostart.starts")
    assert action.kind == "autostart.file"
    receipt = victim.do(action)
    assert not path.exists()
    assert victim.undo(action, receipt).ok
    assert seen(path) == before


OUTSIDE: dict[str, Callable[[Victim, Path], Action]] = {
    "a line": lambda victim, path: cron_line(victim, path),
    "a file": lambda victim, path: quarantined(victim, path),
    "a unit": lambda victim, path: quarantined(victim, path, "autostart.starts"),
}


@pytest.mark.parametrize("planned", OUTSIDE.values(), ids=OUTSIDE)
@pytest.mark.parametrize("way", ["plain", "dots", "link"])
def test_nothing_outside_the_fence_is_touched(
    victim: Victim, tmp_path: Path, planned: Callable[[Victim, Path], Action], way: str
) -> None:
    """By its plain path, by .. and by a link inside the root that leads out."""
    real = tmp_path / "outside" / "x"
    real.parent.mkdir()
    real.write_text(CRON)
    (victim.root / "way").symlink_to(real.parent)
    path = {"plain": real, "dots": victim.root / "../outside/x", "link": victim.root / "way/x"}[way]
    with pytest.raises(Refused, match="fence"):
        victim.do(planned(victim, path))
    assert real.read_text() == CRON
    assert [p.name for p in real.parent.iterdir()] == ["x"]
