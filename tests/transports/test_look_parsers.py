"""What look.sh's answers are read as: hostile bytes never crash and never invent; formats as the kernel and the tools write them."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.facts_linux import Module
from tasks.model import Remote, TargetError
from tasks.settings import Host
from tasks.transports import linux_net, linux_proc, ssh_look
from tasks.transports import ssh_look_files as files
from tasks.transports import ssh_look_logs as logs
from tasks.transports import ssh_look_processes as processes
from tasks.transports import ssh_look_records as frame
from tasks.transports import ssh_look_sockets as sockets
from tasks.transports import ssh_look_system as system
from tasks.transports.ssh_hands import SshHands
from tasks.transports.ssh_look_records import Record
from tests.transports.ways import NOWHERE, no_secret

KINDS = st.sampled_from((
    "end", "answered", "prefixed", "lines", "text", "links", "link", "named", "programs", "sums", "clock", "passwd", "users", "covers",
    "same", "uncovered", "listed", "groups", "mute", "machine", "namespace", "tables", "sockets", "inodes", "closed", "home",
    "glob", "file", "files", "says", "leads", "behind", "stats", "heads", "refused", "mounts", "zeros", "rows", "wild",
    "shown", "symbols", "capabilities", "dpkg", "lists", "md5", "rpm", "sha1", "apk", "records", "zone", "log",
    "journal", "unseen", "gone", "who", "preload", "libraries", "tools", "descriptors", "missing",
))  # fmt: skip
WORDS = st.sampled_from(
    ["", "0", "1", "2", "yes", "no", "/proc/1/exe", "/proc/1/stat", "etc/crontab", "7 9", "x" * 300]
)
# Bytes that look like what is expected, cut anywhere and mixed with anything.
LIKE = st.sampled_from(
    [
        b"/proc/1/stat\x001 (a b) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1 1",
        b"/proc/1/status:Uid: 0 0 0 0\n",
        b"/proc/1/exe\0/bin/x\0",
        b"/proc/self/net/tcp:   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0     0        0 12345 1 0 100 0 0 10 0",
        b"/proc/1/fd/3 socket:[12345]\n",
        b"1:2 1 99 /proc/1/exe\n",
        b"a" * 64 + b"  /proc/1/exe\n",
        b"btime 1700000000\n100\n",
        b"81a4 0 0 10 1700000000 1700000000 1 2 1 etc/crontab\n",
        b"F644 0 10 1700000000.5 1700000000.5 1 2 /tmp/x\0",
        b"root:x:0:0::/root:/bin/sh\n",
        b"root:/root:/root\n",
        b"36 35 98:0 / /proc/7 rw - proc proc rw\n",
        b"ext4 1 1 - Live 0x0 (OE)\n",
        b"[x]\n",
        b"/usr/bin/x cap_net_raw=ep\n",
        b"==> /tmp/x <==\n\x7fELF",
        b"Nov 31 25:61:61 h sudo: x",
        b"2026-13-41T99:00:00+99:99 x",
        b"+9999",
        b"1700000000.1 h sshd[1]: x",
        b"\xff\x00\n",
    ]
)
BODIES = st.lists(st.one_of(LIKE, st.binary(max_size=60)), max_size=4).map(b"".join)
RECORDS = st.lists(st.tuples(KINDS, WORDS, BODIES), max_size=14)
QUESTIONS = (
    ssh_look.boot_time,
    ssh_look.homes,
    ssh_look.blind,
    ssh_look.connections,
    ssh_look.processes,
    ssh_look.autostarts,
    lambda ask: ssh_look.watch(ask, Remote.parse("203.0.113.9:443"), 1),
    lambda ask: ssh_look.details(ask, 7),
    lambda ask: ssh_look.files(ask, 0.0),
    lambda ask: ssh_look.system(
        ask, ["modules", "privileges", "packages", "logins", "logs"], 0.0, [1.7e9], ["/bin/x", "/b\\x"]
    ),
)


def framed(rows, end=True):
    """An ask that gives these records, whatever it is asked."""

    def ask(_verb, arguments, _seconds):
        mark = b"\n" + arguments[0].encode() + b" "
        told = b"".join(
            mark + kind.encode() + (b" " + word.encode() if word else b"") + b"\n" + body for kind, word, body in rows
        )
        return told + (mark + b"end\n" if end else b"")

    return ask


@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
@given(rows=RECORDS, end=st.booleans())
@settings(max_examples=60, deadline=None)
def test_records_that_hold_anything_never_crash(question, rows, end):
    """Every question reads every answer, or says in words that it cannot."""
    try:
        question(framed(rows, end))
    except TargetError as error:
        assert str(error)


@pytest.mark.parametrize("question", QUESTIONS[1:], ids=range(1, len(QUESTIONS)))
@given(noise=st.one_of(st.binary(max_size=400), BODIES))
@settings(max_examples=40, deadline=None)
def test_bytes_without_the_separator_invent_nothing(question, noise):
    """Whoever does not know the separator of the question puts no fact into the answer."""
    try:
        found = question(lambda *_: noise)
    except TargetError:
        return
    rows = found[0] if isinstance(found, tuple) and found and isinstance(found[0], list) else found
    if question is QUESTIONS[-1]:
        assert not (rows.modules or rows.privileges or rows.packages or rows.logins or rows.logs)
        assert rows.unseen
    elif question is ssh_look.blind:
        assert any("cut off" in u.why for u in rows)
    else:
        assert not rows or set(rows) <= {"unseen"}


@given(st.binary(max_size=300), st.text("0123456789abcdef", min_size=32, max_size=32))
def test_a_body_is_exact(body, separator):
    """What stands between two records comes out byte for byte."""
    mark = b"\n" + separator.encode() + b" "
    if mark in b"\n" + body + mark:
        body = b""
    [one, two] = frame.split(mark + b"x y z\n" + body + mark + b"end\n", separator)
    assert (one.kind, one.words, one.body, two.kind) == ("x", ("y", "z"), body, "end")


@given(st.text(max_size=400))
def test_kernel_text_never_crashes(text):
    """Tables, stat lines, mountinfo and control groups of any shape."""
    assert all(c.proto == "tcp" for c in linux_net.parse(text, "tcp", 0.0))
    linux_proc.stat(text)
    linux_proc.covered(text)
    linux_proc.hides_others(text)
    linux_proc.container(text)
    logs.moment(text, 0, time.time())


@given(st.binary(max_size=1200), st.booleans())
def test_login_records_never_crash(data, failed):
    """Any bytes: records that make sense, or none."""
    assert all(0 < row.at < 1 << 33 for row in logs.utmp(data, failed))


@given(
    st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8), unique=True, max_size=5
    ),
    st.data(),
)
def test_no_head_passes_for_another(names, data):
    """Six bytes a file, whatever they are: none is given to another file's name."""
    paths = [f"/tmp/{name}" for name in names]
    heads = [data.draw(st.one_of(st.binary(max_size=6), st.just(b"==> /t"), st.just(b"\n==> "))) for _ in paths]
    body = b"\n".join(b"==> " + path.encode() + b" <==\n" + head for path, head in zip(paths, heads, strict=True))
    found = files.headed(body, paths)
    assert found == dict(zip(paths, heads, strict=True))


