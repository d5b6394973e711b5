"""Words and rules that look like a block and are none: each is heard as a refusal or read as not in force."""

from __future__ import annotations

import re

import pytest
from ruamel.yaml import YAML

from tasks import firewalls
from tasks.firewalls import Entry, cisco_asa, mikrotik_routeros
from tasks.model import Remote
from tests.firewalls.cases import FOLDER

INCIDENT = "20260101-000000-victim"
ENTRY = Entry(Remote.parse("203.0.113.9"), INCIDENT)
NARROWED = {
    "paloalto_panos, one zone it comes from": ("paloalto_panos", r"(?m)^(\s+)from any;", r"\1from guest;"),
    "paloalto_panos, one zone it goes to": ("paloalto_panos", r"(?m)^(\s+)to any;", r"\1to dmz;"),
    "fortinet, one group of users": ("fortinet", r"(?m)^(\s+)set logtraffic all$", r'\1set groups "staff"'),
}


@pytest.mark.parametrize(("platform", "pattern", "narrow"), NARROWED.values(), ids=NARROWED)
def test_a_deny_that_something_narrows_is_not_in_force(platform: str, pattern: str, narrow: str) -> None:
    """A reading in force, narrowed by one line, is in force no more."""
    readings = YAML(typ="safe").load(FOLDER / platform / "words.yaml")["readings"]
    reading = next(
        r for r in readings if r["says"].get("enforced") and any(re.search(pattern, a) for a in r["answers"])
    )
    firewall, entry = firewalls.load(platform), Entry(Remote.parse(reading["remote"]), INCIDENT)
    assert firewall.read(entry, tuple(reading["answers"])).enforced
    assert not firewall.read(entry, tuple(re.sub(pattern, narrow, a) for a in reading["answers"])).enforced


@pytest.mark.parametrize("group", ["", "ERROR: specified object group <HEMOSTAT> not found"])
def test_an_asa_without_the_group_is_told_what_to_provision(group: str) -> None:
    """Nothing, or the device's word for it: both are absent, and neither is an error."""
    seen = cisco_asa.read(ENTRY, (group, "", ""))
    assert (seen.present, seen.enforced, seen.missing) == (False, False, cisco_asa.provision("HEMOSTAT"))


def test_a_standby_asa_that_takes_the_line_has_refused() -> None:
    """The active unit, which carries the traffic, never has it."""
    said = "**** WARNING ****\n\tConfiguration Replication is NOT performed from Standby unit to Active unit."
    assert any(re.search(pattern, said, re.M) for pattern in cisco_asa.failures)


def test_a_session_that_ends_by_itself_is_no_refused_cut() -> None:
    """RouterOS finds a connection and may no longer have it when it removes it."""
    (cut,) = mikrotik_routeros.cut(ENTRY)
    assert re.search(cut.tolerate, "no such item (4)")
