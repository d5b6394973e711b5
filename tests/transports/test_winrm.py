"""The WinRM client against the WS-Management laboratory: real HTTP, real logins; what the caller gets and what the host saw."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lab.wsman import Account, Cut, Faults, made
from tasks.model import ConfigError, TargetError, Unreachable
from tasks.transports.winrm_frame import Blocked
from tasks.transports.winrm_wire import HAVE_CREDSSP, HAVE_KERBEROS, Wire, address
from tests.patience import BUSY
from tests.transports.winrm_house import ECHO, EMIT, FAIL, PASSWORD, SLOW, USER, client, inventory, listening

pytestmark = pytest.mark.lab
ROUND = ["Create", "Command", "Send", "Receive", "Signal", "Delete"]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "busy_pause", 0.05)


@pytest.mark.parametrize("tls", [False, True], ids=["sealed http", "pinned https"])
def test_a_script_and_its_answer(tmp_path: Path, tls: bool) -> None:
    """Arguments go in as data and come back untouched, Chinese included, in one round of requests; no shell is left behind."""
    with listening(tmp_path, made(tmp_path, "win-1") if tls else None) as server, client(server) as windows:
        answer = windows.run_script(ECHO, json.dumps({"path": "C:\\文档\\'; exit #"}).encode())
        assert json.loads(answer) == {"path": "C:\\文档\\'; exit #"}
        assert server.log == ROUND
        assert server.service.shells == {}


def test_eight_requests_for_a_long_script_and_a_megabyte(tmp_path: Path) -> None:
    """60 KB of script in and 1 MB of JSON out cost eight requests, counted at the host."""
    assert len(EMIT) > 60_000
    with listening(tmp_path) as server, client(server) as windows:
        answer = windows.run_script(EMIT, b'{"bytes": 1048576}')
        assert len(answer) >= 1 << 20
        assert len(server.log) <= 8, server.log


def test_large_arguments_go_in_pieces(tmp_path: Path) -> None:
    """Half a megabyte of arguments that do not compress is sent in pieces that every Windows takes."""
    with listening(tmp_path, faults=Faults(envelope=153_600)) as server, client(server) as windows:
        given = json.dumps(["%x" % (n * 0x9E3779B97F4A7C15 % (1 << 64)) for n in range(30_000)])
        assert json.loads(windows.run_script(ECHO, given.encode())) == json.loads(given)
        assert server.log.count("Send") > 1


@pytest.mark.parametrize("auth", ["basic", "certificate", "ntlm", "credssp"])
def test_each_login_on_https(tmp_path: Path, auth: str) -> None:
    """A password over TLS and a client certificate open the same door, with a Chinese name and password."""
    mine = made(tmp_path, "operator")
    account = Account(USER, PASSWORD, mine.der)
    ways = {"auth": auth}
    if auth == "certificate":
        ways |= {"client_certificate": str(mine.file), "client_key": str(mine.key)}
    with (
        listening(tmp_path, made(tmp_path, "win-1"), account=account, clients=mine) as server,
        client(server, **ways) as windows,
    ):
        assert windows.run_script(ECHO, b"[1]") == b"[1]"


def test_credssp_seals_on_http(tmp_path: Path) -> None:
    """The delegated login opens the door, and a megabyte goes both ways through its own TLS."""
    given = json.dumps(["%x" % (n * 0x9E3779B97F4A7C15 % (1 << 64)) for n in range(50_000)])
    with listening(tmp_path) as server, client(server, auth="credssp") as windows:
        assert json.loads(windows.run_script(ECHO, given.encode())) == json.loads(given)


def test_credssp_with_a_wrong_password_is_told(tmp_path: Path) -> None:
    """As with any other login; the password is in no message."""
    with listening(tmp_path, account=Account(USER, "another")) as server, client(server, auth="credssp") as windows:
        with pytest.raises(Unreachable, match="login was refused") as seen:
            windows.run_script(ECHO, b"[1]")
        assert PASSWORD not in f"{seen.value}"


def test_a_foreign_client_certificate_is_not_let_in(tmp_path: Path) -> None:
    """Only the certificate that is mapped to the account opens the door."""
    mine, other = made(tmp_path, "operator"), made(tmp_path, "other")
    ways = {"auth": "certificate", "client_certificate": str(other.file), "client_key": str(other.key)}
    with (
        listening(
            tmp_path, made(tmp_path, "win-1"), account=Account(USER, PASSWORD, mine.der), clients=other
        ) as server,
        client(server, **ways) as windows,
        pytest.raises(Unreachable, match="login was refused"),
    ):
        windows.run_script(ECHO, b"[1]")


def test_a_certificate_of_a_named_authority_is_verified(tmp_path: Path) -> None:
    """Without a pin, winrm.ca decides; its own authority's certificate passes."""
    certificate = made(tmp_path, "win-1")
    with (
        listening(tmp_path, certificate) as server,
        client(server, certificate_sha256="", ca=str(certificate.file)) as windows,
    ):
        assert windows.run_script(ECHO, b"[1]") == b"[1]"