STAT = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 4242 1 1"


def test_stat_with_brackets_in_the_name():
    """The last bracket ends the name; a kernel thread is told by its flag."""
    seen = linux_proc.stat(STAT)
    assert (seen.pid, seen.name, seen.ppid, seen.threads, seen.started, seen.kernel) == (
        7,
        "a) b (c",
        1,
        3,
        4242,
        False,
    )
    assert linux_proc.stat(STAT.replace("4194560", "2129984")).kernel
    assert linux_proc.stat(STAT.replace("S 1", "Z 1").replace("20 0 3", "20 0 1")).over
    assert not linux_proc.stat(STAT.replace("S 1", "Z 1")).over


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ()),
        (b"a\0b c\0", ("a", "b c")),
        (b"nginx: master\0", ("nginx:", "master")),
        (b"a b", ("a", "b")),
        (b"\xff\0\n\0", ("\udcff", "\n")),
    ],
)
def test_command_lines_as_psutil_reads_them(data, words):
    """Zeros part words; one text that a program wrote over them is parted at spaces."""
    assert linux_proc.argv(data) == words


ID = "0123456789ab" + "c" * 52


@pytest.mark.parametrize(
    ("cgroup", "owner"),
    [
        ("0::/system.slice/ssh.service", ""),
        (f"0::/system.slice/docker-{ID}.scope", "docker 0123456789ab"),
        (f"12:pids:/docker/{ID}\n0::/", "docker 0123456789ab"),
        (f"0::/machine.slice/libpod-{ID}.scope/container", "podman 0123456789ab"),
        (f"0::/kubepods.slice/kubepods-burstable-pod0a1b2c3d_1111_2222_3333_444455556666.slice/cri-containerd-{ID}.scope",
         "kubernetes pod 0a1b2c3d-1111-2222-3333-444455556666, containerd 0123456789ab"),
        (f"0::/kubepods/besteffort/pod0a1b2c3d-1111-2222-3333-444455556666/{ID}",
         "kubernetes pod 0a1b2c3d-1111-2222-3333-444455556666, container 0123456789ab"),
        ("0::/lxc.payload.web1/init.scope", "lxc web1"),
        ("0::/machine.slice/systemd-nspawn@deb.service/payload", "systemd-nspawn deb"),
    ],
)  # fmt: skip
def test_whose_container_a_process_is_in(cgroup, owner):
    """The engine and the short id, as people name it."""
    assert linux_proc.container(cgroup) == owner


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/ssh.service", "ssh.service"),
        ("0::/system.slice/system-worker.slice/worker@1.service/own/below", "worker@1.service"),
        ("3:pids:/docker/x.service\n1:name=systemd:/system.slice/cron.service\n", "cron.service"),
        ("0::/user.slice/user-0.slice/session-3.scope", "session-3.scope"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/kworker.service", "kworker.service of the login 1000"),
        ("0::/user.slice/user-1000.slice/user@1000.service", "user@1000.service"),
        ("0::/init.scope", "init.scope"),
        ("9:name=systemd:/\n0::/\n", ""),
        ("nothing like it", ""),
    ],
)  # fmt: skip
def test_whose_unit_a_process_is_in(cgroup, unit):
    """systemd's own hierarchy tells, in both versions of control groups; of a login's, the login's own unit."""
    assert linux_proc.unit(cgroup) == unit


