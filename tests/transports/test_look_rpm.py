"""What the real rpm says of programs, through look.sh: owner and digest from a database that was made here."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks.transports import ssh_look
from tests.transports.looking import SHELLS, Asker
from tests.transports.test_look_files import NO_DPKG

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("rpmbuild", "rpm", "bash", "dash"))),
    reason="needs root (a mount namespace that hides dpkg's records), and Debian's rpm, dash and bash",
)
SPEC = """Name: probe
Version: 1.0
Release: 2
Summary: x
License: none
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}{folder}
for name in good bad; do printf $name >%{buildroot}{folder}/$name; chmod 755 %{buildroot}{folder}/$name; done
%files
{folder}/good
{folder}/bad
"""
MD5, SHA256 = 1, 8  # %_binary_filedigest_algorithm


def ran(home: Path, *words: str) -> str:
    """A program with that home: Debian's rpm has its database there. Its output, whatever its status is."""
    return subprocess.run(words, env=os.environ | {"HOME": str(home)}, capture_output=True, text=True).stdout


def packaged(home: Path, algorithm: int) -> Path:
    """A package built, and told to rpm as installed; the folder of its files, of which one was changed since."""
    folder, top = home / "opt/probe", home / "top"
    (home / "probe.spec").write_text(SPEC.replace("{folder}", str(folder)))
    words = ("--quiet", "--define", f"_topdir {top}", "--define", f"_binary_filedigest_algorithm {algorithm}")
    ran(home, "rpmbuild", "-bb", *words, str(home / "probe.spec"))
    (made,) = top.rglob("*.rpm")
    ran(home, "rpm", "--initdb")
    ran(home, "rpm", "-i", "--justdb", "--nodeps", "--noscripts", str(made))
    folder.mkdir(parents=True)
    for name, text in (("good", "good"), ("bad", "evil"), ("none", "none")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def asker(home: Path, shell: Sequence[str]) -> Asker:
    return Asker(shell, before=["env", f"HOME={home}", *NO_DPKG])


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_owner_and_digest_are_rpms_own(tmp_path: Path, shell: str) -> None:
    """Intact, changed and not owned, as `rpm -Vf` and `rpm -qf` say it, too."""
    folder = packaged(tmp_path, SHA256)
    verified = ran(tmp_path, "rpm", "-Vf", str(folder / "good"))
    # The third sign is the digest's; the times of both files may differ, too.
    assert [row.split()[-1] for row in verified.splitlines() if row[2] == "5"] == [str(folder / "bad")]
    assert "not owned" in ran(tmp_path, "rpm", "-qf", str(folder / "none"))
    seen = ssh_look.system(
        asker(tmp_path, SHELLS[shell]), ["packages"], 0, [], [str(folder / n) for n in ("good", "bad", "none")]
    )
    told = [(row.verdict, row.manager, row.package) for row in seen.packages]
    assert told == [("intact", "rpm", "probe-1.0-2"), ("changed", "rpm", "probe-1.0-2"), ("unowned", "rpm", "")]
    assert hashlib.sha256(b"evil").hexdigest() in seen.packages[1].detail
    assert seen.unseen == ()


def test_a_digest_of_another_kind_is_no_change(tmp_path: Path) -> None:
    """Packages of old builders carry MD5: not known is neither intact nor changed."""
    folder = packaged(tmp_path, MD5)
    seen = ssh_look.system(asker(tmp_path, SHELLS["dash"]), ["packages"], 0, [], [str(folder / "good")])
    assert [(row.verdict, row.package) for row in seen.packages] == [("unknown", "probe-1.0-2")]


def test_a_broken_database_makes_nothing_unowned(tmp_path: Path) -> None:
    """rpm itself then says that no package owns the file; that is no answer."""
    folder = packaged(tmp_path, SHA256)
    (tmp_path / ".rpmdb/rpmdb.sqlite").write_bytes(b"garbage" * 1000)
    assert "not owned" in ran(tmp_path, "rpm", "-qf", str(folder / "good"))
    seen = ssh_look.system(asker(tmp_path, SHELLS["dash"]), ["packages"], 0, [], [str(folder / "good")])
    assert (seen.packages, [u.why for u in seen.unseen]) == ((), ["rpm cannot read its database"])


def test_no_database_is_made(tmp_path: Path) -> None:
    """A host that has rpm but was not installed by it: rpm would make a database to look into, and look.sh writes nothing."""
    (tmp_path / "x").write_text("x")
    seen = ssh_look.system(asker(tmp_path, SHELLS["dash"]), ["packages"], 0, [], [str(tmp_path / "x")])
    assert [u.why for u in seen.unseen] == ["rpm has no database here that we may read"]
    assert not (tmp_path / ".rpmdb").exists()
