"""The WS-Management laboratory is as strict as WinRM: each wrong message gets its own fault, and nothing comes in by another door."""

from __future__ import annotations

import base64
import hashlib
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests
import spnego
from hypothesis import given, settings
from hypothesis import strategies as st
from spnego.channel_bindings import GssChannelBindings

from lab.wsman import Account, Certificate, Cut, Faults, Pipes, Stopped, Wsman, made, sealed
from lab.wsman.logins import known
from lab.wsman.soap import CMD, FAULT, RSP, A, Fault, S, W, X, read
from tasks.transports.winrm_frame import POWERSHELL, bootstrap, packed
from tests.transports.winrm_house import ECHO, PASSWORD, USER, listening

pytestmark = pytest.mark.lab
PLAIN = "application/soap+xml;charset=UTF-8"


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return made(tmp_path, "win-1")


@pytest.fixture
def server(tmp_path: Path, certificate: Certificate) -> Iterator[Wsman]:
    """An https listener with an ASCII account, for basic logins by hand."""
    with listening(tmp_path, certificate, account=Account("ops", "right-9")) as running:
        yield running


def envelope(action: str, body: str = "", **changed: str) -> bytes:
    """A message; `changed` replaces a header's text, empty leaves the header out."""
    headers = {
        "To": "http://x/wsman",
        "Action": action,
        "MessageID": f"uuid:{uuid.uuid4()}",
        "ResourceURI": CMD,
        "MaxEnvelopeSize": "153600",
        "OperationTimeout": "PT1S",
        "ShellId": "",
        "extra": "",
    } | changed
    spaces = {
        "To": "a",
        "Action": "a",
        "MessageID": "a",
        "ResourceURI": "w",
        "MaxEnvelopeSize": "w",
        "OperationTimeout": "w",
    }
    text = "".join(f"<{p}:{n}>{headers[n]}</{p}:{n}>" for n, p in spaces.items() if headers[n])
    if headers["ShellId"]:
        text += f'<w:SelectorSet><w:Selector Name="ShellId">{headers["ShellId"]}</w:Selector></w:SelectorSet>'
    return (
        f'<s:Envelope xmlns:s="{S}" xmlns:a="{A}" xmlns:w="{W}" xmlns:r="{RSP}"><s:Header>{text}{headers["extra"]}</s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def post(server: Wsman, data: bytes) -> requests.Response:
    """One message with a basic login."""
    ca = str(server.certificate.file) if server.certificate else None
    login = (server.account.user, server.account.password)
    return requests.post(server.url, data=data, auth=login, headers={"Content-Type": PLAIN}, verify=ca, timeout=10)


def fault(response: requests.Response) -> tuple[int, str]:
    """Windows' number and the protocol's name of a fault."""
    assert response.status_code == 500
    found = ElementTree.fromstring(response.content).find(f".//{{{FAULT}}}WSManFault")
    name = ElementTree.fromstring(response.content).findtext(f".//{{{S}}}Subcode/{{{S}}}Value")
    return int(found.get("Code")), name


def opened(server: Wsman) -> str:
    """A new shell's id."""
    made_ = post(server, envelope(f"{X}/Create", "<r:Shell/>"))
    return ElementTree.fromstring(made_.content).findtext(f".//{{{RSP}}}ShellId")


SHELL = "11111111-1111-1111-1111-111111111111"


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (envelope(f"{X}/Put"), (2150858753, "a:ActionNotSupported")),
        (envelope(f"{X}/Create", ResourceURI="http://x/cimv2/Win32_Process"), (2150858752, "a:DestinationUnreachable")),
        (envelope(f"{RSP}/Command", ShellId=SHELL), (2150858843, "w:InvalidSelectors")),
        (envelope(f"{RSP}/Receive"), (2150858843, "w:InvalidSelectors")),
        (envelope(f"{X}/Create", MessageID=""), (2150858769, "a:MessageInformationHeaderRequired")),
        (envelope(f"{X}/Create", MessageID="uuid:1"), (2150858769, "a:MessageInformationHeaderRequired")),
        (envelope(f"{X}/Create", To=""), (2150858769, "a:MessageInformationHeaderRequired")),
        (envelope(f"{X}/Create", OperationTimeout="soon"), (2150858881, "w:InvalidTimeout")),
        (envelope(f"{X}/Create", extra='<w:New s:mustUnderstand="true"/>'), (2150858768, "s:MustUnderstand")),
        (envelope(f"{X}/Create", MaxEnvelopeSize="many"), (2150858878, "w:EncodingLimit")),
        (envelope(f"{X}/Create", MaxEnvelopeSize="100"), (2150858878, "w:EncodingLimit")),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', (2150858819, "w:SchemaValidationError")),
        (b"<html>no</html>", (2150858819, "w:SchemaValidationError")),
        (b"not xml at all", (2150858819, "w:SchemaValidationError")),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + envelope(f"{X}/Create"), (2150858819, "w:SchemaValidationError")),
        (envelope(f"{X}/Create", "x" * 520_000), (2150858824, "w:EncodingLimit")),
    ],
    ids=[
        "action",
        "resource",
        "shell",
        "no shell",
        "no id",
        "id",
        "to",
        "time",
        "header",
        "size",
        "small",
        "encoding",
        "html",
        "text",
        "doctype",
        "large",
    ],
)
def test_a_wrong_message_gets_its_fault(server: Wsman, message: bytes, wanted: tuple[int, str]) -> None:
    """The number is Windows' own (wsmerror.h), the name the protocol's."""
    assert fault(post(server, message)) == wanted