@pytest.mark.parametrize("auth", ["basic", "certificate"])
def test_nothing_goes_in_the_clear(tmp_path: Path, auth: str) -> None:
    """Logins that do not seal are refused on http before a byte is sent."""
    with listening(tmp_path) as server, client(server, auth=auth) as windows:
        with pytest.raises(ConfigError, match="without tls"):
            windows.run_script(ECHO, b"[1]")
        assert server.connections == set()


@pytest.mark.parametrize(
    "auth", [n for n, have in [("kerberos", HAVE_KERBEROS), ("credssp", HAVE_CREDSSP)] if not have]
)
def test_a_login_whose_package_is_missing(tmp_path: Path, auth: str) -> None:
    """The message names what to install."""
    with (
        listening(tmp_path) as server,
        client(server, auth=auth) as windows,
        pytest.raises(ConfigError, match=f"install hemostat.{auth}"),
    ):
        windows.run_script(ECHO, b"[1]")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"auth": "certificate"}, "winrm.client_certificate is missing"),
        (
            {"auth": "certificate", "client_certificate": "/nowhere.pem", "client_key": "/k"},
            "there is no file /nowhere.pem",
        ),
        ({"ca": "~/nowhere.pem"}, "there is no file ~/nowhere.pem"),
    ],
    ids=["not named", "not there", "authority"],
)
def test_a_file_that_is_missing(tmp_path: Path, options: dict[str, str], says: str) -> None:
    """The owner's file is wrong, not the host: told before anything is sent."""
    with (
        listening(tmp_path, made(tmp_path, "win-1")) as server,
        client(server, **options) as windows,
        pytest.raises(ConfigError, match=says),
    ):
        windows.run_script(ECHO, b"[1]")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_wrong_password(tmp_path: Path, tls: bool) -> None:
    """Told as such at once; the password is in no message."""
    certificate = made(tmp_path, "win-1") if tls else None
    with listening(tmp_path, certificate) as server, client(server, password="wrong-9$") as windows:
        with pytest.raises(Unreachable, match=r"login was refused \(ntlm") as caught:
            windows.run_script(ECHO, b"[1]")
        assert "wrong-9$" not in str(caught.value)
        assert server.log == []


def test_a_login_that_the_host_does_not_offer(tmp_path: Path) -> None:
    """What it offers instead is told."""
    with (
        listening(tmp_path, faults=Faults(offer="Kerberos")) as server,
        client(server) as windows,
        pytest.raises(Unreachable, match="does not take the login ntlm: it offers Kerberos"),
    ):
        windows.run_script(ECHO, b"[1]")


def test_a_certificate_that_changed(tmp_path: Path) -> None:
    """Both fingerprints are shown, and no login was tried."""
    certificate = made(tmp_path, "win-1")
    with listening(tmp_path, certificate) as server, client(server, certificate_sha256="AB" * 32) as windows:
        with pytest.raises(Unreachable, match=f"SHA-256 {certificate.sha256} came, {'ab' * 32} is pinned"):
            windows.run_script(ECHO, b"[1]")
        assert server.log == []


def test_a_pin_is_kept_after_the_session_was_closed(tmp_path: Path) -> None:
    """A session that is built anew is pinned as the first one was: another certificate at the same port is noticed."""
    with listening(tmp_path, made(tmp_path, "win-1")) as server, client(server) as windows:
        windows.run_script(ECHO, b"[1]")
        windows.close()
        assert windows.run_script(ECHO, b"[2]") == b"[2]"
        host = inventory(server, certificate_sha256="cd" * 32)
        windows.wire.host = host
        windows.close()
        with pytest.raises(Unreachable, match="not the pinned one"):
            windows.run_script(ECHO, b"[3]")


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """Neither pinned nor signed by a known authority: refused, with what to do."""
    with (
        listening(tmp_path, made(tmp_path, "win-1")) as server,
        client(server, certificate_sha256="") as windows,
        pytest.raises(Unreachable, match=r"not trusted: self.signed certificate.*--learn win-1"),
    ):
        windows.run_script(ECHO, b"[1]")


def test_nothing_listens(tmp_path: Path) -> None:
    """Told at once, with the address that was tried."""
    with listening(tmp_path) as server:
        host = inventory(server)
    with (
        client(server, host=host) as windows,
        pytest.raises(Unreachable, match=r"http://127.0.0.1:\d+/wsman does not answer"),
    ):
        windows.run_script(ECHO, b"[1]")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_another_web_server_stands_there(tmp_path: Path, tls: bool) -> None:
    """A page is not an answer."""
    page = "<html><body>It works! <script>alert(1)</script></body></html>"
    with (
        listening(tmp_path, made(tmp_path, "win-1") if tls else None, faults=Faults(page=page)) as server,
        client(server) as windows,
        pytest.raises(Unreachable, match=r"is not WinRM \(status 200, text/html\)"),
    ):
        windows.run_script(ECHO, b"[1]")


