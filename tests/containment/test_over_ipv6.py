"""A host that is reached over IPv6 alone, isolated: its way is more than the runner's packets, it needs its neighbours and path MTU too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.netns import layout
from lab.netns.range import Range
from tasks import on_host
from tasks.case import reopened
from tasks.model import Consent, Outcome, Step
from tests.containment.test_over_ssh import isolating, quiet, respond, take_back
from tests.patience import until
from tests.range.ground import MARKS, chosen, running

pytestmark = MARKS
BIG = 100_000
# Nobody waits for the switch here: however slow the machine is, it must not be quicker than the proof.
REVERT = 300


@pytest.fixture(params=["nft", "iptables"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Range, Path]]:
    """Whatever hemostat reaches there, it reaches over IPv6; the victim has nft, or iptables and ip6tables alone."""
    with running(tmp_path, chosen("ipv6")) as made:
        isolating(made, tmp_path, REVERT)
        if request.param == "iptables":
            made.run("victim", "mount", "--bind", "/dev/null", "/usr/sbin/nft")
        yield made, tmp_path


def rules(made: Range) -> str:
    """Both programs' rules, counters left out; a hidden nft has none."""
    shown = made.run("victim", "sh", "-c", "[ ! -x /usr/sbin/nft ] || nft -s list ruleset")
    return shown + "".join(made.run("victim", program, "-S") for program in ("iptables", "ip6tables"))


def gets_out(made: Range) -> list[bool]:
    """Do new connections to the innocent server come about, over IPv4 and IPv6?"""
    tried = 'for a; do if timeout 1 bash -c ": <>/dev/tcp/$a/443" 2>/dev/null; then echo yes; else echo no; fi; done'
    answers = made.run("victim", "sh", "-c", tried, "sh", layout.WEB[0], layout.WEB6[0]).split()
    return [word == "yes" for word in answers]


def test_the_way_stays(ground: tuple[Range, Path]) -> None:
    """All neighbours forgotten, the path grown narrower than the link: a new login still comes, and a long answer; all else is cut off."""
    made, folder = ground
    before = rules(made)
    assert until(lambda: gets_out(made) == [True, True], 10)
    incident, outcome = respond(folder)
    with reopened(incident) as case:
        assert outcome is Outcome.DONE, case.state.ends[Step.BLOCK]
        assert {c.name: c.result for _, c in case.state.checks}["isolation of victim"] == "pass"
        assert quiet(made)
        assert gets_out(made) == [False, False]
        made.run("firewall", "ip", "link", "set", "soc", "mtu", "1280")
        for host, port in (("victim", "eth0"), ("firewall", "lan1")):
            made.run(host, "ip", "-6", "neighbour", "flush", "dev", port)
        assert f"from {layout.ADDRESS6[layout.SOC]} to port 22" in case.hands().renew(())
        assert len(case.hands().run(["head", "-c", str(BIG), "/dev/zero"]).out) == BIG
        assert [c.result for c in on_host.again(case)] == ["pass", "pass"]
        assert all(take_back(case, Consent.ISOLATE))
        assert until(lambda: gets_out(made) == [True, True], 10)
        assert all(take_back(case, Consent.BLOCK))
    assert rules(made) == before
