"""A host cut off for real: who still gets through, what the switch does when nobody comes back, and that nothing of it stays."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.containment.conftest import C2, C2_V6, INNOCENT, NEEDS, NFT_ALONE, RUNNER, RUNNER_V6, SILENT, Net, never
from tests.patience import BUSY, until

pytestmark = [pytest.mark.range, pytest.mark.skipif(not NEEDS, reason="needs root, ip, nft and iptables")]
# Long enough for a proof of the way on a busy machine: the switch must not be quicker than the runner.
REVERT = 10
OURS = {"isolate": "auto", "own": [RUNNER, RUNNER_V6]}


def test_everything_stops_but_the_own_path(net: Net, tmp_path: Path) -> None:
    """v4 and v6, established and new, in and out; the runner's flow goes on; undo gives back the rules from before."""
    before = net.rules()
    bad, neighbour, ours = net.talk(C2), net.talk(INNOCENT), net.talk(RUNNER, 22)
    told = net.do("block", tmp_path / "incident-1", **OURS)
    assert told["outcome"] == "done", told
    assert told["checks"]["isolation of web"][0] == "pass"
    assert told["again"] == ["pass", "pass"]
    assert (bad.heard(), neighbour.heard()) == (0, 0)
    assert ours.goes_on()
    assert [net.reaches(a) for a in (C2, C2_V6, INNOCENT, RUNNER, RUNNER_V6)] == [False, False, False, True, True]
    assert net.do("undo isolate", tmp_path / "incident-1", **OURS)["standing"] == ["block/on-host"]
    assert (net.reaches(INNOCENT), net.reaches(C2)) == (True, False)
    assert net.do("undo", tmp_path / "incident-1", **OURS)["standing"] == []
    assert net.rules() == before


def test_the_switch_is_gone_once_the_way_is_proved(net: Net, tmp_path: Path) -> None:
    """The isolation stands longer than the switch would have let it."""
    assert net.do("block", tmp_path / "incident-1", revert_after=REVERT, **OURS)["outcome"] == "done"
    assert never(lambda: net.reaches(INNOCENT), REVERT + 0.5)
    assert net.do("look", tmp_path / "incident-1", **OURS)["again"] == ["pass", "pass"]


def cut_off(net: Net, folder: Path, revert: float = REVERT) -> subprocess.Popen[str]:
    """A runner that waits for a proof which does not come, the host already cut off."""
    runner = net.hemostat("block", folder, isolate="auto", own=[SILENT], revert_after=revert)
    assert until(lambda: not net.reaches(INNOCENT, seconds=0.2), 10), "it was never cut off"
    return runner


def test_a_killed_runner_leaves_no_host_cut_off(net: Net, tmp_path: Path) -> None:
    """kill -9 between the drop and the proof: the host ends it by itself, and the block stands."""
    runner = cut_off(net, tmp_path / "incident-1")
    runner.kill()
    runner.wait()
    assert not net.reaches(INNOCENT, seconds=0.3)
    assert until(lambda: net.reaches(INNOCENT, seconds=0.3), REVERT), "the dead-man's switch did nothing"
    assert until(lambda: not {"ISO", "isolation"} & set(re.findall("ISO|isolation", net.rules())), 3)
    assert not net.reaches(C2)


@NFT_ALONE
def test_no_proof_no_isolation(net: Net, tmp_path: Path) -> None:
    """Nobody of ours answers: the step says so and when it ends, and it does end."""
    out, err = cut_off(net, tmp_path / "incident-1").communicate(timeout=30 * BUSY)
    assert '"failed"' in out, err
    assert f"ends its isolation by itself within {REVERT} s" in out
    assert until(lambda: net.reaches(INNOCENT, seconds=0.3), REVERT)


@NFT_ALONE
def test_a_resume_goes_on_where_the_runner_was_killed(net: Net, tmp_path: Path) -> None:
    """The switch still runs: the way is proved anew, the switch taken away, the isolation stays."""
    late = round(REVERT * BUSY)  # a new runner has to start before the switch does its work
    runner = cut_off(net, tmp_path / "incident-1", late)
    runner.kill()
    runner.wait()
    assert switches(net)
    told = net.do("block", tmp_path / "incident-1", isolate="auto", own=[SILENT, RUNNER], revert_after=late)
    assert told["outcome"] == "done", told
    assert until(lambda: not switches(net), 5)
    assert not net.reaches(INNOCENT, seconds=0.3)


def switches(net: Net) -> list[str]:
    """The processes on the victim that would end its isolation."""
    listed = subprocess.run(["ip", "netns", "pids", net.victim], capture_output=True, text=True, check=True).stdout
    return [pid for pid in listed.split() if "hemostat-switch" in _command(pid)]


def _command(pid: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""


@NFT_ALONE
def test_a_person_is_asked(net: Net, tmp_path: Path) -> None:
    """ask: nothing is cut off before the yes; a no leaves the block; both are told."""
    wish = {**OURS, "isolate": "ask"}
    assert net.do("block", tmp_path / "incident-1", **wish)["outcome"] == "waiting"
    assert (net.reaches(INNOCENT), net.reaches(C2)) == (True, False)
    told = net.do("block", tmp_path / "incident-1", answer=False, **wish)
    assert told["outcome"] == "done", told
    assert "refused by anna" in told["summary"]
    assert net.reaches(INNOCENT)
    assert net.do("block", tmp_path / "incident-2", answer=True, **wish)["outcome"] == "done"
    assert not net.reaches(INNOCENT)


@NFT_ALONE
def test_no_way_in_no_isolation(net: Net, tmp_path: Path) -> None:
    """The machine that hemostat runs on, with nobody to spare: nothing is cut off, and the reason is plain."""
    told = net.do("block", tmp_path / "incident-1", isolate="auto")
    assert told["outcome"] == "failed", told
    assert "no own address" in told["summary"]
    assert net.reaches(INNOCENT)


@NFT_ALONE
def test_expire_ends_it_too(net: Net, tmp_path: Path) -> None:
    """The block's time to live is the isolation's."""
    assert net.do("block", tmp_path / "incident-1", minutes=5, **OURS)["outcome"] == "done"
    assert net.do("expire", tmp_path / "incident-1", minutes=5, **OURS)["standing"] == []
    assert net.reaches(INNOCENT)


def test_an_opening_more_or_less_is_noticed(net: Net, tmp_path: Path) -> None:
    """Somebody on the host makes a hole: verification tells."""
    assert net.do("block", tmp_path / "incident-1", **OURS)["outcome"] == "done"
    if net.hide_nft:
        net.say(net.victim, "iptables", "-I", "HEMOSTAT-ISO-OUT", "1", "-d", INNOCENT, "-j", "RETURN")
    else:
        net.say(
            net.victim,
            "nft",
            "insert",
            "rule",
            "inet",
            "hemostat_isolation",
            "output",
            "ip",
            "daddr",
            INNOCENT,
            "accept",
        )
    assert net.do("look", tmp_path / "incident-1", **OURS)["again"] == ["pass", "fail"]