def test_https_spoken_to_an_http_port(tmp_path: Path) -> None:
    """The commonest slip is named."""
    with (
        listening(tmp_path) as server,
        client(server, tls=True, certificate_sha256="ab" * 32) as windows,
        pytest.raises(Unreachable, match="5985 is http"),
    ):
        windows.run_script(ECHO, b"[1]")


def test_a_login_without_the_right_to_a_shell(tmp_path: Path) -> None:
    """Access denied is no wrong password."""
    with (
        listening(tmp_path, faults=Faults(denied=True)) as server,
        client(server) as windows,
        pytest.raises(TargetError, match="login is right, but it may not open a remote shell"),
    ):
        windows.run_script(ECHO, b"[1]")


def test_a_busy_host_is_asked_again(tmp_path: Path) -> None:
    """Error 170 twice, then it works; error 170 for good is told."""
    with listening(tmp_path, faults=Faults(busy=2)) as server, client(server) as windows:
        assert windows.run_script(ECHO, b"[1]") == b"[1]"
        server.faults.busy = 99
        with pytest.raises(TargetError, match="busy"):
            windows.run_script(ECHO, b"[1]")


def test_a_used_up_quota(tmp_path: Path) -> None:
    """The quota is named with what raises it."""
    with (
        listening(tmp_path, faults=Faults(shells=0)) as server,
        client(server) as windows,
        pytest.raises(TargetError, match=r"quota.*MaxShellsPerUser"),
    ):
        windows.run_script(ECHO, b"[1]")


@pytest.mark.parametrize("language", ["ConstrainedLanguage", "Denied"])
def test_a_host_where_no_script_may_run(tmp_path: Path, language: str) -> None:
    """The caller can tell it apart, and console programs still run."""
    with listening(tmp_path, faults=Faults(language=language)) as server, client(server) as windows:
        with pytest.raises(Blocked):
            windows.run_script(ECHO, b"[1]")
        assert b"203.0.113.9:443" in windows.run_console("netstat -ano").out
        assert server.service.shells == {}


@pytest.mark.parametrize("frame", ["cut", "mixed", "hash"])
def test_a_damaged_answer_is_no_answer(tmp_path: Path, frame: str) -> None:
    """Each kind of damage is told as what it is."""
    says = {"cut": "end is missing", "mixed": "mixed with other output: 'WARNING", "hash": "hash is wrong"}[frame]
    with (
        listening(tmp_path, faults=Faults(frame=frame)) as server,
        client(server) as windows,
        pytest.raises(TargetError, match=says),
    ):
        windows.run_script(ECHO, b"[1]")


def test_a_script_that_fails_says_why(tmp_path: Path) -> None:
    """Its own error, decoded; the shell is deleted."""
    with listening(tmp_path) as server, client(server) as windows:
        with pytest.raises(TargetError, match=r"无法访问 <C:.x_y> & 😀 At line:1"):
            windows.run_script(FAIL, b"{}")
        assert server.service.shells == {}


def test_an_unknown_script_does_not_run(tmp_path: Path) -> None:
    """The laboratory plays no script that is not shipped."""
    with listening(tmp_path) as server, client(server) as windows, pytest.raises(TargetError, match="does not know"):
        windows.run_script(ECHO + b"# changed\n", b"{}")


def test_a_script_that_does_not_end(tmp_path: Path) -> None:
    """The caller's own deadline holds, and the shell with the script in it is ended."""
    with listening(tmp_path) as server, client(server) as windows:
        windows.run_script(ECHO, b"[1]")  # logged in: the time is the script's own
        start = time.monotonic()
        with pytest.raises(TargetError, match="did not end in the time given"):
            windows.run_script(SLOW, b'{"seconds": 30}', 1.5)
        assert time.monotonic() - start < 20, "it waited for the script"
        assert server.service.shells == {}


def test_a_script_that_is_silent_for_long(tmp_path: Path) -> None:
    """The host answers every operation with a time-out until there is output; that is no error."""
    with listening(tmp_path) as server, client(server) as windows:
        windows.wire.operation = 1
        assert windows.run_script(SLOW, b'{"seconds": 2.3}') == b"awake"
        assert server.log.count("Receive") >= 2


