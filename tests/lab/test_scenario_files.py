"""Scenario files: strict, every fault with its line; what the repository ships can be read and covers what issue 4 names."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from lab.netns import plant, scenario
from tasks.model import ConfigError
from tests.cli.house import say

FAULTS = {
    "unknown key": ("description: x\nbeakon: short\n", "x.yaml:2", "did you mean 'beacon'?"),
    "unknown way to hide": ("description: x\nbeacon: memfdd\n", "x.yaml:2", "did you mean 'memfd'?"),
    "unknown persistence": ("description: x\npersistence:\n  - cron_d\n  - crond\n", "x.yaml:4", "crond"),
    "no description": ("beacon: short\n", "x.yaml:1", "the key 'description' is missing"),
    "unknown step": ("description: x\noutcomes: {blok: done}\n", "x.yaml:2", "did you mean 'block'?"),
    "unknown outcome": ("description: x\noutcomes:\n  block: refuse\n", "x.yaml:3", "did you mean 'refused'?"),
    "a number for a text": ("description: 7\n", "x.yaml:1", "a text is wanted"),
    "interval out of range": ("description: x\ninterval: 0\n", "x.yaml:2", "0.1 to 30 is wanted"),
    "unknown key within": ("description: x\nwithin:\n  contian: 3\n", "x.yaml:3", "did you mean 'contain'?"),
    "no yaml": ("description: [x\n", "x.yaml:2", "this is not YAML"),
    "a name of its own": ("description: x\nname: y\n", "x.yaml:2", "unknown key 'name'"),
}


@pytest.mark.parametrize(("text", "where", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_with_its_line(tmp_path: Path, text: str, where: str, words: str) -> None:
    """File, line, and what is allowed there."""
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError) as told:
        scenario.load("x", tmp_path)
    assert where in str(told.value)
    assert words in str(told.value)


def test_every_way_to_hide_and_to_come_back_is_played() -> None:
    """The shipped scenarios use each beacon, each persistence, each login; one of them has no beacon at all."""
    shipped = [scenario.load(name) for name in scenario.names()]
    assert {s.beacon for s in shipped} == set(get_args(scenario.Beacon))
    assert {way for s in shipped for way in s.persistence} == set(plant.WAYS) == set(get_args(scenario.Persistence))
    assert {s.login for s in shipped} == {"root", "sudo", "sudo_password"}
    assert {"linux", "frr", "cisco_asa", "vyos"} <= {platform for s in shipped for platform in s.firewalls}


def test_list_shows_each_scenario_and_makes_nothing(tmp_path: Path) -> None:
    """--list: a line each, for a person and for a program; no folder is made."""
    said = say("drill", "--list", "--reports", tmp_path / "reports")
    assert said.code == 0
    assert [name for name in scenario.names() if name not in said.text] == []
    told = say("drill", "--list", "--json", "--reports", tmp_path / "reports")
    assert [entry["name"] for entry in told.json] == scenario.names()
    assert list(tmp_path.iterdir()) == []


def test_explain_says_what_the_hosts_are_and_makes_nothing(tmp_path: Path) -> None:
    """--explain with --range netns: every host, what is needed, what is written, how it ends."""
    said = say("drill", "--range", "netns", "--explain", "--reports", tmp_path / "reports")
    words = (
        "victim",
        "control",
        "firewall",
        "router",
        "internet",
        "soc",
        "root",
        "uidmap",
        "reports/ID",
        "SIGKILL",
        "--all",
    )
    assert [word for word in words if word not in said.text] == []
    assert list(tmp_path.iterdir()) == []


WRONG = {
    "range": (("--range", "moon"), "say loopback, netns"),
    "scenario": (("--scenario", "keepalife"), "did you mean 'keepalive'?"),
    "firewall": (("--scenario", "keepalive", "--firewall", "asa"), "cisco_asa"),
}


@pytest.mark.parametrize(("words", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_word_is_told(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    """What there is instead; exit code 2; no folder is made."""
    said = say("drill", *words, "--yes", "--reports", tmp_path / "reports")
    assert (said.code, says in said.text) == (2, True), said.text
    assert list(tmp_path.iterdir()) == []
