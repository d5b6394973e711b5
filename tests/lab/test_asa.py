"""The ASA emulator as real clients see it: netmiko's unmodified driver, OpenSSH and paramiko."""

from __future__ import annotations

import os
import pty
import re
import select
import socket
import subprocess
import time
from ipaddress import ip_address

import paramiko
import pytest

from lab.device import Conn, Flow
from lab.devices.cisco_asa import Box
from tests.lab.conftest import Asa
from tests.patience import BUSY

pytestmark = pytest.mark.lab
FAST = {"allow_auto_change": False, "global_delay_factor": 0.01}


@pytest.mark.parametrize("options", [{}, FAST], ids=["defaults", "fast"])
def test_netmiko_blocks_and_saves(asa: Asa, options: dict[str, object]) -> None:
    """The whole block cycle works through the unmodified driver, with its defaults and with the fast options."""
    with asa.netmiko(**options) as client:
        assert client.find_prompt() == "ciscoasa#"
        client.send_config_set(["object-group network HEMOSTAT", "network-object host 127.66.0.9"])
        shown = client.send_command("show running-config object-group id HEMOSTAT", auto_find_prompt=not options)
        saved = client.save_config()
    assert " network-object host 127.66.0.9" in shown.splitlines()
    assert "[OK]" in saved
    assert "127.66.0.9" in asa.box.startup


def test_netmiko_refuses_a_foreign_host_key(asa: Asa) -> None:
    """A strict client notices that the host key is not the pinned one: the server really proves its key."""
    line = asa.known_hosts.read_text().split()
    asa.known_hosts.write_text(
        f"{line[0]} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1Qy3Q1mGqS3iZ5f1mQ8p5dEwqYQe0Lrm9P3cVv1n1R\n"
    )
    with pytest.raises(Exception, match=r"(?i)host key|known_hosts|mismatch|verif"), asa.netmiko():
        pass


def test_wrong_password_stays_outside(asa: Asa) -> None:
    """A wrong login password opens no session."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    host, port = asa.where
    with pytest.raises(paramiko.AuthenticationException):
        client.connect(host, port, "ops", "wrong", look_for_keys=False, allow_agent=False)
    client.close()


def test_openssh_client_can_log_in_and_is_paged(asa: Asa) -> None:
    """OpenSSH's own client gets in by keyboard-interactive, enables, and sees the pager stop a long answer."""
    asa.box.load(
        asa.box.config()
        + "object-group network BIG\n"
        + "".join(f" network-object host 10.0.0.{n}\n" for n in range(60))
    )
    host, port = asa.where
    argv = ["ssh", "-tt", "-F", "none", "-p", str(port), "-o", f"UserKnownHostsFile={asa.known_hosts}"]
    argv += ["-o", "StrictHostKeyChecking=yes", "-o", "PubkeyAuthentication=no", f"ops@{host}"]
    talk = [
        (r"[Pp]assword: $", "pass word"),
        (r"ciscoasa> $", "enable"),
        (r"Password: $", "enable it"),
        (r"ciscoasa# $", "sh run"),
        (r"<--- More --->$", "q"),
        (r"ciscoasa# $", "exit"),
    ]
    seen = _talk(argv, talk)
    assert "network-object host 10.0.0.1\r" in seen
    assert "10.0.0.59" not in seen, "the pager let the whole configuration through"
    assert "pass word" not in seen and "enable it" not in seen, "a password was echoed"