@pytest.mark.parametrize("after", [0, 300], ids=["before the answer", "in the answer"])
@pytest.mark.parametrize("tls", [False, True], ids=["sealed http", "https"])
@pytest.mark.parametrize("action", ROUND)
def test_a_connection_that_breaks(tmp_path: Path, action: str, tls: bool, after: int) -> None:
    """Wherever it breaks, the script runs once, the answer is whole, and no shell is left."""
    with listening(tmp_path, made(tmp_path, "win-1") if tls else None) as server, client(server) as windows:
        server.faults.arm(Cut(1, after, action))
        assert windows.run_script(ECHO, b"[1]") == b"[1]"
        assert server.log == ROUND, "each message must have been worked on once"
        assert server.service.shells == {}
        assert server.faults.cuts == []


def test_a_connection_that_is_dropped_between_two_calls(tmp_path: Path) -> None:
    """The seal belongs to the connection: a new one is made, quietly."""
    with listening(tmp_path) as server, client(server) as windows:
        windows.run_script(ECHO, b"[1]")
        server.drop()
        assert windows.run_script(ECHO, b"[2]") == b"[2]"


def test_a_connection_that_breaks_again_and_again(tmp_path: Path) -> None:
    """After a few times it is told; the run does not hang."""
    with listening(tmp_path) as server, client(server) as windows:
        server.faults.arm(*[Cut(n) for n in range(1, 20)])
        with pytest.raises(Unreachable, match="broke again and again"):
            windows.run_script(ECHO, b"[1]")


def test_a_host_that_stalls(tmp_path: Path) -> None:
    """A held back answer is waited for as long as the operation may take and the host's time-out; then it is told."""
    with listening(tmp_path) as server, client(server) as windows:
        windows.wire.operation = 1
        windows.wire.host = replace(windows.wire.host, timeout=0.2)
        server.faults.arm(stalls=dict.fromkeys(range(1, 9), 30.0))
        start = time.monotonic()
        with pytest.raises((Unreachable, TargetError), match=r"did not (answer in time|end in the time given)"):
            windows.run_script(ECHO, b"[1]", 3)
        assert time.monotonic() - start < 29, "it waited for the answer that is held back"


def test_the_service_restarts_in_the_middle(tmp_path: Path) -> None:
    """The shell is gone, and with it the script: told, never taken for an answer."""
    with listening(tmp_path) as server, client(server) as windows:
        server.faults.arm(Cut(1, 0, "Receive", restart=True))
        with pytest.raises(Unreachable, match="shell is gone"):
            windows.run_script(ECHO, b"[1]")


def test_eight_threads_have_a_session_each(tmp_path: Path) -> None:
    """One client may be used by several threads; each gets its own answer."""
    answers: dict[int, bytes] = {}
    with listening(tmp_path) as server, client(server) as windows:

        def work(number: int) -> None:
            answers[number] = windows.run_script(ECHO, b"[%d]" % number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20 * BUSY)
    assert answers == {number: b"[%d]" % number for number in range(8)}


def test_the_console_of_a_chinese_windows(tmp_path: Path) -> None:
    """Bytes come as they are, whatever the code page; a script's answer does not care."""
    with listening(tmp_path, faults=Faults(codepage=936)) as server, client(server) as windows:
        assert "活动连接" in windows.run_console("netstat -ano").out.decode("cp936")
        assert json.loads(windows.run_script(ECHO, '["活动连接"]'.encode())) == ["活动连接"]


@pytest.mark.parametrize("auth", ["ntlm", "certificate"])
def test_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auth: str) -> None:
    """Neither its proxies nor its certificates nor its netrc, whose password would go to the host."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    nowhere = {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "REQUESTS_CA_BUNDLE": "/nonexistent",
    }
    for name, value in {**nowhere, "NETRC": str(tmp_path / "netrc")}.items():
        monkeypatch.setenv(name, value)
    mine = made(tmp_path, "operator")
    ways = {"auth": auth, "client_certificate": str(mine.file), "client_key": str(mine.key)}
    account = Account(USER, PASSWORD, mine.der)
    with (
        listening(tmp_path, made(tmp_path, "win-1"), account=account, clients=mine) as server,
        client(server, **ways) as windows,
    ):
        assert windows.run_script(ECHO, b"[1]") == b"[1]"


def test_the_hosts_clock_is_seen(tmp_path: Path) -> None:
    """How far it is off is known after the first answer; times of events need it."""
    with listening(tmp_path, faults=Faults(clock=-3600)) as server, client(server) as windows:
        windows.run_script(ECHO, b"[1]")
        assert windows.clock_skew == pytest.approx(-3600, abs=3)


def test_the_address_is_written_in_full(tmp_path: Path) -> None:
    """Ports and IPv6 brackets are not left to the library's guess."""
    with listening(tmp_path) as server:
        host = inventory(server)
    assert address(replace(host, hostname="2001:db8::5", port=None)) == "http://[2001:db8::5]:5985/wsman"
