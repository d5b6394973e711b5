"""look.sh on planted files: persistence, writable folders, privileges, packages, login records, logs; against the local look."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.model import TargetError
from tasks.transports import local_autostarts, local_walk, ssh_look, ssh_look_files, ssh_look_records, ssh_text
from tasks.transports.ssh_look_records import Record
from tests.patience import BUSY
from tests.transports.looking import SHELLS, Asker, asker

pytestmark = pytest.mark.skipif(
    not all(shutil.which(words[0]) for words in SHELLS.values()), reason="needs dash, bash and busybox"
)
NOW = time.time()
PASSWD = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\nbin:x:2:2::/bin:/x\ntoor:x:0:0::/nowhere:/bin/sh\n"
NO_DPKG = [
    "unshare",
    "-m",
    "--propagation",
    "private",
    "sh",
    "-c",
    '! [ -d /var/lib/dpkg ] || mount -t tmpfs none /var/lib/dpkg; exec "$@"',
    "sh",
]
PLANTED = {
    "etc/passwd": PASSWD,
    "etc/crontab": "17 * * * * root run-parts\n# no\n\n*/5 * * * * root /tmp/x\n",
    "etc/cron.d/.hidden": "* * * * * root /tmp/hidden\n",
    "etc/cron.d/a:b": "* * * * * root /tmp/colon",
    "etc/cron.d/line\nbreak": "* * * * * root /tmp/newline\n",
    "etc/cron.d/\x1b[2Jesc": "* * * * * root /tmp/escape\r\n\n",
    "etc/cron.d/\udcff\udcfe": "* * * * * root \udcff/tmp/bytes\0zero\n",
    "etc/cron.d/back\\slash": "* * * * * root /tmp/backslash\n",
    "etc/cron.d/empty": "",
    "etc/cron.daily/job": "#!/bin/sh\nexec /tmp/job\n\n\n",
    "etc/cron.daily/bare": "#!/bin/sh\nexec /tmp/bare",
    "etc/systemd/system/x.service": "[Service]\nExecStart=/tmp/x\n",
    "etc/systemd/system/x.service.d/o.conf": "[Service]\nExecStartPre=/tmp/pre\n",
    "etc/systemd/system/dev-disk\\x2duuid.service": "[Service]\nExecStart=/usr/bin/x\n",
    "etc/systemd/system/x.timer": "[Timer]\nOnCalendar=daily\nUnit=x.service\n",
    "etc/systemd/system-generators/gen": "\x7fELF\0\0\0binary",
    "etc/udev/rules.d/9.rules": 'A=="b", RUN+="/tmp/u"\nC=="d"\n',
    "etc/modprobe.d/x.conf": "options x y\ninstall x /tmp/m\n",
    "etc/apt/apt.conf.d/9": 'DPkg::Post-Invoke {"/tmp/a";};\nOther "x";\n',
    "etc/pam.d/sshd": "auth required pam_unix.so\n",
    "etc/ld.so.preload": "/lib/x.so\n",
    "home/ada/.bashrc": "export A=1\n/tmp/x &\n",
    "home/ada/.ssh/authorized_keys": "ssh-ed25519 AAAA x\n",
    "home/ada/.config/systemd/user/y.service": "[Service]\nExecStart=%h/.x/y\n",
}


@pytest.fixture(params=SHELLS)
def ask(request, tmp_path):
    return asker(request.param, tmp_path)


@pytest.fixture
def host(tmp_path):
    return planted(tmp_path)


def planted(folder):
    root = folder / "host [x] y"
    for name, text in PLANTED.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(text))
        os.utime(path, (NOW // 1 - 1e6, NOW // 1 - 1e6))
    (root / "root").mkdir()
    return root


def whole(entries):
    return {replace(entry, modified=entry.modified // 1) for entry in entries}


def test_the_same_entries_as_the_local_look(ask, host):
    """Every planted entry, whatever its file is called or holds; links, FIFOs and large files as the local look has them."""
    folder = host / "etc" / "systemd" / "system"
    (folder / "link.service").symlink_to("x.service")
    (folder / "masked.service").symlink_to("/dev/null")
    (host / "etc" / "cron.d" / "two\nlines").symlink_to("nowhere\nat all")
    os.mkfifo(host / "etc" / "cron.d" / "fifo")
    (host / "etc" / "cron.d" / "large").write_bytes(b"* * * * * root /tmp/large\n" + b"#" * (2 << 20))
    mine, missed = ssh_look.autostarts(ask, str(host))
    local, passed = local_autostarts.read_all(str(host))
    assert whole(mine) == whole(local)
    assert {u.what for u in missed} == {u.what for u in passed}
    assert any("only the first" in u.why for u in missed)
    texts = {entry.text for entry in mine}
    assert {
        "* * * * * root /tmp/newline",
        "* * * * * root /tmp/hidden",
        "link to nowhere\nat all",
        "toor:x:0:0::/nowhere:/bin/sh",
    } <= texts


def test_homes_are_real_paths(ask, host):
    """System accounts and folders that are not there are left out; a link is followed."""
    (host / "home" / "ada").rename(host / "home" / "real")
    (host / "home" / "ada").symlink_to("real")
    assert set(ssh_look.homes(ask, str(host))) == {str(host / "root"), str(host / "home" / "real")}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to be somebody else")
def test_a_folder_that_is_closed_is_told(open_folder):
    """What a nobody may not list or read is unseen, not absent."""
    host = planted(open_folder)
    (host / "etc" / "cron.d").chmod(0o700)
    (host / "etc" / "crontab").chmod(0o600)
    for name in SHELLS:
        ask = asker(name, open_folder, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        found, missed = ssh_look.autostarts(ask, str(host))
        told = {u.what for u in missed}
        assert {str(host / "etc" / "crontab")} <= told, name
        assert any(what.startswith(str(host / "etc" / "cron.d")) for what in told), name
        assert "/tmp/x &" in {entry.text for entry in found}


def test_the_same_files_as_the_local_look(ask, host):
    """Recent files, hidden programs, kinds and hashes; names with newlines; old plain files are left out."""
    folder = host / "tmp"
    for name, data, mode in (
        ("new", b"#!/bin/sh\n", 0o755),
        ("new\n==> x <==\n", b"\x7fELF.....", 0o644),
        (".secret/prog", b"MZ", 0o755),
        ("arch", b"PK\x03\x04", 0o644),
        ("empty", b"", 0o644),
        ("heading", b"==> y <", 0o644),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    os.mkfifo(folder / "fifo")
    (folder / "old").write_bytes(b"x")
    os.utime(folder / "old", (1, 1))
    mine, _ = ssh_look.files(ask, NOW - 3600, str(host))
    local, _ = local_walk.recent([str(folder), str(host / "root"), str(host / "home" / "ada")], NOW - 3600)
    assert {_coarse(f) for f in mine} == {_coarse(f) for f in local}
    assert {f.magic for f in mine} >= {"script", "elf", "pe", "archive"}
    late, _ = ssh_look.files(ask, NOW + 3600, str(host))
    assert [Path(f.path).name for f in late] == ["prog"]


def _coarse(file):
    return replace(file, modified=file.modified // 1, changed=file.changed // 1)


def test_a_folder_of_twenty_thousand_files_is_bounded(host, tmp_path):
    """Not more are told than the limit, programs first, and that some were left out."""
    (host / "tmp").mkdir()
    for number in range(20_000):
        os.close(os.open(f"{host}/tmp/{number}", os.O_CREAT | os.O_WRONLY, 0o644))
    (host / "tmp" / "prog").write_bytes(b"\x7fELF")
    (host / "tmp" / "prog").chmod(0o755)
    began = time.monotonic()
    found, missed = ssh_look.files(asker("dash", tmp_path), NOW - 3600, str(host))
    assert time.monotonic() - began < 30 * BUSY
    assert len(found) == 2000
    assert found[0].path.endswith("/prog")
    assert any("more than 2000" in u.why for u in missed)


def test_privileges(ask, host, request):
    """Setuid files and, where the host has getcap, capabilities; what cannot be asked is told."""
    (host / "opt").mkdir()
    (host / "opt" / "su\nid").write_bytes(b"x")
    (host / "opt" / "su\nid").chmod(0o4755)
    (host / "opt" / "capable").write_bytes(b"x")
    (host / "opt" / "capable").chmod(0o755)
    can = (
        os.geteuid() == 0
        and not subprocess.run(["setcap", "cap_net_raw=ep", str(host / "opt" / "capable")], check=False).returncode
    )
    seen = ssh_look.system(ask, ["privileges"], 0, [], [], str(host))
    rows = {row.path: row for row in seen.privileges}
    assert rows[str(host / "opt" / "su\nid")].kind == "setuid"
    if ask.tools:
        assert [u.what for u in seen.unseen] == ["files with capabilities"]
    elif can:
        row = rows[str(host / "opt" / "capable")]
        assert (row.kind, row.gives, row.mode & 0o777) == ("capability", "cap_net_raw=ep", 0o755)


def test_packages_by_dpkg(ask, host):
    """Intact, changed, not recorded and unowned, whichever of the two names of a merged /usr the package used."""
    info = host / "var" / "lib" / "dpkg" / "info"
    info.mkdir(parents=True)
    (host / "usr" / "bin").mkdir(parents=True)
    for name in ("good", "bad", "plain", "stranger"):
        (host / "usr" / "bin" / name).write_bytes(name.encode())
    md5 = hashlib.md5(b"good", usedforsecurity=False).hexdigest()
    (info / "x.md5sums").write_text(f"{md5}  bin/good\n{'0' * 32}  usr/bin/bad\n{'0' * 32}  usr/bin/bad2\n")
    (info / "x.list").write_text("/.\n/bin/good\n/usr/bin/bad\n/usr/bin/plain\n")
    exes = [str(host / "usr" / "bin" / name) for name in ("good", "bad", "plain", "stranger")]
    seen = ssh_look.system(ask, ["packages"], 0, [], exes, str(host))
    assert [row.verdict for row in seen.packages] == ["intact", "changed", "unknown", "unowned"]
    assert "0" * 32 in seen.packages[1].detail


def test_packages_of_privileged_programs(ask, host):
    """A setuid program need not run to be asked about: no package may have brought it."""
    info = host / "var" / "lib" / "dpkg" / "info"
    info.mkdir(parents=True)
    (host / "usr" / "bin").mkdir(parents=True)
    (info / "x.md5sums").write_text(f"{'0' * 32}  usr/bin/other\n")
    program = host / "usr" / "bin" / "sysd"
    program.write_bytes(b"x")
    program.chmod(0o4755)
    seen = ssh_look.system(ask, ["privileges", "packages"], 0, [], [], str(host))
    assert [(row.path, row.verdict) for row in seen.packages] == [(str(program), "unowned")]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a mount namespace that hides dpkg's records")
def test_packages_by_rpm(tmp_path):
    """What rpm's query prints, filtered on the host to the programs that were asked for; rpm itself is a stand-in here."""
    for name in ("good", "bad", "none"):
        (tmp_path / name).write_text(name)
    good = hashlib.sha256(b"good").hexdigest()
    told = (
        f"{tmp_path}/good\t{good}\tx-1-1",
        f"{tmp_path}/bad\t{'0' * 64}\ty-2-1",
        f"/other\t{good}\tz-1-1",
        f"file {tmp_path}/none is not owned by any package",
    )
    (tmp_path / "rows").write_text("\n".join(told) + "\n")
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "rpm").write_text(
        f"#!/bin/sh\n[ \"$1\" != -E ] || exec echo '{tmp_path}'\ncat '{tmp_path}/rows'\nexit 1\n"
    )
    (tmp_path / "Packages").touch()
    (tmp_path / "fake" / "rpm").chmod(0o755)
    exes = [str(tmp_path / name) for name in ("good", "bad", "none")]
    ask = Asker(SHELLS["dash"], f"{tmp_path}/fake:/usr/sbin:/usr/bin:/sbin:/bin", NO_DPKG)
    seen = ssh_look.system(ask, ["packages"], 0, [], exes)
    assert [(row.verdict, row.package) for row in seen.packages] == [
        ("intact", "x-1-1"),
        ("changed", "y-2-1"),
        ("unowned", ""),
    ]


