"""Every scenario by all seven steps over real SSH, and what `undo` brings back; judged from the hosts and from the C2."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.netns import layout, scenario
from lab.netns.range import Range, missing
from tests.cli.house import ended, say, spawn
from tests.range.ground import MARKS, hears

pytestmark = MARKS
QUICK = ("--yes", "--no-prefect", "--json")


@pytest.mark.parametrize("name", scenario.names())
def test_a_scenario_ends_as_it_must(tmp_path: Path, name: str) -> None:
    """Outcomes, verdict, silence at the C2, all that was planted, the innocent, the control host: nothing is amiss."""
    if why := missing(scenario.load(name)):
        pytest.skip(why)
    said = say("drill", "--scenario", name, *QUICK, "--reports", tmp_path)
    (result,) = said.json["scenarios"]
    assert result["faults"] == [], said.text
    assert said.code == 0
    assert result["control_messages"] > 5


def test_undo_brings_back_what_was_there(tmp_path: Path) -> None:
    """Files, lines and the service are as the attacker left them, the address is free again, and so the beacon is back."""
    say("drill", "--scenario", "keepalive", *QUICK, "--reports", tmp_path)
    (folder,) = tmp_path.iterdir()
    victim = folder / "range/hosts/victim"
    assert not (victim / "home/ops/.cache/.kworker/kworker-sync").exists()
    said = ended(spawn("undo", "last", "--yes", "--json", "--reports", str(tmp_path), cwd=tmp_path))
    assert said.code == 0, said.text
    back = {item["action"]["kind"] for item in said.json if item["back"]}
    assert back == {"file.quarantine", "autostart.file", "autostart.line", "firewall.block"}, said.text
    with Range.reopen(folder / "range") as again:
        assert hears(again, 10), "the block stands, or the persistence does not"
        assert "* * * * * ops" in again.run(layout.VICTIM, "cat", "/etc/cron.d/kworker-sync")
        assert again.plan.c2[0] not in again.run(layout.FIREWALL, "nft", "list", "ruleset")


def test_another_firewall_can_be_taken(tmp_path: Path) -> None:
    """--firewall puts an emulated platform in the place of the scenario's own."""
    said = say("drill", "--scenario", "short", "--firewall", "juniper_junos", *QUICK, "--reports", tmp_path)
    (result,) = said.json["scenarios"]
    assert result["faults"] == [], said.text
    (journal,) = tmp_path.glob("*/journal.jsonl")
    assert "juniper-junos" in journal.read_text()


def test_a_scenario_that_is_not_met_is_an_error(tmp_path: Path) -> None:
    """A demand that nothing can meet ends with exit code 1 and says which one."""
    made = scenario.FOLDER / "clean.yaml"
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path / "scenarios"
        folder.mkdir()
        (folder / "clean.yaml").write_text(made.read_text().replace("unsure", "confirmed"))
        patch.setattr(scenario.load, "__defaults__", (folder,))
        said = say("drill", "--scenario", "clean", *QUICK, "--reports", tmp_path / "reports")
    assert said.code == 1
    assert "confirmed is the truth" in json.dumps(said.json)


def test_a_drills_folder_can_be_deleted(tmp_path: Path) -> None:
    """What hemostat locked away on the victim, immutable there, does not outlast the range."""
    say("drill", "--scenario", "behind-vyos", *QUICK, "--reports", tmp_path)
    (folder,) = tmp_path.iterdir()
    assert any((folder / "range/hosts/victim/var/lib/hemostat").rglob("*kworker-sync"))
    shutil.rmtree(folder)
    assert not folder.exists()
