"""The whole view on a real beacon: everything that was planted is found, nothing innocent is grave."""

from __future__ import annotations

import time

import pytest

from lab import victim
from lab.range import Range
from tasks import collectors
from tasks.beacon import attribute, learn_interval, talks
from tasks.facts import Snapshot
from tasks.transports.local import LocalHands
from tasks.transports.local_files import homes

pytestmark = pytest.mark.lab
INTERVAL = 0.3


def look(hands, remote, seconds, step):
    """Samples of a window as the steps take them: what was caught in between goes with the next one."""
    samples, deadline = [hands.connections()], time.monotonic() + seconds
    while time.monotonic() < deadline:
        between = hands.watch(remote, step)
        samples.append([*hands.connections(), *between])
    return samples


@pytest.mark.parametrize("mode", ["keepalive", "short"])
@pytest.mark.parametrize("compiler", ["", None], ids=["compiled", "interpreter"])
def test_the_beacon_and_all_it_left(tmp_path, mode, compiler):
    """Both kinds of beacon in both modes: its process for sure, its interval, its program and each of its entries."""
    if compiler == "" and victim.compiler() is None:
        pytest.skip("no C compiler: the copied interpreter is tested instead")
    with Range(tmp_path / "range", mode, INTERVAL, compiler=compiler) as lab:
        hands = LocalHands(str(lab.root))
        samples = look(hands, lab.remote, 8 * INTERVAL, INTERVAL / 4)
        now, processes = time.time(), hands.processes()
        entries, missed = hands.autostarts()
        files, passed = hands.files(now - 86400)
        folders = tuple(path for _, path in homes(str(lab.root)))
    snapshot = Snapshot(
        "victim",
        now,
        hands.boot_time(),
        tuple(samples[-1]),
        tuple(processes),
        tuple(entries),
        tuple(files),
        (*missed, *passed),
    )
    suspects = attribute(samples, lab.remote, processes)
    context = collectors.Context(lab.remote, suspects, homes=folders, now=now, root=str(lab.root))
    found = collectors.judge(collectors.artefacts(), snapshot, context)
    caught = {c.pid for sample in samples for c in sample if talks(c, lab.remote) and c.pid}
    condemned = {f.facts["exe"] for f in found if f.rule.startswith("process.") and f.score >= 70}
    assert condemned == {str(lab.root) + victim.PROGRAM}
    assert {s.pid for s in suspects if s.confidence == "high"} == caught
    assert caught or mode == "short", "a standing connection always shows its owner"
    grave = {
        (f.facts["path"].removeprefix(str(lab.root)), f.facts.get("line", 0))
        for f in found
        if f.score >= 70 and f.facts.get("path")
    }
    wanted = {(p.path, p.line) for p in victim.PLANTED if p.kind in ("file", "cron", "profile")}
    assert wanted <= grave, "\n".join(f"{f.score} {f.rule} {f.where}" for f in found)
    assert victim.UNIT in {path for path, _ in grave}
    keys = [f for f in found if f.facts.get("kind") == "authorized_keys"]
    assert {f.facts["line"] for f in keys} >= {2}
    assert not {path for path, _ in grave} & set(victim.INNOCENT)
    learnt = learn_interval(samples, lab.remote)
    if mode == "keepalive":
        assert learnt.seconds is None
    else:
        assert learnt.seconds == pytest.approx(INTERVAL, rel=0.5)