def test_packages_by_apk(ask, host):
    """Alpine's database: folders and files on lines of their own, SHA-1 in Base64."""
    (host / "lib" / "apk" / "db").mkdir(parents=True)
    (host / "bin").mkdir()
    (host / "bin" / "good").write_bytes(b"good")
    (host / "bin" / "bad").write_bytes(b"bad")
    sha1 = subprocess.run(
        ["sh", "-c", "printf good | openssl dgst -sha1 -binary | base64"], capture_output=True, text=True, check=True
    )
    database = f"P:busybox\nV:1\nF:bin\nR:good\nZ:Q1{sha1.stdout.strip()}\nR:bad\nZ:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
    (host / "lib" / "apk" / "db" / "installed").write_text(database)
    exes = [str(host / "bin" / name) for name in ("good", "bad", "none")]
    seen = ssh_look.system(ask, ["packages"], 0, [], exes, str(host))
    assert [(row.verdict, row.package) for row in seen.packages] == [
        ("intact", "busybox"),
        ("changed", "busybox"),
        ("unowned", ""),
    ]


def record(kind, user, line, host, at, pid=7):
    return struct.pack("=h2xi32s4s32s256shhiii16s20x", kind, pid, line, b"", user, host, 0, 0, 0, int(at), 0, bytes(16))


