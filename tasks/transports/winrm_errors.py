"""WinRM's errors in words that a tired person understands: what was tried, what was seen, what to do. Opens nothing."""

from __future__ import annotations

import binascii
import contextlib
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

import requests
from spnego.exceptions import SpnegoError
from winrm.exceptions import AuthenticationError, WinRMError, WinRMTransportError, WSManFaultError

from tasks.model import HemostatError, TargetError, Unreachable, inert
from tasks.transports.winrm_http import Late, TooMuch
from tasks.transports.winrm_wire import BUSY, LARGEST, QUOTAS, NoWinrm, Wire

ACCESS_DENIED = 5
NO_SHELL = 2150858843
SPOKEN = {
    "ntlm": ("negotiate", "ntlm"),
    "kerberos": ("negotiate", "kerberos"),
    "basic": ("basic",),
    "credssp": ("credssp",),
}
_PRINTS = re.compile(r'Expected "([0-9a-f]+)", got "([0-9a-f]+)"')
_FAULTS = {
    ACCESS_DENIED: (
        "access is denied: the login is right, but it may not open a remote shell",
        "make it a member of the host's Administrators or Remote Management Users; a local account needs LocalAccountTokenFilterPolicy",
    ),
    BUSY: ("it is busy (error 170), also after waiting", "try again; if it stays so, restart its WinRM service"),
    **dict.fromkeys(
        QUOTAS,
        (
            "its quota of remote shells or operations is used up, also after waiting",
            "end other sessions of this user there, or raise MaxShellsPerUser (winrm/config/winrs)",
        ),
    ),
    NO_SHELL: (
        "its shell is gone in the middle",
        "the WinRM service was restarted or someone ended the shell; try again",
    ),
}
# requests-ntlm: a header or token that it needs is not there or none, or it says PermissionError; xml: no envelope.
_NO_LOGIN = (KeyError, PermissionError, binascii.Error, struct.error, SpnegoError)
_STRANGE = (NoWinrm, ParseError, StopIteration, requests.TooManyRedirects, *_NO_LOGIN)


@dataclass(frozen=True, slots=True)
class Met:
    """What went wrong, on which session, at what."""

    error: Exception
    wire: Wire
    tried: str


@contextlib.contextmanager
def explained(wire: Wire, tried: str) -> Iterator[None]:
    """Turn whatever pywinrm, requests and the login's library raise into one of the house's errors.

    Args:
        wire: whose last response tells more than the exception does.
        tried: what was tried, as `run a script on web-1`.
    """
    try:
        yield
    except HemostatError:
        raise
    except Exception as error:  # noqa: BLE001 - gssapi's and credssp's own classes exist only with their packages
        raise _told(Met(error, wire, tried)) from None


def _told(met: Met) -> HemostatError:
    explain = next((how for kinds, how in _HOW if isinstance(met.error, kinds)), _other)
    return explain(met)


def _late(met: Met) -> HemostatError:
    return TargetError(met.tried, "it did not end in the time given", "look at the host's load, or give it more time")


def _too_much(met: Met) -> HemostatError:
    seen = f"it sent an answer of more than {LARGEST} bytes, which WinRM never does"
    return TargetError(met.tried, seen, "look at what answers there: it may not be the host's own WinRM")


def _strange(met: Met) -> HemostatError:
    response = met.wire.seen
    kind = response.headers.get("Content-Type", "") if response is not None else ""
    seen = (
        f"status {response.status_code}, {inert(kind, 60) or 'no content type'}"
        if response is not None
        else "no answer"
    )
    return Unreachable(
        met.tried,
        f"what answers at {met.wire.transport.endpoint} is not WinRM ({seen})",
        "check hostname and port: 5985 is http, 5986 https; a proxy or another web server may stand there",
    )


def _login(met: Met) -> HemostatError:
    offers = met.wire.seen.headers.get("WWW-Authenticate", "") if met.wire.seen is not None else ""
    auth = met.wire.host.winrm.auth
    if offers and auth in SPOKEN and not any(word in offers.lower() for word in SPOKEN[auth]):
        return Unreachable(
            met.tried,
            f"it does not take the login {auth}: it offers {inert(offers, 100)}",
            f"set winrm.auth of {met.wire.host.name} to one of these, or allow {auth} on the host (winrm/config/service/auth)",
        )
    return _refused(met, "status 401")


def _refused(met: Met, how: str) -> HemostatError:
    host = met.wire.host
    return Unreachable(
        met.tried, f"the login was refused ({host.winrm.auth}, {how})", f"check username and password of {host.name}"
    )


