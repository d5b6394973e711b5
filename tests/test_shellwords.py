"""What command lines start, as data, and that no text breaks the reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.facts import Autostart
from tasks.shellwords import command, mentions, script, started

STARTS = {
    "/tmp/x": ["/tmp/x"],
    "/tmp/x -a /tmp/y": ["/tmp/x"],
    "FOO=/bar /tmp/x": ["/tmp/x"],
    "nohup setsid /tmp/x >/dev/null 2>&1 &": ["/tmp/x"],
    "sudo -u ada /tmp/x": ["/tmp/x"],
    "su ada -c '/tmp/x'": ["/tmp/x"],
    "timeout 30s nice -n 10 /tmp/x": ["/tmp/x"],
    "flock -n /tmp/lock /opt/y": ["/opt/y"],
    "python3 -u /tmp/x.py": ["/tmp/x.py"],
    "/usr/bin/python3 /tmp/x.py": ["/usr/bin/python3", "/tmp/x.py"],
    "python3 -m http.server": [],
    "cd /tmp; sh -e x.sh": ["/tmp/x.sh"],
    "sh -c x": [],
    "bash -c '/tmp/x; /tmp/y'": ["/tmp/x", "/tmp/y"],
    "cd /tmp && ./x": ["/tmp/x"],
    "cd /tmp; python3 x.py": ["/tmp/x.py"],
    "[ -x /tmp/x ] && /tmp/y": ["/tmp/y"],
    "test -f /tmp/x || exit 0": [],
    "if [ -f /a ]; then . /b; fi": ["/b"],
    "rm -rf /tmp/x": [],
    "report > /tmp/x": [],
    "~/x": ["/home/ada/x"],
    '"$HOME/x"': ["/home/ada/x"],
    "${HOME}/x": ["/home/ada/x"],
    "%h/x": ["/home/ada/x"],
    "$NVM_DIR/nvm.sh": [],
    "alias sudo=/tmp/sudo": ["/tmp/sudo"],
    "export LD_PRELOAD=/tmp/x.so": ["/tmp/x.so"],
    "export PATH=/tmp/bin:$PATH": [],
    "find / -name a -exec /tmp/x {} ;": ["/tmp/x"],
    "echo `/tmp/x`": ["/tmp/x"],
    "A=$(/tmp/x)": ["/tmp/x"],
    "/tmp/a/../x": ["/tmp/x"],
}


@pytest.mark.parametrize("text", STARTS)
def test_started(text):
    """The files that the command starts, and no others."""
    assert started(text, "/home/ada") == STARTS[text]


@pytest.mark.parametrize(
    ("kind", "path", "text", "wanted"),
    [
        ("cron", "/etc/crontab", "17 *\t* * *\troot\tcd / && x", "cd / && x"),
        ("cron", "/etc/cron.d/a", "@reboot root /tmp/x", "/tmp/x"),
        ("cron", "/etc/cron.d/a", "PATH=/bin:/usr/bin", "PATH=/bin:/usr/bin"),
        ("cron", "/var/spool/cron/crontabs/ada", "*/5 * * * mon-fri /tmp/x y", "/tmp/x y"),
        ("cron", "/etc/anacrontab", "1\t5\tcron.daily\trun-parts /etc", "run-parts /etc"),
        ("systemd", "/etc/systemd/system/a.service", "ExecStartPre = -!/tmp/x", "/tmp/x"),
        ("xdg", "/home/ada/.config/autostart/a.desktop", "Exec=/tmp/x %U", "/tmp/x %U"),
        ("profile", "/etc/profile", "/tmp/x", "/tmp/x"),
    ],
)
def test_command_of_an_entry(kind, path, text, wanted):
    """Schedule, user column and key are taken away, the command stays."""
    assert command(Autostart(kind, path, 1, text)) == wanted


@pytest.mark.parametrize(
    ("cmdline", "cwd", "wanted"),
    [
        (("python3", "x.py"), "/tmp", "/tmp/x.py"),
        (("/bin/sh", "-e", "/x.sh"), "/", "/x.sh"),
        (("bash", "-lc", "/x.sh"), "/", ""),
        (("perl", "-e", "print"), "/", ""),
        (("python3", "-u", "/x.py"), "/", "/x.py"),
        (("/bin/sh", "-x", "/x.sh"), "/", "/x.sh"),
        (("bash", "-c", "ls"), "/", ""),
        (("python3", "-m", "http.server"), "/", ""),
        (("-bash",), "/", ""),
        (("/opt/x", "/tmp/y"), "/", ""),
    ],
)
def test_script_of_an_interpreter(cmdline, cwd, wanted):
    """The script that a running interpreter was given, whole."""
    assert script(cmdline, cwd) == wanted


def test_mentions_a_whole_path_only():
    """A path counts as a whole, in every way in which the host may write it; not as a part of a longer one."""
    for text in (
        "/home/ada/.x/b",
        "~/.x/b &",
        '"$HOME"/.x/b',
        "${HOME}/.x/b>/dev/null",
        "(%h/.x/b)",
        r"a=/home/ada/.x/b\nUser=x",
    ):
        assert mentions(text, "/home/ada/.x/b", "/home/ada/.x/b", "/home/ada"), text
    for text in ("/home/ada/.x/bc", "/home/ada/.x/b/c", "/root/home/ada/.x/b", "/home/ada/.x/b.bak", "b"):
        assert not mentions(text, "/home/ada/.x/b", "/home/ada/.x/b", "/home/ada"), text


@given(st.text(), st.sampled_from(["cron", "systemd", "profile"]))
def test_no_text_breaks_the_reader(text, kind):
    """Whatever an entry says, its command and what it starts are text without surprises."""
    paths = started(command(Autostart(kind, "/etc/cron.d/x", 1, text)), "/home/ada")
    assert all("$" not in path for path in paths)
