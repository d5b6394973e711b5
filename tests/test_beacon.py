"""Who holds the beacon, and how often it calls: properties over simulated beacons, and the odd cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.beacon import attribute, chain, learn_interval, names, settle, talks, tree
from tasks.facts import Connection, Process
from tasks.model import Remote

REMOTE = Remote.parse("203.0.113.9:443")
LINGER = 60.0


def socket(at=0.0, port=40000, pid=None, inode=None, state="ESTABLISHED", remote="203.0.113.9", owner=None):
    sure = owner or ("high" if pid is not None else "none")
    return Connection(at, "tcp", "192.0.2.10", port, remote, 443, state, pid, inode, sure)


NOISE = Connection(0.0, "tcp", "192.0.2.10", 22, "198.51.100.1", 50000, "ESTABLISHED", 77, 7, "high")


def noise(at):
    return Connection(at, *(getattr(NOISE, n) for n in list(Connection.__dataclass_fields__)[1:]))


@dataclass
class Beacon:
    """A beacon that connects at these times, holds each connection for a moment and leaves TIME_WAIT behind."""

    calls: list[float]
    hold: float
    pid: int = 10
    ports: dict[float, int] = field(default_factory=dict)

    def sample(self, at):
        seen = [noise(at)]
        for number, call in enumerate(self.calls):
            if call <= at < call + self.hold:
                seen.append(socket(at, 40000 + number, self.pid, 500 + number))
            elif call + self.hold <= at < call + self.hold + LINGER:
                seen.append(socket(at, 40000 + number, state="TIME_WAIT"))
        return seen


@st.composite
def beacons(draw):
    """A beacon with an interval and jitter, and sample times over at least five intervals, up to three intervals apart."""
    interval = draw(st.floats(0.5, 60.0))
    jitter = draw(st.floats(0.0, 0.2))
    shifts = draw(st.lists(st.floats(-1.0, 1.0), min_size=30, max_size=30))
    calls = [100 + n * interval + shift * jitter * interval / 2 for n, shift in enumerate(shifts)]
    step = interval * draw(st.floats(0.1, 3.0))
    count = max(3, int(5 * interval / step) + 2)
    begin = 100 + draw(st.floats(0.0, 5.0)) * interval
    times = [begin + n * step for n in range(count) if begin + n * step < calls[-1]]
    return interval, step, Beacon(calls, draw(st.floats(0.01, 0.3)) * interval), times


@given(beacons())
def test_interval_of_short_connects(made):
    """The learnt interval is the beacon's, within what jitter and the distance of the samples allow."""
    interval, step, beacon, times = made
    learnt = learn_interval([beacon.sample(t) for t in times], REMOTE)
    assert learnt.seconds is not None, learnt.how
    assert learnt.seconds == pytest.approx(interval, abs=max(step, 0.35 * interval))


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=20, unique=True))
def test_keepalive_shows_no_interval(times):
    """One standing connection has no interval in it, however often it is seen."""
    learnt = learn_interval([[noise(t), socket(t, pid=10, inode=5)] for t in sorted(times)], REMOTE)
    assert learnt.seconds is None
    assert "stands" in learnt.how


def test_nothing_seen_says_so():
    """No socket, or no sample at all, is told in words and never a number."""
    assert learn_interval([], REMOTE).seconds is None
    assert "no socket" in learn_interval([[noise(1.0)], [noise(2.0)]], REMOTE).how
    assert "only one" in learn_interval([[noise(1.0)], [noise(2.0), socket(2.0)]], REMOTE).how


def test_sockets_that_were_there_before_do_not_count():
    """What the first sample shows may be an hour old."""
    old = [socket(1.0, port, state="TIME_WAIT") for port in range(40000, 40050)]
    later = [socket(11.0, port, state="TIME_WAIT") for port in range(40000, 40051)]
    assert learn_interval([old, later], REMOTE).seconds is None


@given(beacons())
def test_attribution_never_blames_a_stranger(made):
    """Only the beacon's process is blamed; if one sample caught it with an open socket, it is blamed for sure."""
    _, _, beacon, times = made
    samples = [beacon.sample(t) for t in times]
    caught = any(c.pid == beacon.pid for sample in samples for c in sample)
    suspects = attribute(samples, REMOTE)
    assert [(s.pid, s.confidence) for s in suspects] == ([(beacon.pid, "high")] if caught else [])