def test_wrong_messages_in_a_shell(server: Wsman) -> None:
    """An unknown command, a stream that is none, a command without a line, input after its end."""
    shell = opened(server)
    wrong = {
        f"{RSP}/Receive": '<r:Receive><r:DesiredStream CommandId="1">stdout</r:DesiredStream></r:Receive>',
        f"{RSP}/Send": f'<r:Send><r:Stream Name="stdin" CommandId="{SHELL}">AA==</r:Stream></r:Send>',
        f"{RSP}/Command": "<r:CommandLine/>",
        f"{RSP}/Signal": "",
    }
    codes = [fault(post(server, envelope(action, body, ShellId=shell)))[0] for action, body in wrong.items()]
    assert codes == [2150859085, 2150859085, 2150858791, 2150858791]
    assert post(server, envelope(f"{X}/Delete", ShellId=shell)).status_code == 200
    assert fault(post(server, envelope(f"{X}/Delete", ShellId=shell)))[0] == 2150858843


def test_the_same_message_again_gets_the_same_answer(server: Wsman) -> None:
    """A Create that is repeated makes no second shell: its answer is the first one's."""
    message = envelope(f"{X}/Create", "<r:Shell/>")
    assert post(server, message).content == post(server, message).content
    assert len(server.service.shells) == 1
    assert server.log == ["Create"]


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_bytes_upset_the_reader(data: bytes) -> None:
    """Whatever comes is a request or a fault."""
    with suppress(Fault):
        read(data)
    with suppress(Fault):
        read(envelope(f"{X}/Create", data.decode("latin-1")))


def _contexts() -> tuple[spnego.ContextProxy, spnego.ContextProxy]:
    """Both ends of one NTLM login."""
    with known(Account("ops", "right-9")):
        near, far = spnego.client("ops", "right-9", protocol="ntlm"), spnego.server(protocol="ntlm")
        far.step(near.step(far.step(near.step())))
    return near, far


@settings(max_examples=40)
@given(st.integers(min_value=0), st.integers(1, 255))
def test_one_changed_byte_breaks_the_seal(at: int, flip: int) -> None:
    """Or it stood in the shape around it and changed nothing that counts."""
    near, far = _contexts()
    kind, body = sealed.sealed(near, b"<s:Envelope/>")
    spoilt = bytearray(body)
    spoilt[at % len(body)] ^= flip
    with suppress(sealed.NotSealed):
        assert sealed.opened(far, kind, bytes(spoilt)) == b"<s:Envelope/>"


