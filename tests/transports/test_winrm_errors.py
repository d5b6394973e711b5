"""What WinRM's errors become for a tired person, where no laboratory can make them: Kerberos above all."""

from __future__ import annotations

import pytest
import requests
from winrm.exceptions import WinRMTransportError, WSManFaultError

from tasks.model import HemostatError, TargetError, Unreachable
from tasks.settings import Host
from tasks.transports.winrm_errors import explained
from tasks.transports.winrm_wire import Wire
from tasks.ways import Winrm

HOST = Host("win-1", "win-1.example", "windows", "winrm", username="ops", password="env:X", winrm=Winrm())


def told(error: Exception) -> HemostatError:
    """What a caller gets for it."""
    with pytest.raises(HemostatError) as caught, explained(Wire(HOST, lambda _: "secret-9"), "run a script on win-1"):
        raise error
    assert "secret-9" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (RuntimeError("GSSError: ... (Clock skew too great)"), Unreachable, "set both clocks"),
        (RuntimeError("GSSError: No Kerberos credentials available"), Unreachable, "run `kinit"),
        (RuntimeError("GSSError: Server not found in Kerberos database"), Unreachable, "DNS name"),
        (WinRMTransportError("http", 500, ""), Unreachable, "AllowUnencrypted"),
        (WinRMTransportError("http", 404, ""), Unreachable, "is not WinRM"),
        (WinRMTransportError("http", 503, "x"), Unreachable, "status 503"),
        (requests.TooManyRedirects(), Unreachable, "is not WinRM"),
        (requests.ConnectTimeout(), Unreachable, "did not answer in time"),
        (KeyError("www-authenticate"), Unreachable, "is not WinRM"),
        (StopIteration(), Unreachable, "is not WinRM"),
        (WSManFaultError(500, "", "", "The\x1b[31m reason", wsman_fault_code=87), TargetError, r"fault 87: The\\x1b"),
        (WSManFaultError(500, "", "", "", wsman_fault_code=2150859174), TargetError, "quota"),
        (WSManFaultError(500, "", "", "", wsman_fault_code=2150858843), Unreachable, "shell is gone"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_in_plain_words(error: Exception, kind: type[HemostatError], says: str) -> None:
    """What was tried, what was seen, what to do; the host's own text is harmless."""
    found = told(error)
    assert type(found) is kind
    assert found.tried == "run a script on win-1"
    assert found.do
    with pytest.raises(HemostatError, match=says):
        raise found


def test_the_houses_own_errors_pass_as_they_are() -> None:
    """What is explained already is not explained again."""
    own = TargetError("a", "b", "c")
    assert told(own) is own