@given(beacons(), st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(made, random):
    """Samples may come in any order; what is learnt and who is blamed stay the same."""
    _, _, beacon, times = made
    samples = [beacon.sample(t) for t in times]
    mixed = random.sample(samples, len(samples))
    assert learn_interval(mixed, REMOTE) == learn_interval(samples, REMOTE)
    assert attribute(mixed, REMOTE) == attribute(samples, REMOTE)


def test_owner_is_carried_to_the_same_socket():
    """A socket that lost its owner (TIME_WAIT) gets it from the sample that saw it, with medium confidence."""
    samples = [[socket(1.0, pid=10, inode=5)], [socket(2.0, state="TIME_WAIT")], [socket(3.0, port=40001)]]
    settled = settle(samples)
    assert [(c.pid, c.owner) for sample in settled for c in sample] == [(10, "high"), (10, "medium"), (None, "none")]


def test_owner_is_not_carried_to_another_inode():
    """The same port with another inode is another socket: its owner stays unknown."""
    settled = settle([[socket(1.0, pid=10, inode=5)], [socket(2.0, inode=6)]])
    assert settled[1][0].pid is None


def test_a_port_that_was_used_again_goes_to_the_nearer_owner():
    """Two processes had the same port one after the other: the rest belongs to the one seen nearest in time."""
    samples = [[socket(1.0, pid=10, inode=5)], [socket(50.0, pid=11, inode=9)], [socket(52.0, state="TIME_WAIT")]]
    assert settle(samples)[2][0].pid == 11


def test_an_empty_first_sample_is_a_baseline():
    """Samples may hold the sockets to the remote alone: an empty first one tells that all later ones are new."""
    learnt = learn_interval([[], [socket(10.0)], [socket(20.0, 40001)], [socket(30.0, 40002)]], REMOTE)
    assert learnt.seconds == 10.0


def test_command_line_is_a_low_suspicion():
    """A process whose command line names the remote is told, as low; a longer address is not the remote."""
    processes = [
        Process(10, 1, 5.0, "nc", cmdline=("nc", "203.0.113.9", "443")),
        Process(11, 1, 5.0, "nc", cmdline=("203.0.113.90",)),
    ]
    assert [(s.pid, s.created, s.confidence) for s in attribute([], REMOTE, processes)] == [(10, 5.0, "low")]


@pytest.mark.parametrize(
    ("text", "remote", "wanted"),
    [
        ("nc 10.0.0.1 443", "10.0.0.1", True),
        ("http://10.0.0.1:80/x", "10.0.0.1", True),
        ("nc 10.0.0.12", "10.0.0.1", False),
        ("nc 110.0.0.1", "10.0.0.1", False),
        ("10.0.0.1.example.org", "10.0.0.1", False),
        ("[2001:db8::9]:443", "2001:db8::9", True),
        ("2001:db8::9:1", "2001:db8::9", True),
        ("2001:db8::99", "2001:db8::9", False),
        ("nc [2001:DB8::0009]:443", "2001:db8::9", True),
        ("DST=2001:0db8:0000:0000:0000:0000:0000:0009 LEN=80", "2001:db8::9", True),
        ("2001:db8:0:0:0:0:0:9:443", "2001:db8::9", True),
        ("it talked to 2001:DB8::9.", "2001:db8::9", True),
        ("nc ::FFFF:203.0.113.9 443", "203.0.113.9", True),
        ("nc [::ffff:cb00:7109]:443", "203.0.113.9", True),
        ("nc ::ffff:203.0.113.99 443", "203.0.113.9", False),
        ("at 10:20:30 in 2001:db8::9x", "2001:db8::9", False),
    ],
)
def test_names_a_whole_address(text, remote, wanted):
    """An address counts only as a whole. (After IPv6 a colon may be a port: rather named once too often.)"""
    assert names([text], Remote.parse(remote)) is wanted


def test_port_counts_only_if_the_alert_named_one():
    """Without a port in the alert every port of the remote is the remote."""
    assert not talks(socket(), Remote.parse("203.0.113.9:80"))
    assert talks(socket(), Remote.parse("203.0.113.9"))


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.floats(0, 10)), max_size=12))
def test_families_end(rows):
    """Whatever pids and parents say, also in circles, chain and tree end, without doubles, and children are not older."""
    everyone = list({pid: Process(pid, ppid, created, "x") for pid, ppid, created in rows}.values())
    for process in everyone:
        line, below = chain(everyone, process.pid), tree(everyone, process.pid)
        assert line[0] == below[0] == process
        assert len(set(line)) == len(line)
        assert len(set(below)) == len(below)
        assert all(parent.created <= child.created for child, parent in pairwise(line))


def test_a_reused_parent_pid_is_no_parent():
    """A parent that is younger than its child took over the pid of one that is gone."""
    child, stranger = Process(20, 10, 100.0, "beacon"), Process(10, 1, 200.0, "sshd")
    assert chain([child, stranger], 20) == (child,)
    assert tree([child, stranger], 10) == (stranger,)