def _listening(server: Wsman, shell: str) -> str:
    """A command that waits for its standard input; its id."""
    words = "".join(f"<r:Arguments>{word}</r:Arguments>" for word in bootstrap())
    line = f"<r:CommandLine><r:Command>{POWERSHELL}</r:Command>{words}</r:CommandLine>"
    ran = post(server, envelope(f"{RSP}/Command", line, ShellId=shell))
    return ElementTree.fromstring(ran.content).findtext(f".//{{{RSP}}}CommandId")


def test_one_receive_twice_at_the_same_time_loses_nothing(server: Wsman) -> None:
    """A client that asks again while its first question is still open, on another connection, gets the same output as that one."""
    shell = opened(server)
    command = _listening(server, shell)
    body = f'<r:Receive><r:DesiredStream CommandId="{command}">stdout stderr</r:DesiredStream></r:Receive>'
    message = envelope(f"{RSP}/Receive", body, ShellId=shell, OperationTimeout="PT10S")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(post, server, message) for _ in range(2)]
        data = base64.b64encode(packed(ECHO, b"[1]")).decode()
        stdin = f'<r:Send><r:Stream Name="stdin" CommandId="{command}" End="true">{data}</r:Stream></r:Send>'
        assert post(server, envelope(f"{RSP}/Send", stdin, ShellId=shell)).status_code == 200
        first, second = (one.result(15).content for one in both)
    assert first == second
    assert b'Name="stdout"' in first


def test_receive_waits_for_its_operations_time(server: Wsman) -> None:
    """No output within OperationTimeout is fault TimedOut, and the command goes on."""
    shell = opened(server)
    command = _listening(server, shell)
    body = f'<r:Receive><r:DesiredStream CommandId="{command}">stdout stderr</r:DesiredStream></r:Receive>'
    waited = post(server, envelope(f"{RSP}/Receive", body, ShellId=shell, OperationTimeout="PT0.2S"))
    assert fault(waited) == (2150858793, "w:TimedOut")
    assert waited.elapsed.total_seconds() >= 0.2


def test_the_quotas_count(server: Wsman) -> None:
    """One shell more than allowed, one operation more than allowed."""
    server.faults.shells = 1
    opened(server)
    assert fault(post(server, envelope(f"{X}/Create", "<r:Shell/>"))) == (2150859173, "w:QuotaLimit")
    server.faults.operations = 0
    assert fault(post(server, envelope(f"{X}/Create", "<r:Shell/>"))) == (2150859174, "w:QuotaLimit")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic b3BzOnJpZ2h0LTk="}, {"Authorization": "Bearer x"}])
def test_no_login_on_http_without_a_seal(tmp_path: Path, headers: dict[str, str]) -> None:
    """On http neither no login, nor basic, nor another scheme is let in; basic is not even offered."""
    with listening(tmp_path, account=Account("ops", "right-9")) as server:
        answer = requests.post(server.url, data=envelope(f"{X}/Create"), headers=headers, timeout=5)
        assert answer.status_code == 401
        assert "Basic" not in answer.headers["WWW-Authenticate"]
        assert server.log == []


def _logged_in(session: requests.Session, server: Wsman, protocol: str = "ntlm", **more: object) -> spnego.ContextProxy:
    """A session whose connection is logged in by pyspnego's own client."""
    context = spnego.client(USER, PASSWORD, hostname="127.0.0.1", service="http", protocol=protocol, **more)
    scheme = "CredSSP" if protocol == "credssp" else "Negotiate"
    token = context.step()
    while token is not None:
        headers = {"Authorization": f"{scheme} {base64.b64encode(token).decode()}"}
        answer = session.post(server.url, data=b"", headers=headers, timeout=10)
        _, _, reply = answer.headers.get("WWW-Authenticate", "").partition(f"{scheme} ")
        token = context.step(base64.b64decode(reply)) if reply and not context.complete else None
        session.status = answer.status_code
    return context