def _talk(argv: list[str], talk: list[tuple[str, str]]) -> str:
    """Run a program on its own terminal and answer its prompts; all that it printed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(argv[0], argv)
    seen = ""
    try:
        for prompt, answer in talk:
            seen += _until(terminal, prompt)
            os.write(terminal, (answer if answer == "q" else answer + "\n").encode())
        return seen + _until(terminal, r"Logoff")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def _until(terminal: int, pattern: str) -> str:
    text, deadline = "", time.monotonic() + 10 * BUSY
    while not re.search(pattern, text):
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"no {pattern!r} in time; the terminal shows {text!r}"
        text += os.read(terminal, 4096).decode(errors="replace")
    return text


class Shell:
    """A paramiko shell in privileged mode with paging off: one line in, the answer out."""

    def __init__(self, asa: Asa, secret: str = "enable it") -> None:
        host, port = asa.where
        self.client = paramiko.SSHClient()
        self.client.load_host_keys(str(asa.known_hosts))
        self.client.connect(host, port, "ops", "pass word", look_for_keys=False, allow_agent=False)
        self.channel = self.client.invoke_shell()
        self.until(r"> $")
        self.say("enable", r"Password: $")
        self.say(secret, r"(# |Password: )$")

    def until(self, pattern: str) -> str:
        text = ""
        self.channel.settimeout(5 * BUSY)
        while not re.search(pattern, text):
            more = self.channel.recv(4096)
            if not more:
                raise EOFError(text)
            text += more.decode()
        return text

    def say(self, line: str, pattern: str = r"\r\n[\w.-]+(\(config[^)]*\))?# $") -> str:
        self.channel.sendall(f"{line}\n".encode())
        text = self.until(pattern).replace("\r\n", "\n")
        return text.partition("\n")[2].rpartition("\n")[0]

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()


def test_enable_gives_three_tries(asa: Asa) -> None:
    """Two wrong enable passwords ask again, the third ends in user mode."""
    with Shell(asa, "wrong") as shell:
        assert "Invalid password" in shell.say("wrong", r"Password: $")
        assert "Access denied." in shell.say("wrong", r"> $")


REFUSALS = [
    ("config", "frobnicate", "ERROR: % Invalid input detected at '^' marker."),
    ("config", "show running-confg", "ERROR: % Invalid input detected at '^' marker."),
    ("config", "access-list", "ERROR: % Incomplete command"),
    ("config", "access-list X remark", "ERROR: % Incomplete command"),
    ("config", "show version | include (", "ERROR: % Invalid input detected at '^' marker."),
    ("config", "show version | count x", "ERROR: % Invalid input detected at '^' marker."),
    ("config", "en", "ERROR: % Ambiguous command"),
    ("config", "access-list X extended deny ip any object-group NOBODY", "object-group <NOBODY> not found"),
    ("config", "access-group NOBODY in interface inside", "access-list <NOBODY> does not exist"),
    ("config", "access-group INSIDE_IN in interface dmz", "ERROR: % Invalid input detected at '^' marker."),
    ("config", "no object-group network HEMOSTAT", "Removing object-group (HEMOSTAT) not allowed"),
    ("config", "clear conn address 127.66.0.999", "ERROR: % Invalid input detected at '^' marker."),
    ("group", "network-object host 192.0.2.1", "failed; object already exists"),
    ("group", "network-object host 192.0.2.999", "ERROR: % Invalid input detected at '^' marker."),
    ("group", "network-object 192.0.2.1 255.255.255.0", "ERROR: % Invalid input detected at '^' marker."),
    ("group", "network-object 2001:db8::1", "ERROR: % Invalid input detected at '^' marker."),
    ("group", "no network-object host 192.0.2.7", "obj does not exist in this group"),
    ("group", "no network-object host 192.0.2.1", "would become empty"),
]


@pytest.mark.parametrize(("mode", "line", "refusal"), REFUSALS, ids=[f"{m}: {line}" for m, line, _ in REFUSALS])
def test_refuses_in_the_asas_words(mode: str, line: str, refusal: str, refuser: Shell) -> None:
    """What an ASA does not take is refused in its words, and the configuration stays as it was."""
    refuser.say("object-group network HEMOSTAT" if mode == "group" else "end")
    if mode == "config":
        refuser.say("conf t")
    before = refuser.say("show run access-list") + refuser.say("show run object-group")
    assert refusal in refuser.say(line)
    assert before == refuser.say("show run access-list") + refuser.say("show run object-group")
    if mode == "config":
        refuser.say("conf t")


@pytest.fixture(scope="module")
def refuser(tmp_path_factory: pytest.TempPathFactory):
    """One session for all refusals: they change nothing."""
    from tests.lab.conftest import running_asa

    with running_asa(tmp_path_factory.mktemp("asa")) as asa, Shell(asa) as shell:
        shell.say("conf t")
        yield shell


def test_the_marker_stands_below_the_wrong_word(asa: Asa) -> None:
    """The caret's column is the prompt's length and the word's place, as on the device."""
    with Shell(asa) as shell:
        marker = shell.say("show runing-config").splitlines()[0]
    assert marker == " " * len("ciscoasa# show ") + "^"


def test_ipv6_members_and_subnets_live_in_one_group(asa: Asa) -> None:
    """A group takes v4 hosts, subnets and v6 prefixes, and shows them as they can be typed again."""
    with Shell(asa) as shell:
        shell.say("conf t")
        shell.say("object-group network HEMOSTAT")
        shell.say("network-object 2001:db8::9/128")
        shell.say("network-object 198.51.100.0 255.255.255.0")
        shown = shell.say("show running-config object-group id HEMOSTAT")
    assert shown.splitlines()[2:] == [" network-object 2001:db8::9/128", " network-object 198.51.100.0 255.255.255.0"]
    other = Box("ops", "x")
    other.load(asa.box.config())
    assert other.config() == asa.box.config()


def test_reload_forgets_what_was_not_saved(asa: Asa) -> None:
    """After a reload without saving the block is gone: the product must save, or say that it did not."""
    with Shell(asa) as shell:
        shell.say("conf t")
        shell.say("object-group network HEMOSTAT")
        shell.say("network-object host 127.66.0.9")
        shell.say("end")
        shell.say("reload", r"Save\? \[Y\]es/\[N\]o:$")
        shell.say("n", r"\[confirm\]$")
        with pytest.raises(EOFError):
            shell.say("")
    assert "127.66.0.9" not in asa.box.config()


