"""The remote denied on the victim itself: real packets of real flows, with nftables and with iptables alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containment.conftest import C2, C2_V6, INNOCENT, NEEDS, NFT_ALONE, Net

pytestmark = [pytest.mark.range, pytest.mark.skipif(not NEEDS, reason="needs root, ip, nft and iptables")]


@pytest.mark.parametrize("remote", [C2, C2_V6])
def test_established_and_new_flows_stop_and_others_go_on(net: Net, tmp_path: Path, remote: str) -> None:
    """In and out; the innocent neighbour's flow never misses a beat; an undo gives back the very rules from before."""
    before = net.rules()
    bad, good = net.talk(remote), net.talk(INNOCENT)
    told = net.do("block", tmp_path / "incident-1", remote=remote)
    assert told["outcome"] == "done", told
    assert told["checks"]["rule in web itself"][0] == "pass"
    assert (bad.heard(), net.reaches(remote)) == (0, False)
    assert good.goes_on()
    assert net.reaches(INNOCENT)
    assert net.do("look", tmp_path / "incident-1", remote=remote)["again"] == ["pass"]
    assert net.do("undo", tmp_path / "incident-1", remote=remote)["standing"] == []
    assert net.rules() == before
    assert net.reaches(remote)


def test_a_port_alone(net: Net, tmp_path: Path) -> None:
    """Scope address_port: another port of the same address is left open."""
    told = net.do("block", tmp_path / "incident-1", remote=f"{C2}:4443", scope="address_port")
    assert told["outcome"] == "done", told
    assert (net.reaches(C2, 4443), net.reaches(C2, 22)) == (False, True)


def test_foreign_rules_and_other_incidents_stay(net: Net, tmp_path: Path) -> None:
    """Somebody's own accept before ours does not open it, and an undo takes out nothing but our entry."""
    net.say(net.victim, "iptables", "-I", "OUTPUT", "1", "-d", C2, "-j", "ACCEPT")
    before = net.rules()
    assert net.do("block", tmp_path / "incident-1")["outcome"] == "done"
    assert net.do("block", tmp_path / "incident-2", remote=INNOCENT)["outcome"] == "done"
    assert not net.reaches(C2)
    assert net.do("undo", tmp_path / "incident-1")["standing"] == []
    assert (net.reaches(C2), net.reaches(INNOCENT)) == (True, False)
    assert net.do("undo", tmp_path / "incident-2", remote=INNOCENT)["standing"] == []
    assert net.rules() == before


@NFT_ALONE
def test_what_was_there_before_is_not_taken_back(net: Net, tmp_path: Path) -> None:
    """A second incident with the same remote changes nothing, and its undo leaves the first one's block."""
    assert net.do("block", tmp_path / "a" / "incident-1")["outcome"] == "done"
    told = net.do("block", tmp_path / "b" / "incident-2")
    assert (told["outcome"], told["standing"]) == ("nothing_to_do", [])
    net.do("undo", tmp_path / "b" / "incident-2")
    assert not net.reaches(C2)


def test_its_time_to_live_is_honoured(net: Net, tmp_path: Path) -> None:
    """hemostat's own clock takes it out; nftables would by itself too."""
    assert net.do("block", tmp_path / "incident-1", minutes=5)["outcome"] == "done"
    assert ("expires" in net.say(net.victim, "nft", "list", "ruleset")) if not net.hide_nft else True
    assert net.do("expire", tmp_path / "incident-1", minutes=5)["standing"] == []
    assert net.reaches(C2)


def test_a_rule_that_was_taken_out_by_hand_is_noticed(net: Net, tmp_path: Path) -> None:
    """Verification re-reads the host, and a redo of the step puts it right."""
    assert net.do("block", tmp_path / "incident-1")["outcome"] == "done"
    if net.hide_nft:
        net.say(net.victim, "iptables", "-F", "OUTPUT")
    else:
        net.say(net.victim, "nft", "flush", "chain", "inet", "hemostat_host", "output")
    assert net.do("look", tmp_path / "incident-1")["again"] == ["fail"]
    assert net.do("block", tmp_path / "incident-1")["again"] == ["pass"]
    assert not net.reaches(C2)
