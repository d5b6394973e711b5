"""One address, many spellings: every source makes the same remote, the same host and the same duplicate of them."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest

from tasks.alerts import read, sources
from tasks.alerts.shape import domain_of
from tasks.model import Alert
from tasks.settings import ALWAYS_INTERNAL
from tests.alerts.twins import TWINS, at, base, changed

INTERNAL = (*ALWAYS_INTERNAL, ip_network("2001:db8:1::/48"))
# Where the remote stands and, if the source tells both ends by address, where the victim does.
PLACES = {"plain": ("", "remote_ip")}
# The port that a source's twin tells in a field of its own; 443 elsewhere. One behind the address must not contradict it.
PORTS = {"plain": 8443, "alertmanager": 8443}
SIX = (
    "2001:db8:77::9",
    "2001:DB8:77::9",
    "2001:0db8:0077:0000:0000:0000:0000:0009",
    "2001:db8:77:0:0:0:0:9",
    "2001:db8:77::0.0.0.9",
    "[2001:db8:77::9]",
    "[2001:DB8:77::9]:{port}",
)
MAPPED = (
    "203.0.113.9",
    "::ffff:203.0.113.9",
    "::FFFF:203.0.113.9",
    "::ffff:cb00:7109",
    "0:0:0:0:0:ffff:203.0.113.9",
    "[::ffff:203.0.113.9]:{port}",
    "203.0.113.9:{port}",
)
VICTIM = ("2001:db8:1::7", "2001:DB8:1:0::7", "[2001:0db8:0001::0007]", "2001:db8:1::7")
ZONED = ("fe80::1%eth0", "fe80::1%12", "[fe80::1%eth0]:443", "2001:db8:77::9%eth0")


def places(source: str) -> tuple[str, str, str]:
    """The base to take, and the paths of victim and remote in it."""
    twin = TWINS[source]
    name = twin.get("swap_base", "")
    near, far = PLACES[source] if source in PLACES else twin["swap"][0]
    return name, _leaf(source, name, near), _leaf(source, name, far)


def _leaf(source: str, name: str, path: str) -> str:
    was = at(base(source, name), path) if path else None
    inner = next((key for key in ("ip", "ipAddress") if isinstance(was, dict) and key in was), "")
    return f"{path}.{inner}" if inner else path


def said(source: str, remote: str, victim: str = "") -> list[Alert]:
    name, near, far = places(source)
    changes: dict[str, Any] = {far: remote.format(port=PORTS.get(source, 443))}
    if near and victim:
        changes[near] = victim
    return list(read(source, json.dumps(changed(base(source, name), changes)).encode(), INTERNAL).alerts)


def key(alert: Alert) -> tuple[str, ...]:
    """What the inbox makes a duplicate from."""
    return alert.source, alert.id, alert.host, str(alert.remote.address)


@pytest.mark.parametrize("source", sources())
@pytest.mark.parametrize("spellings", [SIX, MAPPED], ids=["IPv6", "IPv4-mapped"])
def test_every_spelling_of_a_remote_is_one_remote_and_one_duplicate(source: str, spellings: tuple[str, ...]) -> None:
    """Capitals, all zeros, brackets, a port behind it, IPv4-mapped: one address, and with a port of the sender's one remote."""
    alerts = [said(source, text) for text in spellings]
    assert all(len(several) == 1 for several in alerts), "a spelling was not read"
    assert {str(several[0].remote.address) for several in alerts} == {spellings[0]}
    assert len({key(several[0]) for several in alerts}) == 1
    (again,) = said(source, spellings[0])
    assert {several[0].remote for several in alerts} == {again.remote} or again.remote.port is None


@pytest.mark.parametrize("source", sources())
def test_every_spelling_of_a_victim_is_one_host(source: str) -> None:
    """Also of the address that a sender gives in place of a name."""
    whole = places(source)
    near = whole[1] or "host"  # as plain JSON says it
    texts = [json.dumps(changed(base(source, whole[0]), {near: v, whole[2]: SIX[0]})).encode() for v in VICTIM]
    hosts = {key(alert) for text in texts for alert in read(source, text, INTERNAL).alerts}
    assert len(hosts) == 1, hosts
    assert {host for _, _, host, _ in hosts} == {VICTIM[0]}


@pytest.mark.parametrize("source", sources())
@pytest.mark.parametrize("text", ZONED)
def test_a_zone_names_no_remote(source: str, text: str) -> None:
    """fe80::1%eth0 is one host's own name for a link: the record is told as a fault, and no alert comes of it."""
    batch = _batch(source, text)
    assert batch.alerts == () or all("%" not in str(alert.remote) for alert in batch.alerts)
    assert not any(alert.remote.address.is_link_local for alert in batch.alerts)
    assert batch.faults, "nobody is told"


def _batch(source: str, remote: str) -> Any:
    name, _, far = places(source)
    return read(source, json.dumps(changed(base(source, name), {far: remote})).encode(), INTERNAL)


@pytest.mark.parametrize(
    ("raw", "source"),
    [
        (
            b'logid="1" srcip=2001:DB8:1::7 dstip=2001:0DB8:0077::0009 dstport=443 attack="x" eventtime=1801393200',
            "fortigate",
        ),
        (b"ts", "zeek"),
    ],
)
def test_lines_that_are_no_json(raw: bytes, source: str) -> None:
    """FortiGate's own line; Zeek's JSON with its keys' dots as levels."""
    if source == "zeek":
        ids = {"orig_h": "2001:DB8:1::7", "resp_h": "2001:db8:77:0:0:0:0:9", "resp_p": 443}
        raw = json.dumps({"ts": 1801393200, "note": "x", "uid": "C1", "id": ids}).encode()
    (alert,) = read(source, raw, INTERNAL).alerts
    assert (alert.host, str(alert.remote)) == ("2001:db8:1::7", "[2001:db8:77::9]:443")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://c2.example/gate", "c2.example"),
        ("c2.example:8443/gate", "c2.example"),
        ("https://me:you@c2.example:8443?x", "c2.example"),
        ("https://[2001:db8:77::9]:8443/gate", ""),
        ("[2001:db8:77::9]/gate", ""),
        ("2001:db8:77::9", ""),
        ("http://203.0.113.9/gate", ""),
        ("203.0.113.9:8443", ""),
        ("/gate.php", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_an_address_in_a_url_is_no_domain(text: str, name: str) -> None:
    """Half an IPv6 address was a domain once."""
    assert domain_of(text) == name