def test_connections_outlive_the_block_until_they_are_cleared(asa: Asa) -> None:
    """`show conn` lists the session although the group denies it; `clear conn address` ends exactly that one."""
    ended: list[str] = []
    for remote in ("127.66.0.9", "127.66.0.8"):
        flow = Flow(ip_address("127.10.0.1"), 40000, ip_address(remote), 8443)
        asa.box.conns.add(Conn(flow, lambda remote=remote: ended.append(remote)))  # type: ignore[misc]
    with Shell(asa) as shell:
        assert "2 in use, 2 most used" in shell.say("show conn")
        assert "TCP outside 127.66.0.9:8443 inside 127.10.0.1:40000" in shell.say("show conn address 127.66.0.9")
        assert shell.say("clear conn address 127.66.0.9") == "1 connection(s) deleted."
    assert ended == ["127.66.0.9"]


def test_hit_counts_show_at_the_entry_and_its_member(asa: Asa) -> None:
    """A denied connection counts on line 1 and on the member that matched."""
    with Shell(asa) as shell:
        shell.say("conf t")
        shell.say("object-group network HEMOSTAT")
        shell.say("network-object host 127.66.0.9")
        flow = Flow(ip_address("127.10.0.1"), 40000, ip_address("127.66.0.9"), 8443)
        assert not asa.box.admit(flow)
        shown = shell.say("show access-list | include HEMOSTAT|127.66.0.9")
    assert re.search(
        r"^access-list INSIDE_IN line 1 extended deny ip any object-group HEMOSTAT \(hitcnt=1\) 0x", shown, re.M
    )
    assert re.search(
        r"^  access-list INSIDE_IN line 1 extended deny ip any host 127.66.0.9 \(hitcnt=1\) 0x", shown, re.M
    )


def test_a_sixth_session_is_dropped(asa: Asa) -> None:
    """An ASA takes five SSH sessions; the next connection is closed before any greeting."""
    open_ones = [Shell(asa) for _ in range(5)]
    with socket.create_connection(asa.where, timeout=5 * BUSY) as sixth:
        assert sixth.recv(100) == b""
    for shell in open_ones:
        shell.client.close()


def test_fault_wrong_enable(asa: Asa) -> None:
    """With the fault on, even the right enable password is wrong."""
    asa.box.faults.wrong_enable = True
    with Shell(asa) as shell:
        assert "Invalid password" in shell.say("enable it", r"Password: $")


def test_fault_refuse_config(asa: Asa) -> None:
    """Command authorization refuses the configuration mode; looking still works."""
    asa.box.faults.refuse_config = True
    with Shell(asa) as shell:
        assert shell.say("configure terminal") == "Command authorization failed"
        assert "HEMOSTAT" in shell.say("show running-config object-group id HEMOSTAT")


def test_fault_full_group(asa: Asa) -> None:
    """A full group takes no further member and says so."""
    asa.box.faults.full = 1
    with Shell(asa) as shell:
        shell.say("conf t")
        shell.say("object-group network HEMOSTAT")
        assert shell.say("network-object host 127.66.0.9").startswith("ERROR: ")
    assert "127.66.0.9" not in asa.box.config()


def test_fault_drop_after_the_line_was_obeyed(asa: Asa) -> None:
    """The line takes effect and the connection breaks before the prompt: only a second look can tell."""
    asa.box.faults.drop_after = r"^network-object"
    with Shell(asa) as shell:
        shell.say("conf t")
        shell.say("object-group network HEMOSTAT")
        with pytest.raises(EOFError):
            shell.say("network-object host 127.66.0.9")
    assert "127.66.0.9" in asa.box.config()


def test_fault_cut_in_the_middle_of_an_answer(asa: Asa) -> None:
    """The connection breaks at a byte of the output, wherever that is."""
    with Shell(asa) as shell:
        asa.box.faults.cut_after = 400
        with pytest.raises(EOFError):
            shell.say("show running-config")


def test_fault_delay(asa: Asa) -> None:
    """A slow device answers late."""
    with Shell(asa) as shell:
        asa.box.faults.delay = 0.3
        start = time.monotonic()
        shell.say("show curpriv")
    assert time.monotonic() - start >= 0.3


def test_state_survives_as_json(asa: Asa) -> None:
    """What `dump` gives, `restore` brings back: running and startup configuration and hit counts."""
    flow = Flow(ip_address("127.10.0.1"), 40000, ip_address("192.0.2.1"), 8443)
    assert not asa.box.admit(flow)
    other = Box("ops", "x")
    other.restore(asa.box.dump())
    assert other.dump() == asa.box.dump()


def test_openssh_keyscan_shows_the_pinned_key(asa: Asa) -> None:
    """The pin that the range writes is what OpenSSH's own scanner sees."""
    host, port = asa.where
    argv = ["ssh-keyscan", "-t", "ed25519", "-p", str(port), host]
    scan = subprocess.run(argv, capture_output=True, text=True, timeout=20 * BUSY, check=True)
    assert scan.stdout.split()[-2:] == asa.server.host_key.split()
