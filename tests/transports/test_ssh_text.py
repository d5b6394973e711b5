"""The scripts for the far side: clean by shellcheck, and any byte gets through any shell as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.model import Bug
from tasks.transports import ssh_text
from tests.transports.sshd import SHELLS

SCRIPTS = sorted((Path(ssh_text.__file__).parent / "scripts").glob("*.sh"))
WORDS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"]}
ECHO = b'verb_echo() { for word in "$@"; do printf \'[%s]\' "$word"; done; }\n'
# No file is called such a thing, and no shell can hold it.
ARGUMENTS = st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\0", b"\n")), min_size=1, max_size=5)


def told(shell: str, said: bytes) -> bytes:
    """What that shell prints when the bootstrap, session.sh and a verb that echoes are said to it."""
    if shutil.which(WORDS[shell][0]) is None:
        pytest.skip(f"there is no {shell} on this machine: see .ci/run")
    text = b"begin\n" + ssh_text.script("session.sh") + ECHO + b"obey\n" + said
    words = [*WORDS[shell], "-c", ssh_text.BOOTSTRAP, "hemostat", "from"]
    return subprocess.run(words, input=text, capture_output=True, check=True, timeout=20).stdout


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed: see .ci/run")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_clean(path):
    """Each script is POSIX sh without one complaint of shellcheck."""
    checked = subprocess.run(["shellcheck", "-s", "sh", str(path)], capture_output=True, text=True, check=False)
    assert checked.stdout == ""


def test_scripts_are_in_the_package():
    """Every script of the session is found where an installed hemostat looks for it."""
    for name in ("session.sh", "look.sh", "change.sh", "stream.sh"):
        assert b"verb_" in ssh_text.script(name), f"{name} is not package data"


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25)
@given(arguments=ARGUMENTS)
def test_any_byte_of_an_argument_arrives(shell, arguments):
    """Whatever a path is made of, the verb at the other end gets exactly that: no quoting, no newline and no escape is special."""
    said = ssh_text.request("f00", "echo", arguments, 20)
    wanted = b"".join(b"[" + data + b"]" for data in arguments)
    assert told(shell, said) == b"hemostat is ready\nf00 BEGIN\n" + wanted + b"\nf00 END 0\n\nf00 DONE\n"


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=15)
@given(data=st.binary(max_size=200))
def test_any_byte_of_a_content_arrives(shell, data):
    """New content of a file is encoded twice, for it may hold zero bytes: `printf %b` gives it back."""
    if shutil.which(WORDS[shell][0]) is None:
        pytest.skip(f"there is no {shell} on this machine: see .ci/run")
    words = [*WORDS[shell], "-c", 'printf "%b" "$1"', "sh", ssh_text.octal(data).decode("ascii")]
    assert subprocess.run(words, capture_output=True, check=True).stdout == data


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_login_leaves_is_thrown_away(shell):
    """A password that sudo did not ask for, or anything else before the script, is never run."""
    marker = Path(os.environ.get("TMPDIR", "/tmp")) / f"hemostat-{os.getpid()}-{shell}"
    words = [*WORDS[shell], "-c", ssh_text.BOOTSTRAP, "hemostat", ""]
    if shutil.which(words[0]) is None:
        pytest.skip(f"there is no {shell} on this machine: see .ci/run")
    text = f"touch {marker}\n$(touch {marker})\n".encode() + b"begin\n" + ssh_text.script("session.sh") + b"obey\n"
    done = subprocess.run(words, input=text, capture_output=True, check=True)
    assert (done.stdout, marker.exists()) == (b"hemostat is ready\n", False)


def test_no_zero_byte():
    """A zero byte ends in a message of ours, never in a shortened path."""
    with pytest.raises(Bug):
        ssh_text.encoded("/etc/pass\0wd")
    with pytest.raises(Bug):
        ssh_text.request("f00", "look; id", [], 1)
