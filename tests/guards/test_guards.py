"""No notation gets an internal, own or never_block address past the guards."""

from __future__ import annotations

from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.guards import NEVER_BLOCK, admit
from tasks.model import Address, Mode, Refused, Remote
from tasks.settings import KnownGood, Policy
from tasks.yaml_lines import read

TODAY = date(2027, 1, 1)
POLICY = Policy(
    internal=(ip_network("198.51.100.0/24"),),
    own=(ip_address("203.0.113.53"),),
    never_block=(
        KnownGood(ip_network("8.8.8.8/32"), "Google DNS", date(2030, 1, 1)),
        KnownGood(ip_network("9.9.9.9/32"), "Quad9", date(2026, 12, 31)),
    ),
    laboratory=(ip_network("127.66.0.0/16"), ip_network("10.66.0.0/16")),
)
OWN_PATH = (ip_address("203.0.113.1"), ip_address("127.66.0.1"), ip_address("2001:db8::1"))
CASES: dict[str, Any] = read((Path(__file__).parent / "cases.yaml").read_bytes()).value

Inside = st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.51.100.0/24"])
V4 = st.one_of(
    Inside.flatmap(lambda net: st.ip_addresses(network=net)),
    st.sampled_from([IPv4Address(a) for a in ("203.0.113.53", "203.0.113.1", "8.8.8.8", "127.0.0.1", "224.0.0.1")]),
)


def carriers(inner: IPv4Address, other: int) -> list[Address]:
    """The IPv4 address itself and every IPv6 form that carries it; `other` fills the bits that mean something else."""
    v4, low = int(inner), other & 0xFFFFFFFF
    return [
        inner,
        IPv6Address(0xFFFF << 32 | v4),
        IPv6Address(v4),
        IPv6Address(0x2002 << 112 | v4 << 80 | other & (1 << 80) - 1),
        IPv6Address(0x64FF9B << 96 | v4),
        IPv6Address(0x20010000 << 96 | low << 64 | (other >> 32 & 0xFFFFFFFF) << 32 | v4 ^ 0xFFFFFFFF),
        IPv6Address(0x20010000 << 96 | v4 << 64 | other & (1 << 64) - 1),
        IPv6Address(0x2A01 << 112 | (other & 0xFFFF) << 64 | 0x5EFE << 32 | v4),
        IPv6Address(0x2A01 << 112 | (other & 0xFFFF) << 64 | 0x02005EFE << 32 | v4),
    ]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_right_guard_answers(case: dict[str, Any]) -> None:
    """Each remote of the table is admitted, or refused by the guard that fits and with words that help."""

    def ask() -> None:
        admit(
            Remote.parse(case["remote"]),
            POLICY,
            OWN_PATH,
            Mode(case.get("mode", "live")),
            TODAY,
            case.get("overrides", ()),
        )

    if "guard" not in case:
        return ask()
    with pytest.raises(Refused) as caught:
        ask()
    assert caught.value.guard == case["guard"]
    assert caught.value.override == (NEVER_BLOCK if case["guard"] == NEVER_BLOCK else None)
    assert all(word in str(caught.value) for word in case.get("says", [])), str(caught.value)
    return None


@given(V4, st.integers(0, (1 << 128) - 1), st.integers(0, 8), st.sampled_from(Mode), st.none() | st.integers(1, 65535))
def test_no_notation_is_admitted(inner: IPv4Address, other: int, form: int, mode: Mode, port: int | None) -> None:
    """Internal, own, never_block and reserved IPv4 addresses are refused in all nine forms, in both modes."""
    if mode is Mode.DRILL and any(inner in network for network in POLICY.laboratory):
        return
    with pytest.raises(Refused):
        admit(Remote(carriers(inner, other)[form], port), POLICY, OWN_PATH, mode, TODAY)


@given(V4.filter(lambda a: str(a) != "8.8.8.8"), st.integers(0, (1 << 128) - 1), st.integers(0, 8))
def test_no_word_lifts_the_hard_guards(inner: IPv4Address, other: int, form: int) -> None:
    """Every override at once admits nothing internal, own or reserved."""
    words = ("never-block", "internal", "own-path", "reserved", "laboratory", "unconfirmed")
    with pytest.raises(Refused):
        admit(Remote(carriers(inner, other)[form]), POLICY, OWN_PATH, Mode.LIVE, TODAY, words)


@given(st.ip_addresses(v=6, network="fc00::/7") | st.just(IPv6Address("2001:db8::1")))
def test_inside_ipv6_is_refused(address: IPv6Address) -> None:
    """Unique local addresses and the own path, a zone beside it or not."""
    for remote in (address, IPv6Address(f"{address}%eth0")):
        with pytest.raises(Refused):
            admit(Remote(remote), POLICY, OWN_PATH, Mode.LIVE, TODAY)


@given(st.ip_addresses())
def test_an_empty_policy_still_protects(address: Address) -> None:
    """Whatever is admitted under an empty policy is global or a documentation or benchmark network."""
    try:
        admit(Remote(address), Policy(), (), Mode.LIVE, TODAY)
    except Refused:
        return
    assert not (address.is_loopback or address.is_multicast or address.is_link_local or address.is_unspecified)


def test_what_is_meant_for_the_own_path_may_itself_be_in_disguise() -> None:
    """An own address written as IPv4-mapped protects the IPv4 address."""
    with pytest.raises(Refused, match="own path"):
        admit(Remote.parse("45.0.0.1"), Policy(), (ip_address("::ffff:45.0.0.1"),), Mode.LIVE, TODAY)
