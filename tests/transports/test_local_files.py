"""Reading on this very machine: no trace, no trap, nothing passed over in silence; persistence files found where they are."""

from __future__ import annotations

import hashlib
import io
import os
import time
from pathlib import Path

import pytest

from tasks.transports import local_files, local_walk
from tasks.transports.local import LocalHands

YEAR = 365 * 86400


@pytest.fixture
def root(tmp_path):
    """A drill's root with a passwd, two homes and the writable folders."""
    folder = tmp_path / "root"
    for path in ("etc", "tmp", "var/tmp", "dev/shm", "home/ada/.cache", "srv/bob"):
        (folder / path).mkdir(parents=True)
    rows = ["root:x:0:0::/root:/bin/sh", "ada:x:1000:1000::/home/ada:/bin/sh", "bob:x:1001:1001::/srv/bob:/bin/sh"]
    rows += ["daemon:x:1:1::/usr/sbin:/usr/sbin/nologin", "nobody:x:65534:65534::/nonexistent:/x", "odd:x:9:9::/:/x"]
    (folder / "etc/passwd").write_text("\n".join(rows) + "\n")
    return folder


def put(path: Path, text: str = "x\n", mode: int = 0o644, age: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def walked(root: Path, since: float):
    files, unseen = LocalHands(str(root)).files(since)
    return {f.path.removeprefix(str(root)): f for f in files}, [(u.what.removeprefix(str(root)), u.why) for u in unseen]


def test_reading_leaves_the_access_time(root):
    """Hashing, reading and fetching do not touch the access time (we own the file, so the kernel lets us)."""
    file = put(root / "tmp/evidence", "proof", age=YEAR)
    before = file.stat().st_atime_ns
    hands, copy = LocalHands(str(root)), io.BytesIO()
    assert hands.read(str(file), 3) == b"pro"
    assert hands.sha256(str(file)) == hashlib.sha256(b"proof").hexdigest()
    assert hands.fetch(str(file), copy, 100).size == 5
    assert file.stat().st_atime_ns == before


def test_traps_are_not_walked(root):
    """A FIFO and a link in a writable folder are no files to tell of."""
    os.mkfifo(root / "tmp/fifo")
    (root / "tmp/link").symlink_to("/etc/passwd")
    files, _ = walked(root, 0.0)
    assert not {"/tmp/fifo", "/tmp/link"} & files.keys()


def test_recent_and_hidden_files(root):
    """Fresh files of all homes and writable folders, hidden programs of any age; what is old and plain is left out."""
    put(root / "tmp/new", "#!/bin/sh\n", 0o755)
    put(root / "dev/shm/elf", "\x7fELF", 0o755)
    put(root / "srv/bob/note")
    put(root / "home/ada/.cache/.x/beacon", "\x7fELF", 0o755, age=YEAR)
    put(root / "home/ada/.cache/blob", age=YEAR)
    put(root / "etc/not-writable")
    later = time.time() + 3600  # all of it is older, also by ctime, which nobody can set back
    fresh, _ = walked(root, time.time() - 3600)
    hidden, _ = walked(root, later)
    assert {"/tmp/new", "/dev/shm/elf", "/srv/bob/note", "/home/ada/.cache/.x/beacon"} <= fresh.keys()
    assert "/etc/not-writable" not in fresh
    assert hidden.keys() == {"/home/ada/.cache/.x/beacon"}
    assert [(f.magic, f.executable) for p, f in fresh.items() if p in ("/tmp/new", "/dev/shm/elf")] == [
        ("script", True),
        ("elf", True),
    ]
    assert fresh["/dev/shm/elf"].sha256 == hashlib.sha256(b"\x7fELF").hexdigest()


def test_timestomping_does_not_hide(root):
    """A file whose modification time was set back is still found by its change time."""
    put(root / "tmp/stomped", age=10 * YEAR)
    files, _ = walked(root, time.time() - 3600)
    assert "/tmp/stomped" in files
    assert files["/tmp/stomped"].changed - files["/tmp/stomped"].modified > YEAR


def test_bounds_are_told(root, monkeypatch):
    """Depth, number of entries, number of files and time are bounded, and each bound that was met is told."""
    put(root / "tmp/a/b/c/d/e/f/g/deep")
    _, unseen = walked(root, 0.0)
    assert unseen == [("/tmp", "folders deeper than 6 levels were not entered")]
    for number in range(20):
        put(root / f"srv/bob/{number}")
    put(root / "srv/bob/program", "\x7fELF", 0o755)
    monkeypatch.setattr(local_walk, "MAX_REPORTED", 3)
    files, unseen = walked(root, 0.0)
    assert "/srv/bob/program" in files, "programs are reported before other files"
    assert len(files) == 3
    assert any(what == "recent files" for what, _ in unseen)
    monkeypatch.setattr(local_walk, "MAX_ENTRIES", 5)
    assert any("after 5 entries" in why for what, why in walked(root, 0.0)[1] if what == "/srv/bob")
    monkeypatch.setattr(local_walk, "MAX_SECONDS", -1.0)
    assert any("seconds" in why for _, why in walked(root, 0.0)[1])


def test_links_do_not_lead_out(root, tmp_path):
    """A linked folder is not walked, and a home that a link takes out of the root is not looked at."""
    put(tmp_path / "outside/secret")
    (root / "tmp/way").symlink_to(tmp_path / "outside")
    (root / "srv/bob").rmdir()
    (root / "srv/bob").symlink_to(tmp_path / "outside")
    files, _ = walked(root, 0.0)
    assert not [path for path in files if "secret" in path]
    assert [name for name, _ in local_files.homes(str(root))] == ["ada"]


def test_homes_without_passwd(tmp_path):
    """Where the root has no passwd, the folders in home and the root's own home are the homes."""
    for path in ("home/ada", "home/bob", "root"):
        (tmp_path / path).mkdir(parents=True)
    assert local_files.homes(str(tmp_path)) == [
        ("ada", str(tmp_path / "home/ada")),
        ("bob", str(tmp_path / "home/bob")),
        ("root", str(tmp_path / "root")),
    ]


PLANTED = {
    "etc/ld.so.preload": ("ld_preload", 1),
    "etc/crontab": ("cron", 1),
    "etc/cron.d/job": ("cron", 1),
    "etc/cron.daily/job": ("cron_script", 0),
    "var/spool/cron/crontabs/ada": ("cron", 1),
    "etc/systemd/system/x.service": ("systemd", 0),
    "etc/systemd/system/x.service.d/override.conf": ("systemd", 0),
    "usr/lib/systemd/system/x.timer": ("systemd_timer", 0),
    "home/ada/.config/systemd/user/y.service": ("systemd", 0),
    "etc/profile": ("profile", 1),
    "etc/profile.d/x.sh": ("profile", 1),
    "etc/bash.bashrc": ("profile", 1),
    "etc/ssh/sshrc": ("profile", 1),
    "home/ada/.profile": ("profile", 1),
    "home/ada/.bashrc": ("profile", 1),
    "home/ada/.bash_profile": ("profile", 1),
    "srv/bob/.zshrc": ("profile", 1),
    "srv/bob/.ssh/authorized_keys": ("authorized_keys", 1),
    "etc/rc.local": ("rc_local", 1),
    "etc/xdg/autostart/a.desktop": ("xdg", 0),
    "home/ada/.config/autostart/b.desktop": ("xdg", 0),
}


def test_every_place_of_persistence_is_read(root):
    """One entry is planted in every place, and every one is found with its kind, line, owner and hash."""
    for path in PLANTED:
        put(root / path, f"/opt/{Path(path).name} run\n")
    found, unseen = LocalHands(str(root)).autostarts()
    assert {e.path.removeprefix(f"{root}/"): (e.kind, e.line) for e in found} == PLANTED
    assert unseen == []
    assert {e.owner for e in found} == {local_files.user(os.getuid())}
    assert all(e.sha256 == hashlib.sha256(Path(e.path).read_bytes()).hexdigest() for e in found)


def test_entries_have_their_lines(root):
    """Comments and empty lines are no entries; line numbers are the file's own; a unit gives its Exec lines."""
    put(root / "etc/crontab", "# a comment\n\nMAILTO=ops\n@reboot root /x\n")
    put(root / "etc/systemd/system/x.service", "[Service]\nUser=ada\nExecStartPre=-/bin/a\nExecStart=/bin/b\n")
    put(root / "etc/systemd/system/x.timer", "[Timer]\nOnCalendar=*:0/5\nUnit=y.service\n")
    rows = [(Path(e.path).name, e.line, e.text) for e in LocalHands(str(root)).autostarts()[0]]
    assert rows == [
        ("crontab", 3, "MAILTO=ops"),
        ("crontab", 4, "@reboot root /x"),
        ("x.service", 3, "ExecStartPre=-/bin/a"),
        ("x.service", 4, "ExecStart=/bin/b"),
        ("x.timer", 0, "OnCalendar=*:0/5 Unit=y.service"),
    ]


def test_links_of_persistence(root, tmp_path):
    """A linked unit is an entry and its target is read; out of the root it is told, not read; a linked folder is read once."""
    put(root / "tmp/evil.service", "[Service]\nExecStart=/tmp/evil\n")
    put(tmp_path / "secret", "secret\n")
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "etc/systemd/system/evil.service").symlink_to(root / "tmp/evil.service")
    (root / "etc/rc.local").symlink_to(tmp_path / "secret")
    put(root / "usr/lib/systemd/system/one.service", "[Service]\nExecStart=/bin/one\n")
    (root / "lib").symlink_to("usr/lib")
    found, unseen = LocalHands(str(root)).autostarts()
    texts = [e.text for e in found]
    assert f"link to {root}/tmp/evil.service" in texts
    assert "ExecStart=/tmp/evil" in texts
    assert texts.count("ExecStart=/bin/one") == 1
    assert "secret" not in texts
    assert [u.what for u in unseen] == [str(root / "etc/rc.local")]


