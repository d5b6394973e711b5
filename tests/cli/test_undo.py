"""`undo`: it takes back what hemostat changed, says what cannot be, and never takes back twice."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from tests.cli.house import REMOTE, House, Said, ended, spawn

pytestmark = pytest.mark.lab


def running(folder: Path) -> str:
    """The configuration that the drill's firewall kept when it ended."""
    return str(json.loads((folder / "range" / "device.json").read_text())["running"])


def sandbox(folder: Path) -> dict[str, bytes]:
    """Every file below the victim's root but the quarantine."""
    root = folder / "range" / "victim"
    files = (path for path in root.rglob("*") if path.is_file() and "quarantine" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def undo(folder: Path, *words: str) -> Said:
    """Undo on that drill, in a process of its own."""
    return ended(spawn("undo", folder.name, "--yes", *words, "--reports", folder.parent, cwd=folder.parent))


def test_everything_comes_back_step_by_step(drilled: Path) -> None:
    """Cleanup first: persistence and program are there again. Then the block: the rule is gone. Then there is nothing left."""
    folder = drilled
    remote = json.loads((folder / "range" / "range.json").read_text())["front"][0]
    cleaned, blocked = sandbox(folder), running(folder)
    assert remote in blocked
    said = undo(folder, "--step", "cleanup")
    assert said.code == 0, said.text
    words = ("taken back", "autostart.line", "file.quarantine", "cannot be", "process.kill")
    assert [w for w in words if w not in said.text] == []
    restored = sandbox(folder)
    assert any("kworker-sync" in name for name in restored.keys() - cleaned.keys())
    assert b"kworker-sync" in restored["home/ops/.profile"]
    assert running(folder) == blocked
    stale = undo(folder, "--step", "block")
    assert (stale.code, "unverified" in stale.text) == (3, True), (
        "the threat stands again: the block may not go by itself"
    )
    rest = undo(folder, "--json", "--override", "unverified")
    assert rest.code == 0, rest.text
    assert [(r["action"]["kind"], r["back"]) for r in rest.json] == [("process.kill", False), ("firewall.block", True)]
    assert remote not in running(folder)
    nothing = undo(folder, "--step", "block")
    assert (nothing.code, nothing.text.strip()) == (0, "nothing to take back: no act of ours stands")
    assert sandbox(folder) == restored
    verified = ended(spawn("verify", folder.name, "--reports", folder.parent, cwd=folder.parent))
    assert verified.code == 0, verified.text
    told = (folder / "report.md").read_text()
    assert "taken back" in told, "the report must not go on telling of changes that were taken back"


def test_a_block_that_is_not_verified_needs_a_word(house: House) -> None:
    """Before a passed verification the host may still call home: undo refuses, names the word, and obeys it."""
    house.respond()
    blocked = house.configuration()
    said = house.say("undo last --yes")
    assert said.code == 3
    assert [w for w in ("no passed verification", "--override unverified") if w not in said.text] == []
    assert house.configuration() == blocked
    assert house.say("undo last --yes --override unverified").code == 0
    assert REMOTE not in house.configuration()[0]


def test_undo_asks_and_without_a_terminal_waits(house: House) -> None:
    """Nobody says yes: nothing is taken back, and the next step is named."""
    house.respond()
    blocked = house.configuration()
    said = house.say("undo last --override unverified")
    assert said.code == 5
    assert "hemostat" in said.text
    assert house.configuration() == blocked


def test_a_block_that_two_incidents_want_stays_until_the_last_one(house: House) -> None:
    """Found there or wanted by another incident, it is not taken out under anybody."""
    house.respond()
    first = house.incidents[0].name
    house.respond()
    (second,) = (folder.name for folder in house.incidents if folder.name != first)
    shared = house.say("undo --yes --override unverified", first)
    assert shared.code == 3
    assert [w for w in (second, "undo those first", "--override shared") if w not in shared.text] == []
    said = house.say("undo --yes --override unverified", second)
    assert (said.code, "nothing to take back" in said.text) == (0, True)
    assert REMOTE in house.configuration()[0]
    assert house.say("undo --yes --override unverified", first).code == 0
    assert REMOTE not in house.configuration()[0]


def test_expire_ends_a_block_when_its_time_is_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before; a journal that cannot be read is told and holds up no other; a second run has nothing to do."""
    house.merge("playbooks/beacon.yaml", {"block": {"minutes": 1}})
    house.respond()
    broken = house.reports / "20010101-000000-dead"
    blocked = house.configuration()
    early = house.say("expire")
    assert (early.code, early.text.strip(), house.configuration()) == (0, "no block's time is over", blocked)
    broken.mkdir()
    (broken / "journal.jsonl").write_bytes(b"nonsense\n")
    monkeypatch.setattr("flows.runs.datetime", Tomorrow)
    late = house.say("expire")
    assert late.code == 1
    assert [w for w in ("taken back", "firewall.block", REMOTE, broken.name) if w not in late.text] == []
    assert REMOTE not in house.configuration()[0]
    assert house.say("expire --json").json == []


class Tomorrow(datetime):
    """A clock that is a day ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=1)
