"""Alerts and the playbook that each must get."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.choose import choose
from tasks.model import Alert, ConfigError, Remote
from tasks.settings import Playbook, Policy, Site

BOOKS = {
    "beacon": ((), ()),
    "by-hand": ((), ()),
    "all-plain": (("plain",), ()),
    "malware": ((), ("ET MALWARE *",)),
    "malware-suricata": (("suricata",), ("ET MALWARE *",)),
    "cobalt": ((), ("*malware cobalt strike*",)),
    "tagged": ((), ("[soc] *",)),
    "one-letter": ((), ("rule ?",)),
    "watch": (("suricata",), ("ET INFO *", "ET POLICY *")),
    "watch-twin": (("suricata",), ("ET POLICY *",)),
}
SITE = Site("", {}, Policy(), {n: Playbook("x", s, p, name=n) for n, (s, p) in BOOKS.items()})


def alert(source: str, signature: str) -> Alert:
    return Alert(source, "1", "web", Remote.parse("203.0.113.9"), signature, datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("source", "signature", "wanted"),
    [
        ("suricata", "something else", "beacon"),
        ("plain", "something else", "all-plain"),
        ("plain", "ET MALWARE Beacon", "malware"),
        ("suricata", "ET MALWARE Beacon", "malware-suricata"),
        ("suricata", "et malware beacon", "malware-suricata"),
        ("suricata", "ET MALWARE Cobalt Strike C2", "cobalt"),
        ("suricata", "ET POLICY curl", "watch"),
        ("plain", "ET INFO curl", "all-plain"),
        ("suricata", "[soc] beacon", "tagged"),
        ("suricata", "s beacon", "beacon"),
        ("suricata", "rule 7", "one-letter"),
        ("suricata", "rule 77", "beacon"),
        ("suricata", "", "beacon"),
        ("suricata", "*" * 1000, "beacon"),
    ],
)
def test_the_closest_playbook_is_chosen(source: str, signature: str, wanted: str) -> None:
    """Signature before source, longer before shorter, alphabet between equals, beacon for the rest."""
    assert choose(SITE, alert(source, signature)).name == wanted


def test_no_playbook_at_all_is_an_error() -> None:
    """Nothing is done without a playbook."""
    with pytest.raises(ConfigError, match="beacon"):
        choose(Site("", {}, Policy(), {}), alert("plain", "x"))
