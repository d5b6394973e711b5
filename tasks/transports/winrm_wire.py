"""One WinRM session: pywinrm's Protocol with pins, own deadlines and recovery of a dropped connection. Knows no script and no file.

pywinrm 0.5's own ways are not kept where they lose (its transport.py and protocol.py): the environment's proxies, a fixed small envelope,
endless polling, a sealed connection that is not opened anew, a session that a failed login leaves behind unsealed. A message that is sent
again keeps its MessageID, so that the host answers with what it answered before (pypsrp's Receive relies on it too).
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import ProtocolError
from winrm.exceptions import WinRMTransportError, WSManFaultError
from winrm.protocol import Protocol
from winrm.transport import HAVE_CREDSSP, HAVE_KERBEROS, Transport

from tasks.model import ConfigError, inert
from tasks.settings import Host
from tasks.transports.winrm_http import Bounded, Late, TooMuch

Resolve = Callable[[str], str]
T = TypeVar("T")
# 500 KB is Windows' own default since 2012; pywinrm asks for 150 KB, which takes three times as many requests.
ENVELOPE = "512000"
# Far more than such an envelope, sealed.
LARGEST = 8 << 20
OPERATION = 20
PAUSES = (0.1, 0.5, 2.0)
BUSY = 170
QUOTAS = (2150859173, 2150859174)
GONE = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class NoWinrm(Exception):
    """What answered does not speak WS-Management."""


class Line(Transport):
    """pywinrm's transport, with a word before the first request of each new session, sealed or not.

    A session whose login failed is dropped: pywinrm would keep it, and send the next message over it in the clear.
    """

    def __init__(self, prepare: Callable[[requests.Session], None], *args: Any, **more: Any) -> None:
        self._prepare = prepare
        super().__init__(*args, **more)

    def build_session(self) -> requests.Session:
        fresh = self.session is None
        try:
            session = super().build_session()
        except BaseException:
            self.forget()
            raise
        if fresh and self.encryption is None:
            self._prepare(session)
        return session

    def forget(self) -> None:
        """Close the session and drop its seal."""
        self.close_session()
        self.encryption = None

    def setup_encryption(self, session: requests.Session) -> None:
        self._prepare(session)
        super().setup_encryption(session)
        if getattr(session.auth, "session_security", True) is None:
            raise NoWinrm


class Wire(Protocol):
    """One session with one host, for one thread.

    `until` is the monotonic time at which the present call must be over. `seen` is the last HTTP response, for explanations.
    """

    busy_pause = 5.0
    operation = OPERATION

    def __init__(self, host: Host, secret: Resolve) -> None:
        self.host = host
        self.until = time.monotonic() + host.timeout
        self.seen: requests.Response | None = None
        self.skew: float | None = None
        self._worked = False
        auth = _auth(host)
        login: dict[str, Any] = {
            "username": host.username or None,
            "password": secret(host.password) if host.password else None,
            "cert_pem": _file(host.winrm.client_certificate),
            "cert_key_pem": _file(host.winrm.client_key),
            "ca_trust_path": None,  # not the environment's; `_prepare` says which
            "message_encryption": "auto" if host.winrm.tls else "always",
        }
        super().__init__(address(host), transport=auth, **login)
        self.transport: Line = Line(self._prepare, address(host), auth_method=auth, proxy=None, service="HTTP", **login)

    def build_wsman_header(self, *args: Any, **more: Any) -> dict[str, Any]:
        """pywinrm's header with a larger envelope and this call's own time-out."""
        self.operation_timeout_sec = max(1, min(self.operation, int(self.left())))
        header = super().build_wsman_header(*args, **more)
        header["env:Header"]["w:MaxEnvelopeSize"]["#text"] = ENVELOPE
        return header

    def left(self) -> float:
        """Seconds until this call must be over."""
        return self.until - time.monotonic()

    def send_message(self, message: str) -> bytes:
        """One message, sent again as it is when the connection broke in a session that had worked.

        Raises:
            Late: the deadline passed.
            NoWinrm: something else answered.
        """
        for pause in (*PAUSES, None):
            if self.left() <= 0:
                raise Late
            try:
                return self._once(message)
            except (*GONE, WinRMTransportError) as error:
                sealed = self.transport.encryption is not None
                self.reset()
                if pause is None or not self._worth(error, sealed):
                    raise
            except (Late, TooMuch):
                self.reset()
                raise
            time.sleep(min(pause, max(0.0, self.left())))
        raise Late

    def _once(self, message: str) -> bytes:
        self.transport.read_timeout_sec = (self.host.timeout, self.operation_timeout_sec + self.host.timeout)  # type: ignore[assignment]
        try:
            answer = super().send_message(message)
        except KeyError:  # pywinrm looks for a header that is not there
            if self._headless():
                raise requests.ConnectionError("the answer ended in its head") from None
            raise
        if b"Envelope" in answer[:4096]:
            self._worked = True
            return answer
        raise requests.ConnectionError("the answer ended in its head") if self._headless() else NoWinrm

    def _headless(self) -> bool:
        """Was the last answer cut in its head? Python's http.client takes such a one for whole, with fewer headers and no body."""
        return self._worked and self.seen is not None and not self.seen.headers.get("Content-Length")

    def _worth(self, error: Exception, sealed: bool) -> bool:
        """A host that never answered is told at once; so is a certificate that is not the right one."""
        if isinstance(error, WinRMTransportError):
            return sealed and error.code == 400
        if isinstance(error, requests.exceptions.SSLError):
            return False
        return self.seen is not None or any(isinstance(why, ProtocolError) for why in error.args)

    def _prepare(self, session: requests.Session) -> None:
        """What pywinrm leaves to the environment, set before a new session's first request."""
        session.trust_env = False
        session.max_redirects = 0
        session.hooks["response"] = [self._look]
        pin = self.host.winrm.certificate_sha256.replace(":", "")
        session.mount("http://", Bounded(self._check, self._spare))
        session.mount("https://", Bounded(self._check, self._spare, pin))
        session.verify = not pin and (_file(self.host.winrm.ca) or _authorities())
        if self.host.winrm.auth == "basic":
            session.auth = HTTPBasicAuth((self.username or "").encode(), (self.password or "").encode())

    def _check(self, size: int) -> None:
        if size > LARGEST:
            raise TooMuch
        if self._spare() < 0:
            raise Late

    def _spare(self) -> float:
        """An answer to what was asked in time may come a little later."""
        return self.left() + self.host.timeout

    def _look(self, response: requests.Response, **_: object) -> None:
        self.seen = response
        with contextlib.suppress(ValueError, TypeError):  # a Date that is none, or is not there
            self.skew = parsedate_to_datetime(response.headers.get("Date", "")).timestamp() - time.time()

    def reset(self) -> None:
        """Forget the connection and its seal; the next message opens a new one."""
        self.transport.forget()

    def patiently(self, call: Callable[[], T]) -> T:
        """Ask again, twice, when the host says that it is busy or that a quota is used up. Each time a new message."""
        for _ in range(2):
            try:
                return call()
            except WSManFaultError as fault:
                if fault.wsman_fault_code not in (BUSY, *QUOTAS) or self.left() < self.busy_pause:
                    raise
            time.sleep(self.busy_pause)
        return call()