def test_login_records(ask, host):
    """Logins and boots from wtmp, failures from btmp, with bytes as they are; older ones than asked for are left out."""
    (host / "var" / "log").mkdir(parents=True)
    good = record(7, b"ada", b"pts/0", b"198.51.100.7", NOW) + record(2, b"reboot", b"~", b"6.1", NOW - 99)
    (host / "var" / "log" / "wtmp").write_bytes(
        record(7, b"old", b"x", b"", NOW - 1e6) + good + record(8, b"", b"pts/0", b"", NOW)
    )
    (host / "var" / "log" / "btmp").write_bytes(record(6, b"\x1b[2J\xff", b"ssh:notty", b"198.51.100.7", NOW) * 3)
    seen = ssh_look.system(ask, ["logins"], NOW - 3600, [], [], str(host))
    assert [(r.kind, r.user, r.host) for r in seen.logins] == [
        ("login", "ada", "198.51.100.7"),
        ("boot", "reboot", "6.1"),
        ("failed", "\x1b[2J\udcff", "198.51.100.7"),
    ]
    assert seen.unseen == ()


def test_log_lines_near_a_start(ask, host):
    """Lines of who did what within ten minutes of the start, from half a gigabyte of log as quickly as from a line."""
    log = host / "var" / "log" / "auth.log"
    log.parent.mkdir(parents=True)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(NOW))
    with log.open("wb") as file:
        file.truncate(500 << 20)
        file.seek(0, 2)
        file.write(
            b"\n"
            + f"{stamp}.1+00:00 h sudo: ada : COMMAND=/bin/\x1b[2J\n2001-01-01T00:00:00+00:00 h sudo: COMMAND=old\n".encode()
        )
        file.write(f"{stamp}+00:00 h nothing of note\n".encode())
    began = time.monotonic()
    seen = ssh_look.system(ask, ["logs"], 0, [NOW], [], str(host))
    assert [u.why for u in seen.unseen] == ["only its last 64 MiB were read"]
    assert [line.text for line in seen.logs] == [f"{stamp}.1+00:00 h sudo: ada : COMMAND=/bin/\x1b[2J"]
    assert time.monotonic() - began < 20 * BUSY
    assert ssh_look.system(ask, ["logs"], 0, [], [], str(host)).logs == ()


