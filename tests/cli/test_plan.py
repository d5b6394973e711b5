"""`plan` and `check` read only: they tell what stands and what would be done, with the code that a run would end with."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.house import REMOTE, House, Said

pytestmark = pytest.mark.lab

Edits = dict[str, Any]
NEVER = [{"network": f"{REMOTE}/32", "reason": "the payment provider", "expires": "2099-12-31"}]


def device(**changes: Any) -> Edits:
    """The site with another entry for the firewall."""
    return {"inventory/hosts.yaml": {"asa": changes}}


# name: how the site differs, exit code, what must be read
PLANS: dict[str, tuple[Edits, int, list[str]]] = {
    "it would block": ({}, 0, ["nothing was changed", "guards: pass", f"network-object host {REMOTE}", "clear conn"]),
    "a guard": ({"inventory/policy.yaml": {"never_block": NEVER}}, 3, ["payment provider", "--override never-block"]),
    "unprovisioned": (device(list_name="ELSEWHERE"), 1, ["put in place once: object-group network ELSEWHERE"]),
    "unreachable": (device(port=1), 4, ["asa", "refused"]),
    "no firewall": ({"inventory/hosts.yaml": {"victim": {"firewalls": []}}}, 1, ["no firewall", "add firewalls:"]),
}
CHECKS: dict[str, tuple[Edits, int, list[str]]] = {
    "all well": ({}, 0, ["pass asa: ", "denied by line 1", "victim", "0 errors"]),
    "wrong password": (
        device(password="env:HEMOSTAT_TEST_WRONG"),
        4,
        ["fail", "the login was refused", "username and"],
    ),
    "unprovisioned": (device(list_name="ELSEWHERE"), 4, ["put in place once", "object-group network ELSEWHERE"]),
    "unreachable": (device(port=1), 4, ["fail", "asa", "refused"]),
    "a fault in a file": (
        {"playbooks/beacon.yaml": {"confrim": {}}},
        2,
        ["playbooks/beacon.yaml:", "confrim", "1 errors"],
    ),
}


def unchanged(house: House, edits: Edits, words: str) -> Said:
    """Say it in a site with these edits; neither the device nor any file is another afterwards."""
    for file, changes in edits.items():
        house.merge(file, changes)
    files, running = house.files(), house.configuration()
    said = house.say(words)
    assert (house.files(), house.configuration()) == (files, running)
    return said


@pytest.mark.parametrize(("edits", "code", "words"), PLANS.values(), ids=PLANS)
def test_plan_tells_and_changes_nothing(house: House, edits: Edits, code: int, words: list[str]) -> None:
    """What a run would say to the device, or why it would not; for a person and for a program."""
    said = unchanged(house, edits, f"plan victim --remote {REMOTE}")
    assert said.code == code, said.text
    assert [w for w in words if w not in said.text] == [], said.text
    shown = unchanged(house, {}, f"plan victim --remote {REMOTE} --json")
    assert (shown.code, shown.json["host"], shown.json["remote"]) == (code, "victim", REMOTE)


@pytest.mark.parametrize(("edits", "code", "words"), CHECKS.values(), ids=CHECKS)
def test_check_live_tells_and_changes_nothing(house: House, edits: Edits, code: int, words: list[str]) -> None:
    """Logs in for real, reads, names what is to be put right; for a person and for a program."""
    said = unchanged(house, edits, "check --live")
    assert said.code == code, said.text
    assert [w for w in words if w not in said.text] == [], said.text
    shown = unchanged(house, {}, "check --live --json")
    assert shown.code == code
    assert set(shown.json) == {"problems", "live"}


def test_check_without_live_asks_no_device(house: House) -> None:
    """Files alone: a dead firewall is none of its business."""
    house.merge("inventory/hosts.yaml", {"asa": {"port": 1}})
    said = house.say("check")
    assert (said.code, said.text.strip()) == (0, "0 errors, 0 warnings")