def test_hidden_processes_from_the_answer():
    """A number that answers and leads its group, but is not listed; a thread and a process that was born meanwhile are none."""
    found = [
        Record("listed", ("yes",), b"1 2 50 "),
        Record("groups", (), b"/proc/40/status:Tgid:\t40\n/proc/41/status:Tgid:\t40\n/proc/50/status:Tgid:\t50\n"),
        Record("mute", (), b"60 "),
        Record("covers", (), b"36 35 98:0 /empty /proc/70 rw - ext4 x rw\n36 35 98:0 / /proc/sys rw\n"),
    ]
    assert processes.hidden(found) == {
        40: "it runs, but a listing of /proc leaves it out",
        60: "it answers to a signal, but /proc has no entry for it",
        70: "/empty is mounted over /proc/70",
    }


def test_a_hidden_process_that_cannot_be_read_is_still_there():
    """What is known of it is that it is there; everything else is told as denied."""
    rows = [("listed", "yes", b"1 "), ("mute", "", b"60 ")]
    [process] = ssh_look.processes(framed(rows))[0]
    assert process.pid == 60
    assert process.hidden
    assert "exe" in process.denied


def test_big_endian_tables():
    """An s390x prints an address's words in its own order."""
    row = b"/proc/self/net/tcp:   0: C0000201:1F90 CB007109:01BB 01 0:0 0:0 0     0        0 7 1\n"
    sight = sockets.sighted([Record("machine", (), b"s390x\n"), Record("tables", (), row)], 0.0)
    assert [(c.local, c.remote, c.remote_port) for c in sight.sockets] == [("192.0.2.1", "203.0.113.9", 443)]