def test_what_cannot_be_read_is_told(root):
    """A FIFO in a persistence file's place, and a file beyond the size bound, are told as unseen."""
    os.mkfifo(root / "etc/crontab")
    put(root / "etc/profile", "# " + "x" * (1 << 20) + "\n/late\n")
    _, unseen = LocalHands(str(root)).autostarts()
    told = {Path(u.what).name: u.why for u in unseen}
    assert "no regular file" in told["crontab"]
    assert "only the first" in told["profile"]


def test_entries_are_text_whatever_the_bytes(root):
    """Bytes that are no UTF-8 stay what they are, so that a remedy finds the very line again."""
    (root / "etc/crontab").write_bytes(b"* * * * * root /tmp/\xff\xfe\n")
    [entry] = LocalHands(str(root)).autostarts()[0]
    assert os.fsencode(entry.text) == b"* * * * * root /tmp/\xff\xfe"


def test_this_machine_is_read_without_errors():
    """The real host's persistence is read whole and its entries are of known kinds."""
    from tasks.collectors.autostarts import ATTACK

    found, _ = LocalHands().autostarts()
    assert {e.kind for e in found} <= ATTACK.keys()


def test_a_huge_file_is_not_hashed_and_that_is_told(root, monkeypatch):
    """A sparse file costs its maker nothing: reading it would never end. It is seen all the same."""
    monkeypatch.setattr(local_files, "MAX_HASHED", 1 << 20)
    monkeypatch.setattr(local_walk, "MAX_HASHED", 1 << 20)
    for name in ("etc/crontab", "tmp/huge"):
        put(root / name, "* * * * * root /tmp/x\n")
        os.truncate(root / name, 1 << 42)
    found, unseen = LocalHands(str(root)).autostarts()
    assert [(e.text, e.sha256) for e in found if e.text.startswith("*")] == [("* * * * * root /tmp/x", "")]
    assert any("not hashed" in u.why for u in unseen)
    files, told = walked(root, 0.0)
    assert files["/tmp/huge"].sha256 == ""
    assert any("not hashed" in why for what, why in told if what == "/tmp")


