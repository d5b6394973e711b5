"""Alerts as a sensor sends them, hosts that cannot be looked at, and text that wants to take over a terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.case import load_state
from tasks.model import Outcome, Step
from tests.cli.house import REMOTE, House, say

pytestmark = pytest.mark.lab

# Clears the screen, sets the window's title, writes right to left, ends the line, hides, rings.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egpj.exe\r\n\u2028[red]markup[/red]\x9b31m\x00"
RAW = ("\x1b", "\x07", "\u202e", "\u2028", "\x9b", "\x00", "\r")


def eve(house: House, remote: str = REMOTE, **alert: Any) -> bytes:
    """One EVE line about the victim, as a sensor writes it."""
    record = json.loads(house.lab.alert())
    return json.dumps(record | {"dest_ip": remote, "alert": record["alert"] | alert}).encode() + b"\n"


def inert(text: str) -> bool:
    """Nothing of it reaches the terminal but printable characters and line ends."""
    return not any(char in text for char in RAW)


def test_an_alert_from_standard_input_opens_an_incident(house: House) -> None:
    """The host is found by its address, the playbook by default, the reason is the signature; the block is done."""
    said = house.say("alert suricata - --no-prefect --json", stdin=eve(house, signature="odd"))
    (facts,) = said.json
    assert (facts["steps"][1]["step"], facts["steps"][1]["outcome"]) == ("block", "done")
    (folder,) = house.incidents
    incident = load_state(folder).incident
    assert (incident.host, incident.playbook, str(incident.remote.address)) == ("victim", "beacon", REMOTE)
    assert incident.alert is not None
    assert "odd" in incident.reason


def test_several_alerts_open_one_incident_each(house: House) -> None:
    """NDJSON: each line an incident, one document for a program; the code is the worst."""
    house.merge("playbooks/beacon.yaml", {"approvals": {"block": "ask"}})
    lines = eve(house, "203.0.113.9", signature="a") + eve(house, "203.0.113.10", signature="b")
    said = house.say("alert suricata - --no-prefect --json", stdin=lines)
    assert (said.code, [facts["outcome"] for facts in said.json]) == (5, ["waiting", "waiting"])
    assert len(house.incidents) == 2


def test_an_alert_in_a_file_is_taken_too(house: House) -> None:
    """The same bytes by a file's name."""
    house.merge("playbooks/beacon.yaml", {"approvals": {"block": "ask"}})
    file = house.folder / "eve.json"
    file.write_bytes(eve(house, signature="odd"))
    assert house.say("alert suricata --no-prefect", file).code == 5


def test_hostile_text_of_an_alert_never_reaches_the_terminal(house: House) -> None:
    """Signature and category are the attacker's; every command that shows the incident shows them inert."""
    raw = eve(house, signature=HOSTILE, category=HOSTILE)
    said = [house.say("alert suricata - --no-prefect", stdin=raw)]
    said += [house.say(f"{words}") for words in ("history", "show last", "report last --markdown", "verify last")]
    said += [house.say("undo last --yes --override unverified")]
    assert [s.text[:200] for s in said if not inert(s.out) or not inert(s.err)] == []
    assert HOSTILE in load_state(house.incidents[0]).incident.reason, "the journal keeps it as it came"


WORDS = {
    "host": ["respond", HOSTILE.replace("\x00", ""), "--remote", REMOTE],
    "remote": ["respond", "victim", "--remote", HOSTILE.replace("\x00", "")],
    "port": ["respond", "victim", "--remote", f"{REMOTE}:\x1b[2J"],
    "playbook": ["respond", "victim", "--remote", REMOTE, "--playbook", "\x1b[2J"],
    "incident": ["show", "\x1b[2J\u202e"],
    "file": ["alert", "suricata", "/tmp/\x1b[2J\u202e"],
    "source": ["alert", "\x1b[2J", "-"],
    "step": ["resume", "last", "--redo", "\x1b[2J"],
    "command": ["\x1b[2J"],
    "option": ["history", "--\x1b[2J"],
    "beacon": ["drill", "--beacon", "\x1b[2J"],
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_hostile_words_are_told_inert(house: House, words: list[str]) -> None:
    """What was pasted from an alert into the command line is told back harmless, as an error of words."""
    said = say(*words, "--site", house.folder)
    assert said.code == 2
    assert inert(said.out + said.err), repr(said.err)
    assert not house.incidents


def test_a_host_that_cannot_be_looked_at_is_blocked_all_the_same(house: House) -> None:
    """An SSH host that is away: blocked at its firewall, told as not looked at, and never called clean."""
    remote_host = {"hostname": "192.0.2.77", "platform": "linux", "transport": "ssh", "firewalls": ["asa"]}
    house.merge("inventory/hosts.yaml", {"web": remote_host})
    house.merge("playbooks/beacon.yaml", {"confirm": {"when_unreachable": "block"}})
    said = house.say(f"respond web --remote {REMOTE} --no-prefect")
    assert said.code == 4
    state = load_state(house.incidents[0])
    assert (state.ends[Step.BLOCK].outcome, state.ends[Step.TRIAGE].outcome) == (Outcome.DONE, Outcome.UNREACHABLE)
    assert [w for w in ("could not be looked at", "web at 192.0.2.77", "UNREACHABLE") if w not in said.text] == [], (
        said.text
    )
    assert REMOTE in house.configuration()[0]