@pytest.mark.parametrize("protocol", ["ntlm", "negotiate", "credssp"])
def test_sealed_messages_of_each_login(tmp_path: Path, protocol: str) -> None:
    """Sealed in, sealed out: also CredSSP, whose long messages go in pieces of 16 KB."""
    with listening(tmp_path) as server, requests.Session() as session:
        session.trust_env = False
        context = _logged_in(session, server, protocol, options=spnego.NegotiateOptions.wrapping_winrm)
        kind, body = sealed.sealed(context, envelope(f"{X}/Create", "<r:Shell>" + " " * 40_000 + "</r:Shell>"))
        answer = session.post(server.url, data=body, headers={"Content-Type": kind}, timeout=10)
        assert answer.status_code == 200
        assert b"ShellId" not in answer.content
        assert b"ShellId" in sealed.opened(context, answer.headers["Content-Type"], answer.content)


@pytest.mark.parametrize("spoil", ["plain", "tampered", "short", "other connection"])
def test_what_is_not_rightly_sealed_is_refused(tmp_path: Path, spoil: str) -> None:
    """AllowUnencrypted is false; a changed byte, a missing end or another connection's seal is no message."""
    with listening(tmp_path) as server, requests.Session() as session, requests.Session() as other:
        session.trust_env = other.trust_env = False
        context = _logged_in(session, server)
        _logged_in(other, server)
        kind, body = sealed.sealed(context, envelope(f"{X}/Create", "<r:Shell/>"))
        spoilt = {
            "plain": (session, PLAIN, envelope(f"{X}/Create", "<r:Shell/>"), 500),
            "tampered": (session, kind, body.replace(body[-40:-30], bytes(10)), 400),
            "short": (session, kind, body[:-10], 400),
            "other connection": (other, kind, body, 400),
        }
        by, kind, body, status = spoilt[spoil]
        answer = by.post(server.url, data=body, headers={"Content-Type": kind}, timeout=10)
        assert answer.status_code == status
        assert server.log == []


@pytest.mark.parametrize(
    ("hash_of", "status"), [(b"its own", 200), (b"another", 401), (b"", 401)], ids=["own", "other", "none"]
)
def test_a_login_is_bound_to_its_tls_channel(
    tmp_path: Path, certificate: Certificate, hash_of: bytes, status: int
) -> None:
    """NTLM that was meant for another server's certificate is a relayed login (RFC 5929): refused."""
    digest = hashlib.sha256(certificate.der if hash_of == b"its own" else hash_of).digest()
    binding = GssChannelBindings(application_data=b"tls-server-end-point:" + digest) if hash_of else None
    with listening(tmp_path, certificate) as server, requests.Session() as session:
        session.verify, session.trust_env = str(certificate.file), False
        _logged_in(session, server, channel_bindings=binding)
        assert session.status == status


def test_only_loopback_listens_and_only_at_its_path(server: Wsman) -> None:
    """Nothing is served to the network, and nothing beside /wsman."""
    assert server._http.server_address[0] == "127.0.0.1"
    answer = requests.post(
        server.url.replace("/wsman", "/other"), data=b"", verify=str(server.certificate.file), timeout=5
    )
    assert answer.status_code == 404


def test_a_closed_listener_is_gone(tmp_path: Path) -> None:
    """Nothing of it stays behind."""
    with listening(tmp_path) as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 2)


def test_a_program_that_is_ended_notices(tmp_path: Path) -> None:
    """Deleting the shell ends the program at its next word, its wait for input and its sleep."""
    for wait in (lambda pipes: pipes.out(b"x"), lambda pipes: pipes.stdin(), lambda pipes: pipes.sleep(30)):
        pipes = Pipes()
        pipes.stop()
        with pytest.raises(Stopped):
            wait(pipes)


def test_knobs_are_used_up(tmp_path: Path) -> None:
    """A cut happens once; what is counted starts at `arm`."""
    faults = Faults()
    faults.answer("Create")
    faults.arm(Cut(2, 5, "Receive"), stalls={1: 0.5})
    assert faults.answer("Receive") == (None, 0.5)
    assert faults.answer("Receive") == (Cut(2, 5, "Receive"), 0.0)
    assert faults.answer("Receive") == (None, 0.0)