def test_a_walk_without_end_is_cut_and_told(monkeypatch):
    """More files than a walk may print: the last row, which may be half a name, is no file, and the cut is told."""
    row = b"F100755 0 1 9.0 9.0 1 %d /tmp/%s\0"
    body = b"".join(row % (number, b"x" * 90) for number in range(7)) + b"F100755 0 1 9.0 9.0 1 8 /tmp/hal"
    monkeypatch.setattr(ssh_look_records, "MAX_WALK", len(body))
    passed = Counter()
    found = list(ssh_look_files.walked(Record("zeros", ("1",), body), ["/tmp"], 0, passed))
    assert [seen.inode for seen in found] == list(range(7))
    assert passed == {("/tmp", "it holds too many files: some were not looked at"): 1}


@pytest.mark.parametrize("shell", ["dash", "busybox"])
@pytest.mark.parametrize("content", [b"a" * (9 << 20), b"\n" * 70_000], ids=["long", "many lines"])
def test_command_lines_without_end(shell, content, tmp_path):
    """Anybody may start processes with such: each file is read up to its share, and the answer keeps its end."""
    (tmp_path / "1").write_bytes(content)
    (tmp_path / "2").write_bytes(b"short\0")
    said = ssh_text.script("session.sh", "look.sh") + f"begin SEP ''\nlines {tmp_path}/1 {tmp_path}/2\n".encode()
    done = subprocess.run([*SHELLS[shell]], input=said, capture_output=True, timeout=60 * BUSY, check=True)
    found = ssh_look_records.contents(list(ssh_look_records.split(done.stdout, "SEP")))
    assert found == {f"{tmp_path}/1": content[:65536], f"{tmp_path}/2": b"short\0"}


