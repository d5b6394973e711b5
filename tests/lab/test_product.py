"""The product's own words and files against the laboratory: what it says to an ASA, and the site that a range writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lab.range import Range
from tasks import choose, site
from tasks.facts import Autostart
from tasks.firewalls import cisco_asa as asa
from tasks.firewalls.shape import Command, Entry
from tasks.model import Alert, Remote, TargetError, Unreachable, parse_address
from tasks.settings import Site
from tasks.transports import device
from tasks.transports.local import LocalHands
from tests.patience import until

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """One range for the whole module; each test leaves the firewall as it found it."""
    with Range(tmp_path_factory.mktemp("product") / "range", "keepalive", 0.2) as running:
        running.write_site(running.folder / "site")
        yield running


@pytest.fixture
def owned(lab: Range) -> Site:
    """The site that the range wrote, as the product reads it."""
    lab.faults()
    return site.load(lab.folder / "site")


def ask(lab: Range, owned: Site, *commands: Command, timeout: float = 20.0) -> tuple[str, ...]:
    """Say commands as the block step does."""
    names = lab.environment
    host = replace(owned.host("asa"), timeout=timeout)
    with device.opened(host, asa, lambda ref: names[ref.removeprefix("env:")], lab.folder / "locks") as session:
        return session.ask(commands)


def test_the_written_site_is_faultless(lab: Range, owned: Site) -> None:
    """No error and no warning in the files of a drill; the drill's alert means its victim and its playbook."""
    assert site.problems(lab.folder / "site") == []
    assert owned.at(parse_address(lab.plan.victim)) is owned.host("victim")
    assert owned.host("victim").root == str(lab.root)
    assert lab.remote.address in owned.policy.laboratory[0]
    now = datetime.now(UTC)
    alert = Alert("suricata", "1", lab.plan.victim, lab.remote, json.loads(lab.alert())["alert"]["signature"], now)
    assert choose.choose(owned, alert).name == "drill"


def test_block_look_and_unblock_round_trip(lab: Range, owned: Site) -> None:
    """The product's words put the entry in, see it enforced, count and cut the session, and take it out again."""
    entry = Entry(lab.remote, "20260101-000000-victim")
    before = asa.read(entry, ask(lab, owned, *asa.look(entry)))
    assert (before.present, before.enforced) == (False, True)
    ask(lab, owned, *asa.block(entry, before), *asa.save())
    after = asa.read(entry, ask(lab, owned, *asa.look(entry)))
    assert (after.present, after.enforced) == (True, True)
    assert asa.count(entry, ask(lab, owned, *asa.sessions(entry))) == 1
    ask(lab, owned, *asa.cut(entry))
    assert until(lambda: bool(asa.read(entry, ask(lab, owned, *asa.look(entry))).hits), 10)
    assert str(lab.remote.address) in lab.device_state()["startup"]
    ask(lab, owned, *asa.unblock(entry, after))
    assert asa.read(entry, ask(lab, owned, *asa.look(entry))).present is False


def test_ipv6_round_trip(lab: Range, owned: Site) -> None:
    """An IPv6 remote goes into the same group and out again."""
    entry = Entry(Remote(parse_address("2001:db8::9")), "20260101-000000-victim")
    listing = asa.read(entry, ask(lab, owned, *asa.look(entry)))
    ask(lab, owned, *asa.block(entry, listing))
    assert asa.read(entry, ask(lab, owned, *asa.look(entry))).present
    ask(lab, owned, *asa.unblock(entry, listing))
    assert not asa.read(entry, ask(lab, owned, *asa.look(entry))).present


def test_a_group_that_is_not_there_is_told_with_what_to_provision(lab: Range, owned: Site) -> None:
    """An unprovisioned device is no crash: the listing says what is missing."""
    entry = Entry(lab.remote, "20260101-000000-victim", name="ELSEWHERE")
    listing = asa.read(entry, ask(lab, owned, *asa.look(entry)))
    assert (listing.present, listing.enforced) == (False, False)
    assert listing.missing == asa.provision("ELSEWHERE")


REFUSED = {
    "command authorization": {"refuse_config": True},
    "full group": {"full": 1},
}


@pytest.mark.parametrize("faults", REFUSED.values(), ids=REFUSED)
def test_a_refused_block_is_an_error_and_changes_nothing(lab: Range, owned: Site, faults: dict[str, object]) -> None:
    """What the device refuses is never taken for done."""
    entry = Entry(lab.remote, "20260101-000000-victim")
    before = lab.device_state()["running"]
    lab.faults(**faults)
    with pytest.raises(TargetError):
        ask(lab, owned, *asa.block(entry, asa.read(entry, ask(lab, owned, *asa.look(entry)))))
    assert lab.device_state()["running"] == before


def test_the_last_member_cannot_be_taken_out_unnoticed(lab: Range, owned: Site) -> None:
    """The ASA refuses to empty a group in use, without the word ERROR; the product must hear it all the same."""
    entry = Entry(Remote(parse_address(asa.DUMMY)), "20260101-000000-victim")
    listing = asa.read(entry, ask(lab, owned, *asa.look(entry)))
    with pytest.raises(TargetError, match="not allowed"):
        ask(lab, owned, *asa.unblock(entry, listing))


def test_a_wrong_enable_secret_ends_unreachable(lab: Range, owned: Site) -> None:
    """A wrong enable secret is told as such, and soon."""
    lab.faults(wrong_enable=True)
    with pytest.raises(Unreachable, match="enable secret"):
        ask(lab, owned, *asa.save(), timeout=4.0)


def test_a_broken_connection_says_that_the_state_is_unknown(lab: Range, owned: Site) -> None:
    """The line was obeyed and the connection broke: the product must not say that it failed, but that it does not know."""
    entry = Entry(lab.remote, "20260101-000000-victim")
    listing = asa.read(entry, ask(lab, owned, *asa.look(entry)))
    lab.faults(drop_after="^network-object")
    with pytest.raises(Unreachable, match="not known"):
        ask(lab, owned, *asa.block(entry, listing))
    lab.faults()
    assert asa.read(entry, ask(lab, owned, *asa.look(entry))).present
    ask(lab, owned, *asa.unblock(entry, listing))


def test_the_local_transport_sees_what_was_planted(lab: Range, owned: Site) -> None:
    """Every planted entry is among the autostarts that the product reads below the victim's root, at its line."""
    seen, _ = LocalHands(owned.host("victim").root).autostarts()
    places = {_place(lab, found) for found in seen}
    wanted = {(p.kind, p.path, p.line) for p in lab.planted if p.kind != "file"}
    assert wanted <= places, f"not seen: {sorted(wanted - places)}"


def _place(lab: Range, found: Autostart) -> tuple[str, str, int]:
    return found.kind, "/" + found.path.removeprefix(str(lab.root)).lstrip("/"), found.line
