"""What is left when addresses are taken out of all: nothing is both, nothing is neither."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.containment.windows_isolation import ALWAYS, blocked_but
from tasks.windows.ranges import complement, merged, span

NETS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda t: f"{t[0]}/{t[1]}"),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(lambda t: f"{t[0]}/{t[1]}"),
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)).map(lambda t: f"{min(t)}-{max(t)}"),
)
EDGES = [0, 1, (1 << 32) - 1, (1 << 32) - 2]


@given(st.lists(NETS, max_size=12))
def test_the_two_are_everything_and_share_nothing(exempt: list[str]) -> None:
    """Complement and exempt together are all of v4 and v6, and they are disjoint."""
    rest = complement(exempt)
    whole = merged(["0.0.0.0/0", "::/0"])
    assert merged([*rest, *exempt]) == whole
    count = sum(s.last - s.first + 1 for s in [*map(span, rest), *merged(exempt)])
    assert count == sum(s.last - s.first + 1 for s in whole), "an address is in both"


@given(
    st.lists(NETS, max_size=8),
    st.one_of(st.ip_addresses(), st.sampled_from(EDGES).map(IPv4Address), st.just(IPv6Address(1))),
)
def test_each_address_is_in_exactly_one(exempt: list[str], address: IPv4Address | IPv6Address) -> None:
    """Seen from one address, its edges too."""

    def holds(texts: list[str]) -> bool:
        return any(s.version == address.version and s.first <= int(address) <= s.last for s in map(span, texts))

    assert holds(exempt) != holds(complement(exempt))


@given(
    st.lists(st.ip_addresses().map(str), max_size=6), st.lists(st.ip_addresses().map(str), max_size=3), st.booleans()
)
def test_nobody_who_is_spared_is_blocked(own: list[str], dns: list[str], dhcp: bool) -> None:
    """Runner, owner, resolvers, this machine and neighbour discovery pass, whatever else the facts say; all others do not."""
    facts = {"runner": ["198.51.100.7", 5985], "own": own, "dns": dns, "dhcp": ["10.0.0.1"] if dhcp else []}
    blocked = [span(text) for text in blocked_but(facts)]
    spared = [
        *own,
        *dns,
        "198.51.100.7",
        "127.0.0.1",
        "::1",
        "fe80::1",
        "ff02::1:ff00:1",
        *(["255.255.255.255", "ff05::1:3", "10.0.0.1"] if dhcp else []),
    ]
    for text in spared:
        assert not any(
            s.version == ip_address(text).version and s.first <= int(ip_address(text)) <= s.last for s in blocked
        ), text
    assert merged([*map(str, blocked), *ALWAYS, *spared, "fe80::/10"]) == merged(["0.0.0.0/0", "::/0"])


@pytest.mark.parametrize(
    ("said", "same"),
    [
        (["10.0.0.0/255.255.255.0"], ["10.0.0.0-10.0.0.255"]),
        (["10.0.0.0-10.0.0.9", "10.0.0.10"], ["10.0.0.0-10.0.0.10"]),
        (["2001:db8::/127"], ["2001:db8::", "2001:db8::1"]),
    ],
)
def test_windows_may_say_it_otherwise(said: list[str], same: list[str]) -> None:
    """A list that means the same is the same, however it is written."""
    assert merged(said) == merged(same)


@pytest.mark.parametrize("text", ["Any", "LocalSubnet", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", ""])
def test_what_is_no_range_is_told(text: str) -> None:
    """A keyword would hide how much a rule covers."""
    with pytest.raises(ValueError, match=r".*"):
        span(text)