def test_a_flood_of_log_lines_is_told(ask, host):
    """Anybody may write to a log: what the flood pushed out is not called read."""
    log = host / "var" / "log" / "auth.log"
    log.parent.mkdir(parents=True)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(NOW))
    log.write_text("".join(f"{stamp}+00:00 h sudo: x : COMMAND={number}\n" for number in range(801)))
    seen = ssh_look.system(ask, ["logs"], 0, [NOW], [], str(host))
    assert [(u.what, u.why) for u in seen.unseen] == [
        ("/var/log/auth.log", "only the last 800 lines of those hours were kept")
    ]
    assert len(seen.logs) == 800


def test_logs_that_were_turned_away_are_told(ask, host):
    """A link to /dev/null, to nowhere, or a pipe in a log's place: nothing hangs, and it is no log without lines."""
    folder = host / "var" / "log"
    folder.mkdir(parents=True)
    (folder / "wtmp").symlink_to("/dev/null")
    (folder / "auth.log").symlink_to("/nowhere")
    os.mkfifo(folder / "secure")
    seen = ssh_look.system(ask, ["logins", "logs"], 0, [NOW], [], str(host))
    told = {u.what: u.why for u in seen.unseen}
    assert told["/var/log/wtmp"] == "it is no regular file: /dev/null"
    assert told["/var/log/auth.log"] == "it is no regular file: /nowhere"
    assert told["/var/log/secure"] == "it is no regular file: a device or pipe"


def test_one_broken_part_does_not_lose_the_rest(tmp_path, host):
    """A part whose question fails is unseen by its name; the others stand."""
    good = asker("dash", tmp_path)

    def ask(verb, arguments, seconds):
        if verb == "logins":
            raise TargetError("ask", "it hangs", "")
        return good(verb, arguments, seconds)

    (host / "opt").mkdir()
    (host / "opt" / "x").write_bytes(b"x")
    (host / "opt" / "x").chmod(0o4755)
    seen = ssh_look.system(ask, ["logins", "privileges"], 0, [], [], str(host))
    assert [row.kind for row in seen.privileges] == ["setuid"]
    assert "logins" in {u.what for u in seen.unseen}


def test_nothing_is_written(host, tmp_path):
    """After every question the host's files are what they were, and none is new."""
    before = _state(host)
    for name in SHELLS:
        ask = asker(name, tmp_path)
        ssh_look.autostarts(ask, str(host))
        ssh_look.files(ask, 0, str(host))
        ssh_look.system(ask, ["privileges", "packages", "logins", "logs"], 0, [NOW], ["/bin/x"], str(host))
    assert _state(host) == before


def _state(root):
    return {(str(p), p.lstat().st_mtime_ns, p.lstat().st_ctime_ns, p.lstat().st_size) for p in root.rglob("*")}