def test_closed_descriptors_make_owners_unsure():
    """Where some process's descriptors are closed, a socket without an owner may be that one's."""
    row = b"/proc/self/net/tcp:   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0     0        0 7 1\n"
    rows = [("namespace", "", b"pid:[4026531836]\n"), ("tables", "", row)]
    [free] = ssh_look.connections(framed(rows))[0]
    [unsure] = ssh_look.connections(framed([*rows, ("closed", "", b"find: '/proc/1/fd': Permission denied\n")]))[0]
    assert (free.owner, unsure.owner) == ("none", "low")


@pytest.mark.parametrize("end", [True, False], ids=["late", "cut off"])
def test_what_the_time_left_out_of_processes_and_sockets_is_told(end, monkeypatch):
    """A list of processes or sockets that is not whole never looks like all there is: it is told with the blind spots."""
    hands = SshHands(Host("slow", "192.0.2.1", "linux", "ssh"), NOWHERE, no_secret)
    before = blind(hands, monkeypatch)
    for look in (hands.processes, hands.connections):
        monkeypatch.setattr(hands, "ask", framed([("unseen", look.__name__, b"it took too long")] if end else [], end))
        look()
    assert blind(hands, monkeypatch) - before == {"processes", "connections"}
    monkeypatch.setattr(hands, "ask", framed([]))
    hands.processes([7])
    assert "processes" in blind(hands, monkeypatch), "a look at one process is none at all of them"
    hands.processes()
    assert blind(hands, monkeypatch) - before == {"connections"}


def blind(hands, monkeypatch):
    """What the hands tell of when the host answers in full."""
    monkeypatch.setattr(hands, "ask", framed([]))
    return {unseen.what for unseen in hands.blind()}


def test_modules_as_each_list_has_them():
    """One that /proc/modules leaves out hides; what stands in brackets without being a module is none."""
    rows = [
        ("listed", "", b"ext4 1 2 - Live 0xffffffffc0000000\nnvidia 1 0 - Live 0x0 (POE)\nnonsense\n"),
        ("shown", "", b"/sys/module/ext4/initstate\n/sys/module/nvidia/initstate\n/sys/module/rk/initstate\n"),
        ("symbols", "", b"[ext4]\n[nvidia]\n[rk]\n[ghost]\n[bpf]\n[__builtin__ftrace]\n"),
    ]
    found = ssh_look.system(framed(rows), ["modules"], 0.0, [], []).modules
    assert found == (
        Module("ext4"),
        Module("ghost", listed=False, shown=False),
        Module("nvidia", taint="POE"),
        Module("rk", listed=False),
    )


def test_a_list_of_modules_that_is_empty_is_not_believed():
    """All modules hidden at once is a list that cannot be read, and is told as such."""
    seen = ssh_look.system(framed([("shown", "", b"/sys/module/ext4/initstate\n")]), ["modules"], 0.0, [], [])
    assert seen.modules == ()
    assert "is empty" in seen.unseen[0].why


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("/usr/bin/ping cap_net_raw=ep", ("/usr/bin/ping", "cap_net_raw=ep")),
        ("/usr/bin/ping = cap_net_raw+ep", ("/usr/bin/ping", "cap_net_raw+ep")),
        ("/opt/a b/x cap_chown,cap_fowner=eip cap_net_raw+p", ("/opt/a b/x", "cap_chown,cap_fowner=eip cap_net_raw+p")),
        ("/opt/all =ep", ("/opt/all", "=ep")),
    ],
)
def test_capabilities_in_the_old_form_and_the_new(line, wanted):
    """libcap before and after 2.41."""
    assert list(system.capabilities([Record("capabilities", (), line.encode())])) == [wanted]