def _fault(met: Met) -> HemostatError:
    assert isinstance(met.error, WSManFaultError)
    code = met.error.wsman_fault_code or met.error.wmierror_code or 0
    if code in _FAULTS:
        kind = Unreachable if code == NO_SHELL else TargetError
        return kind(met.tried, *_FAULTS[code])
    return TargetError(
        met.tried, f"WinRM fault {code}: {inert(met.error.reason, 200)}", "look at the host's WinRM event log"
    )


def _status(met: Met) -> HemostatError:
    assert isinstance(met.error, WinRMTransportError)
    if met.error.code in (404, 405, 301, 302, 307, 308):
        return _strange(met)
    if met.error.code == 500 and not met.error.response_text:
        return Unreachable(
            met.tried,
            "it takes no message as it came: status 500 without an answer",
            "it may want sealed messages (AllowUnencrypted is false): use auth ntlm, kerberos or credssp, or tls",
        )
    return Unreachable(met.tried, f"it answered with status {met.error.code}", "look at the host's WinRM service")


def _tls(met: Met) -> HemostatError:
    text = str(met.error)
    if prints := _PRINTS.search(text):
        return Unreachable(
            met.tried,
            f"its certificate is not the pinned one: SHA-256 {prints[2]} came, {prints[1]} is pinned",
            "if the host was rebuilt or its certificate renewed, pin the new one; if not, someone stands between",
        )
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = re.search(r"certificate verify failed: (.*?)(?: \(_ssl|\"|$)", text)
        return Unreachable(
            met.tried,
            f"its certificate is not trusted: {inert(why[1] if why else 'it cannot be verified', 120)}",
            f"pin it (hemostat check --learn {met.wire.host.name}), or name its authority in winrm.ca",
        )
    return Unreachable(
        met.tried,
        f"TLS failed: {inert(text, 160)}",
        "is that port https? 5985 is http; set winrm.tls to what the host has",
    )


def _silent(met: Met) -> HemostatError:
    return Unreachable(
        met.tried,
        f"{met.wire.host.hostname} did not answer in time",
        "is it up, is WinRM on, does a firewall stand between? If it answered before, it may hang",
    )


def _network(met: Met) -> HemostatError:
    if met.wire.seen is not None:
        return Unreachable(
            met.tried,
            f"the connection to {met.wire.host.hostname} broke again and again",
            "look at the network, then try again",
        )
    reason = re.search(r"(?:Errno -?\d+\] |Failed to resolve )([^'\")]+)", str(met.error))
    return Unreachable(
        met.tried,
        f"{met.wire.transport.endpoint} does not answer: {inert(reason[1] if reason else type(met.error).__name__, 120).strip()}",
        "is it up, is the address right, is WinRM on (winrm quickconfig), does a firewall stand between?",
    )


def _other(met: Met) -> HemostatError:
    """Kerberos and CredSSP say what they mean in English only, in classes that exist only with their packages."""
    text = inert(met.error, 300)
    if denied := next((code for code in DENIED if code in text.lower()), ""):
        return _refused(met, denied)
    kinit = f"run `kinit {inert(met.wire.host.username, 60) or 'USER@REALM'}` first: a password in the inventory gets no ticket"
    spn = "use the host's DNS name, as its service principal HTTP/NAME has it, not its address"
    kdc = "is a domain controller up and reachable from here? Look at krb5.conf"
    hints = {  # MIT Kerberos' own words, krb5_err.et and gssapi_err_generic.et
        "clock skew": "set both clocks: Kerberos allows five minutes",
        "not found in kerberos database": spn,
        "cannot contact any kdc": kdc,
        "cannot find kdc": kdc,
        "expired": kinit,
        "no credentials were supplied": kinit,
        "no kerberos credentials": kinit,
    }
    do = next((do for sign, do in hints.items() if sign in text.lower()), "look at the host's WinRM event log")
    return Unreachable(met.tried, f"{type(met.error).__name__}: {text}", do)


# SEC_E_LOGON_DENIED and STATUS_LOGON_FAILURE: [MS-ERREF] 2.1.1 and 2.3.1. CredSSP tells them in its own frame, with no 401.
DENIED = ("0x8009030c", "0xc000006d")

Explain = Callable[[Met], HemostatError]
_HOW: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Explain], ...] = (
    (Late, _late),
    (TooMuch, _too_much),
    (AuthenticationError, _login),
    (WSManFaultError, _fault),
    (WinRMTransportError, _status),
    (requests.exceptions.SSLError, _tls),
    (requests.Timeout, _silent),
    (_STRANGE, _strange),
    ((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), _network),
    (WinRMError, _other),
)
