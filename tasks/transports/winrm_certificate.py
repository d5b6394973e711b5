"""What certificate a host shows, before it is trusted: for a person to compare and to pin. Logs in nowhere."""

from __future__ import annotations

import hashlib
import socket
import ssl

from cryptography import x509

from tasks.model import ConfigError, TargetError, Unreachable, inert
from tasks.settings import Host


def fingerprint(host: Host) -> tuple[str, str]:
    """The SHA-256 of the certificate that a winrm host shows now, and in words whose it says it is and until when.

    It is not verified: compare it with the host's own (`Get-ChildItem Cert:\\LocalMachine\\My`) before you pin it.

    Raises:
        ConfigError: the host has no TLS.
        Unreachable: nothing answers, or not with TLS.
    """
    if host.transport != "winrm" or not host.winrm.tls:
        raise ConfigError(f"{host.name} shows no certificate", "it is not of transport winrm with tls: true")
    where = (host.hostname, host.port or 5986)
    tried = f"ask {host.name} for its certificate at {where[0]} port {where[1]}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(where, host.timeout) as plain, context.wrap_socket(plain) as wrapped:
            shown = wrapped.getpeercert(binary_form=True) or b""
    except ssl.SSLError:
        raise Unreachable(tried, "what answers there does not speak TLS", "5985 is http, 5986 https") from None
    except OSError as error:
        seen = error.strerror or str(error) or type(error).__name__
        raise Unreachable(tried, seen, "is it up, is WinRM's https listener on?") from None
    return hashlib.sha256(shown).hexdigest(), _words(shown, tried)


def _words(shown: bytes, tried: str) -> str:
    try:
        certificate = x509.load_der_x509_certificate(shown)
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    except ValueError:
        raise TargetError(tried, "its certificate cannot be read", "look at it with openssl s_client") from None
    by = "itself" if certificate.subject == certificate.issuer else inert(issuer, 120)
    return f"{inert(subject, 120)}, signed by {by}, until {certificate.not_valid_after_utc:%Y-%m-%d}"