def test_packages_by_rpm():
    """Digest for digest; a program that no package brought is told by its absence."""
    good, bad = "a" * 64, "b" * 64
    rows = [
        (
            "rpm",
            "",
            f"/usr/bin/x\t{good}\tx-1-1\n/usr/bin/y\t{good}\ty-1-1\n".encode()
            + b"/usr/lib/z\t\tz-1-1\nfile /usr/bin/n is not owned by any package\n",
        ),
        ("answered", "", b""),
        ("sums", "", f"{good}  /usr/bin/x\n{bad}  /usr/bin/y\n".encode()),
    ]
    seen = ssh_look.system(
        framed(rows), ["packages"], 0.0, [], ["/usr/bin/x", "/bin/y", "/usr/bin/y", "/usr/lib/z", "/usr/bin/n"]
    )
    assert [row.verdict for row in seen.packages] == ["intact", "unknown", "changed", "unknown", "unowned"]
    late = ssh_look.system(framed([r for r in rows if r[0] != "answered"]), ["packages"], 0.0, [], ["/usr/bin/x"])
    assert late.packages == ()
    assert "too long" in late.unseen[0].why


def test_login_records_of_both_sizes():
    """glibc writes 384 bytes on x86 and 400 on 64-bit ARM; an address stands in when there is no host name."""
    short = struct.pack(
        "=h2xi32s4s32s256shhiii16s20x", 7, 9, b"pts/0", b"", b"ada", b"", 0, 0, 0, 1_700_000_000, 0, bytes([9, 9, 9, 9])
    )
    wide = struct.pack(
        "=h2xi32s4s32s256shhqqq16s20x4x",
        7,
        9,
        b"pts/0",
        b"",
        b"ada",
        b"",
        0,
        0,
        0,
        1_700_000_000,
        0,
        bytes([9, 9, 9, 9]),
    )
    assert (len(short), len(wide)) == (384, 400)
    for data in (short * 3, wide * 3):
        found = logs.utmp(data, failed=False)
        assert [(r.user, r.host, r.at) for r in found] == [("ada", "9.9.9.9", 1_700_000_000.0)] * 3


@pytest.mark.parametrize(
    ("line", "zone", "wanted"),
    [
        ("2026-11-25T01:00:00.5+01:00 h x", 0, 1795564800.0),
        ("2026-11-25T00:00:00Z h x", 0, 1795564800.0),
        ("Nov 25 02:00:00 h x", 7200, 1795564800.0),
        ("Dec 31 23:59:59 h x", 0, 1767225599.0),
        ("1795564800.123456 h sshd[1]: x", 0, 1795564800.0),
        ("Nov 31 02:00:00 h x", 0, 0.0),
        ("nothing", 0, 0.0),
    ],
)
def test_when_a_line_was_written(line, zone, wanted):
    """ISO, the old form without year and zone, the journal's; what has no time has none."""
    assert logs.moment(line, zone, 1795568000.0) == wanted


def test_open_files_as_the_local_look_writes_them():
    """Number, kind and target of each descriptor, in the order of numbers; names with newlines stay on their line."""
    data = b"10\ts\tsocket:[7]\x002\tf\t/tmp/a\nb\x000\tc\t/dev/null\x00"
    assert processes.open_files(data).split(b"\n") == [
        b"0\tdevice\t'/dev/null'",
        b"2\tfile\t'/tmp/a\\nb'",
        b"10\tsocket\t'socket:[7]'",
    ]


def test_how_the_lines_of_an_hour_begin():
    """Both forms, in the host's zone and in Greenwich's, also across an hour's end and a day below ten."""
    assert logs.beginnings([1793840400 + 100], 3600).split("|") == [
        "2026-11-05T00", "Nov  5 00:", "2026-11-05T01", "Nov  5 01:", "2026-11-05T02", "Nov  5 02:",
    ]  # fmt: skip