def address(host: Host) -> str:
    """The full URL: pywinrm guesses wrongly from less (port, IPv6)."""
    name = f"[{host.hostname}]" if ":" in host.hostname else host.hostname
    tls = host.winrm.tls
    return f"{'https' if tls else 'http'}://{name}:{host.port or (5986 if tls else 5985)}/wsman"


def _auth(host: Host) -> Any:
    """The login's name for pywinrm, once it is sure that it can and may be used.

    Raises:
        ConfigError: it would send the password or the commands in the clear, or an extra package is missing.
    """
    auth, tls = host.winrm.auth, host.winrm.tls
    if auth in ("basic", "certificate") and not tls:
        raise ConfigError(
            f"{host.name} has winrm auth {auth} without tls",
            "everything would go over the wire in the clear",
            "set tls: true, or auth: ntlm, which seals each message",
        )
    extra = {"kerberos": HAVE_KERBEROS, "credssp": HAVE_CREDSSP}
    if not extra.get(auth, True):
        raise ConfigError(f"{host.name} has winrm auth {auth}", "its package is missing", f"install hemostat[{auth}]")
    if auth in ("ntlm", "basic", "credssp") and not (host.username and host.password):
        raise ConfigError(
            f"{host.name} has winrm auth {auth}", "username or password is missing", "add both to the inventory"
        )
    _look_for_files(host)
    return auth


def _look_for_files(host: Host) -> None:
    """ConfigError for a PEM file that is named and not there, or needed and not named."""
    way = host.winrm
    named = {"ca": way.ca, "client_certificate": way.client_certificate, "client_key": way.client_key}
    for key, path in named.items():
        if path and not Path(path).expanduser().is_file():
            raise ConfigError(f"winrm.{key} of {host.name}", f"there is no file {inert(path)}", "correct the inventory")
        if way.auth == "certificate" and not path and key != "ca":
            raise ConfigError(f"{host.name} has winrm auth certificate", f"winrm.{key} is missing", "name the PEM file")


def _file(path: str) -> str | None:
    return str(Path(path).expanduser()) if path else None


def _authorities() -> str | bool:
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True