def test_own_evidence_and_vaults_are_not_judged(root):
    """The copy of a beacon in an incident's folder is no beacon, nor is the one in a vault; both are told as not looked at."""
    for name in ("srv/bob/reports/1/evidence/files/evil", "tmp/.hemostat-1/0123-evil"):
        put(root / name, "\x7fELF", 0o400)
    put(root / "srv/bob/reports/1/journal.jsonl", mode=0o600)
    files, unseen = walked(root, 0.0)
    assert files.keys() == set()
    assert sorted(why.partition(" (")[0] for _, why in unseen) == ["a quarantine vault", "an incident's evidence"]


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o703])
def test_a_folder_that_only_looks_like_ours_is_judged(root, mode):
    """The names alone protect no beacon: others may write there, so it is not hemostat's."""
    for name in ("tmp/.hemostat-1/evil", "tmp/1/evidence/evil", "tmp/1/journal.jsonl"):
        put(root / name)
    for name in ("tmp/.hemostat-1", "tmp/1"):
        (root / name).chmod(mode)
    assert {"/tmp/.hemostat-1/evil", "/tmp/1/evidence/evil"} <= walked(root, 0.0)[0].keys()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder to somebody else")
def test_a_folder_of_somebody_else_is_judged(root):
    """Another user's folder with our names in it is not hemostat's."""
    put(root / "tmp/.hemostat-1/evil")
    os.chown(root / "tmp/.hemostat-1", 1000, 1000)
    assert "/tmp/.hemostat-1/evil" in walked(root, 0.0)[0]
