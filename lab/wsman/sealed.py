"""Sealed messages (MS-WSMV 2.2.9.1): the MIME shape around a security context's ciphertext. Knows no login and no shell."""

from __future__ import annotations

import re
import struct

import spnego
from spnego.exceptions import SpnegoError

BOUNDARY = b"--Encrypted Boundary"
SPNEGO = "application/HTTP-SPNEGO-session-encrypted"
CREDSSP = "application/HTTP-CredSSP-session-encrypted"
OCTETS = b"\tContent-Type: application/octet-stream\r\n"
CHUNK = 16384


class NotSealed(Exception):
    """What came is not sealed, or not by this context."""


def opened(context: spnego.ContextProxy, kind: str, body: bytes) -> bytes:
    """The message in a sealed body.

    Args:
        context: the connection's security context.
        kind: the request's Content-Type.
        body: as it came.

    Raises:
        NotSealed: the shape, a length or a signature is wrong.
    """
    if not kind.startswith(("multipart/encrypted", "multipart/x-multi-encrypted")) or "Encrypted Boundary" not in kind:
        raise NotSealed("the content type is not that of a sealed message")
    body, ended, rest = body.rpartition(BOUNDARY + b"--\r\n")
    parts = body.split(BOUNDARY + b"\r\n")[1:]
    if not ended or rest or not parts or len(parts) % 2:
        raise NotSealed("the parts are not complete")
    return b"".join(_one(context, head, data) for head, data in zip(parts[::2], parts[1::2], strict=True))


def _one(context: spnego.ContextProxy, head: bytes, data: bytes) -> bytes:
    length = re.search(rb"Length=(\d+)\r\n$", head)
    if not length or not data.startswith(OCTETS) or len(data) < len(OCTETS) + 4:
        raise NotSealed("a part's header is wrong")
    data = data.removeprefix(OCTETS)
    (size,) = struct.unpack_from("<i", data)
    if not 0 <= size <= len(data) - 4:
        raise NotSealed("the signature is longer than the message")
    try:
        plain = context.unwrap_winrm(data[4 : 4 + size], data[4 + size :])
    except (SpnegoError, ValueError) as error:
        raise NotSealed(str(error)) from None
    if len(plain) != int(length[1]):
        raise NotSealed("the length is not the one that was told")
    return plain


def sealed(context: spnego.ContextProxy, message: bytes) -> tuple[str, bytes]:
    """A message as (Content-Type, body). CredSSP seals in pieces of 16 KB."""
    credssp = context.negotiated_protocol == "credssp" or context.protocol == "credssp"
    protocol, kind, pieces = SPNEGO, "multipart/encrypted", [message]
    if credssp:
        protocol = CREDSSP
        pieces = [message[at : at + CHUNK] for at in range(0, len(message), CHUNK)]
        kind = "multipart/x-multi-encrypted" if len(pieces) > 1 else kind
    body = b"".join(_part(context, protocol, piece) for piece in pieces) + BOUNDARY + b"--\r\n"
    return f'{kind};protocol="{protocol}";boundary="Encrypted Boundary"', body


def _part(context: spnego.ContextProxy, protocol: str, piece: bytes) -> bytes:
    wrapped = context.wrap_winrm(piece)
    length = len(piece) + wrapped.padding_length
    told = (
        f"\tContent-Type: {protocol}\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n"
    )
    size = struct.pack("<i", len(wrapped.header))
    return b"".join((BOUNDARY, b"\r\n", told.encode(), BOUNDARY, b"\r\n", OCTETS, size, wrapped.header, wrapped.data))
