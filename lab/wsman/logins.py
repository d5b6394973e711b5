"""Who may come in to the WS-Management laboratory, and by which proof: one connection's login. Knows no shell and no envelope.

NTLM, Negotiate and CredSSP are pyspnego's acceptors (MS-NLMP, RFC 4559, MS-CSSP); basic is RFC 7617, a client certificate is mapped to
the account as `winrm/config/service/certmapping` does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from lab.wsman.faults import Faults

MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
# pyspnego reads the accounts from a file that the environment names, so for the whole process: one server at a time looks.
_ENVIRONMENT = threading.Lock()


class Refused(Exception):
    """401: with this token for the next leg, if there is one."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        super().__init__()


@dataclass(frozen=True)
class Account:
    """The only account. `certificate` is the DER of the client certificate that is mapped to it."""

    user: str
    password: str
    certificate: bytes = b""

    def __post_init__(self) -> None:
        if set(":\r\n") & set(self.user + self.password):
            raise ValueError("the account file has colons between its fields: neither name nor password may hold one")

    @classmethod
    def fresh(cls, user: str, certificate: bytes = b"") -> Account:
        """An account with a random password, as a laboratory should have."""
        return cls(user, secrets.token_urlsafe(18), certificate)

    @property
    def names(self) -> Iterator[tuple[str, str]]:
        """Every (domain, user) that it may be called by."""
        domain, _, user = self.user.rpartition("\\")
        yield domain, user
        if not domain:
            yield ".", user


@contextmanager
def known(account: Account) -> Iterator[None]:
    """pyspnego's account file holds this one, for one `with` block."""
    with _ENVIRONMENT, tempfile.TemporaryDirectory(prefix="lab-wsman-") as folder:
        file = Path(folder) / "accounts"
        file.write_text("".join(f"{d}:{u}:{account.password}\n" for d, u in account.names), encoding="utf-8")
        before = os.environ.get("NTLM_USER_FILE")
        os.environ["NTLM_USER_FILE"] = str(file)
        try:
            yield
        finally:
            os.environ.pop("NTLM_USER_FILE")
            if before is not None:
                os.environ["NTLM_USER_FILE"] = before


class Login:
    """One TCP connection's login.

    Args:
        account: who may come in.
        faults: which logins are offered.
        certificate: the server's, DER; empty on plain http.
        client: the client's certificate, DER, as TLS proved it; empty without one.
    """

    def __init__(self, account: Account, faults: Faults, certificate: bytes, client: bytes) -> None:
        self.account, self.faults = account, faults
        self.tls, self.client = bool(certificate), client
        data = b"tls-server-end-point:" + hashlib.sha256(certificate).digest()
        self.binding = GssChannelBindings(application_data=data) if certificate else None
        self.context: spnego.ContextProxy | None = None

    @property
    def offers(self) -> list[str]:
        """The WWW-Authenticate headers of a 401."""
        if self.faults.offer:
            return [self.faults.offer]
        return ["Negotiate", "CredSSP", *(['Basic realm="WSMAN"'] if self.tls else [])]

    @property
    def seals(self) -> spnego.ContextProxy | None:
        """The context that messages are sealed with; None for a login that has none."""
        return self.context if self.context and self.context.complete else None

    def admit(self, header: str) -> tuple[str, str]:
        """The account's name for a request with this Authorization header, and a last token for the client, if any.

        Raises:
            Refused: not yet, or not at all.
        """
        scheme, _, proof = header.partition(" ")
        if self.faults.offer and header and scheme.lower() != self.faults.offer.lower():
            raise Refused
        if header == MUTUAL:
            return self._mutual(), ""
        if scheme.lower() == "basic":
            return self._basic(proof), ""
        if scheme.lower() in ("negotiate", "ntlm", "credssp") and proof:
            return self.account.user, self._step(scheme, proof)
        if header or self.seals is None:
            raise Refused
        return self.account.user, ""

    def _mutual(self) -> str:
        if not self.client or not hmac.compare_digest(self.client, self.account.certificate):
            raise Refused
        return self.account.user

    def _basic(self, proof: str) -> str:
        given = _decoded(proof)
        wanted = f"{self.account.user}:{self.account.password}".encode()
        if not self.tls or not hmac.compare_digest(given, wanted):
            raise Refused
        return self.account.user

    def _step(self, scheme: str, proof: str) -> str:
        """One leg. A first NTLM message on a connection that is logged in already starts anew."""
        token = _decoded(proof)
        with known(self.account):
            if self.context is None or self.context.complete or _first(token):
                self.context = self._begin(scheme, token)
            try:
                answer = self.context.step(token)
            except (SpnegoError, ValueError):
                self.context = None
                raise Refused from None
        reply = f"{scheme} {base64.b64encode(answer).decode()}" if answer else ""
        if not self.context.complete:
            raise Refused(reply)
        return reply

    def _begin(self, scheme: str, token: bytes) -> spnego.ContextProxy:
        if scheme.lower() == "credssp":
            return spnego.server(protocol="credssp", options=spnego.NegotiateOptions.wrapping_winrm)
        protocol = "ntlm" if token.startswith(b"NTLMSSP\0") else "negotiate"
        return spnego.server(protocol=protocol, channel_bindings=self.binding)


def _first(token: bytes) -> bool:
    return token.startswith(b"NTLMSSP\0\x01")


def _decoded(proof: str) -> bytes:
    try:
        return base64.b64decode(proof, validate=True)
    except binascii.Error:
        raise Refused from None
