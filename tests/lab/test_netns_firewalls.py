"""The range's firewalls on real traffic: nftables, FRR, and emulated devices whose decisions are put in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.netns import enforce, layout, plan, site
from lab.netns.range import Range
from tests.patience import until
from tests.range.ground import MARKS, block, chosen, hears, running, silent

pytestmark = MARKS
EMULATED = ("cisco_asa", "vyos", "juniper_junos")
BLOCKED = [
    *((platform, "ipv4") for platform in ("linux", "frr", *EMULATED)),
    *((platform, "ipv6") for platform in ("linux", "frr", *EMULATED)),
    ("linux", "ipv4-mapped"),
]


def beacon_of(platform: str) -> str:
    """A platform with sessions to cut meets an established one; the others each new one."""
    return "keepalive" if platform in ("linux", "frr", "cisco_asa") else "short"


@pytest.mark.parametrize(("platform", "remote"), BLOCKED)
def test_a_block_is_silence_at_the_c2_and_nothing_to_the_control_host(
    tmp_path: Path, platform: str, remote: str
) -> None:
    """New and established flows end for the victim alone, whatever the family; without the block they come again."""
    with running(tmp_path, chosen(beacon_of(platform), firewalls=(platform,), remote=remote)) as lab:
        name = site.device_name(platform)
        assert hears(lab, 5)
        block(lab, name)
        assert silent(lab, 1.5), f"{platform}: messages still arrive"
        assert answered(lab), "the control host is cut off as well"
        block(lab, name, undo=True)
        assert hears(lab, 15), "the beacon must get through again"
        assert lab.control()[1] == 0


def answered(lab: Range) -> bool:
    sent, lost = lab.control()
    return sent > 0 and lost == 0


def test_an_emulated_asa_lets_the_established_flow_go_on_until_it_is_cut(tmp_path: Path) -> None:
    """As on the device: the deny alone stops new connections; `clear conn` ends the one that stands."""
    with running(tmp_path, chosen(firewalls=("cisco_asa",))) as lab:
        block(lab, "cisco-asa", cut=False)
        assert until(lambda: lab.plan.c2[0] in denied(lab), 5), "the device's deny must be in force on nft"
        assert hears(lab, 2), "a deny alone must not end the session"
        block(lab, "cisco-asa")
        assert silent(lab, 1.5)
        assert {message.connection for message in lab.c2_messages()} == {1}


def denied(lab: Range) -> str:
    return lab.run(layout.FIREWALL, "nft", "list", "table", "inet", "laboratory")


@pytest.mark.parametrize("platform", ["cisco_asa", "cisco_ios", "fortinet", "hillstone_stoneos", "hp_comware", "huawei",
                                      "juniper_junos", "mikrotik_routeros", "paloalto_panos", "vyos"])  # fmt: skip
def test_a_provisioned_device_denies_nothing_yet(platform: str) -> None:
    """With hemostat's list in place and empty, every flow of the range passes: who comes up in the range does not cut it off."""
    made = plan.fresh(chosen(), ())
    assert enforce.denials(platform, enforce.provisioned(platform), enforce.flows(made)) == set()
