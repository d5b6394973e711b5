"""WS-Management's envelopes (DSP0226, MS-WSMV): reading requests strictly, writing answers and faults. Knows no shell and no HTTP."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

S = "http://www.w3.org/2003/05/soap-envelope"
A = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
W = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
P = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
X = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
RSP = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
CMD = f"{RSP}/cmd"
CONFIG = "http://schemas.microsoft.com/wbem/wsman/1/config"
ACTIONS = {f"{X}/{name}": name for name in ("Create", "Delete", "Get")} | {
    f"{RSP}/{name}": name for name in ("Command", "Send", "Receive", "Signal")
}
UNDERSTOOD = {f"{{{A}}}{name}" for name in ("To", "ReplyTo", "MessageID", "Action")} | {
    f"{{{W}}}{name}"
    for name in ("MaxEnvelopeSize", "OperationTimeout", "ResourceURI", "SelectorSet", "OptionSet", "Locale")
}
DURATION = re.compile(r"P(?:\d+D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")


class Fault(Exception):
    """One WS-Management fault. `code` is Windows' own number (wsmerror.h), `subcode` the protocol's name for it."""

    def __init__(self, code: int, subcode: str, reason: str, sender: bool = True) -> None:
        self.code, self.subcode, self.reason, self.sender = code, subcode, reason, sender
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as far as a shell needs it. `timeout` is in seconds, `envelope` in bytes."""

    action: str
    resource: str
    id: str
    selectors: dict[str, str]
    options: dict[str, str]
    timeout: float
    envelope: int
    body: ElementTree.Element

    @property
    def first(self) -> ElementTree.Element:
        """The body's only element; a fault when it has none."""
        for element in self.body:
            return element
        raise Fault(2150858791, "w:SchemaValidationError", "The SOAP body is empty.")


def read(data: bytes) -> Request:
    """Read an envelope.

    Raises:
        Fault: it is no envelope, a header is missing, unknown and to be understood, or names an action that there is not.
    """
    header, body = _parts(data)
    for element in header:
        if element.get(f"{{{S}}}mustUnderstand") in ("true", "1") and element.tag not in UNDERSTOOD:
            raise Fault(2150858768, "s:MustUnderstand", f"The header {element.tag} was not understood.")
    action = ACTIONS.get(_text(header, A, "Action"))
    if action is None:
        raise Fault(2150858753, "a:ActionNotSupported", "The WS-Addressing action URI is not valid.")
    if not _text(header, A, "To"):
        raise Fault(2150858769, "a:MessageInformationHeaderRequired", "The header To is missing.")
    return Request(
        action,
        _text(header, W, "ResourceURI"),
        _message_id(header),
        _named(header, "SelectorSet", "Selector"),
        _named(header, "OptionSet", "Option"),
        _seconds(_text(header, W, "OperationTimeout")),
        _envelope_size(_text(header, W, "MaxEnvelopeSize")),
        body,
    )


def _parts(data: bytes) -> tuple[ElementTree.Element, ElementTree.Element]:
    try:
        if b"<!DOCTYPE" in data:
            raise ElementTree.ParseError("a document type")
        root = ElementTree.fromstring(data)  # noqa: S314 - no document type, so no entities
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # also an encoding that Python does not know
        raise Fault(2150858819, "w:SchemaValidationError", f"The XML is not valid: {error}.") from None
    header, body = root.find(f"{{{S}}}Header"), root.find(f"{{{S}}}Body")
    if header is None or body is None:
        raise Fault(2150858819, "w:SchemaValidationError", "This is no SOAP 1.2 envelope.")
    return header, body


def _message_id(header: ElementTree.Element) -> str:
    text = _text(header, A, "MessageID")
    if not re.fullmatch(r"uuid:[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text):
        raise Fault(2150858769, "a:MessageInformationHeaderRequired", "The header MessageID is missing or no UUID.")
    return text


def _text(header: ElementTree.Element, space: str, name: str) -> str:
    return (header.findtext(f"{{{space}}}{name}") or "").strip()


def _named(header: ElementTree.Element, group: str, one: str) -> dict[str, str]:
    found = header.findall(f"{{{W}}}{group}/{{{W}}}{one}")
    return {element.get("Name", ""): (element.text or "").strip() for element in found}


def _envelope_size(text: str) -> int:
    """DSP0226: fewer than 8192 octets may be refused, and are."""
    if not re.fullmatch(r"[0-9]{0,9}", text) or int(text or 153600) < 8192:
        raise Fault(2150858878, "w:EncodingLimit", "The header MaxEnvelopeSize is too small or no number.")
    return int(text or 153600)


def _seconds(text: str) -> float:
    found = DURATION.fullmatch(text or "PT60S")
    if not found:
        raise Fault(2150858881, "w:InvalidTimeout", "The header OperationTimeout is no duration.")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def answer(request: Request, body: str) -> bytes:
    """The envelope of an answer."""
    response = next(uri for uri, name in ACTIONS.items() if name == request.action) + "Response"
    return _envelope(response, request.id, body)


def fault(found: Fault, relates: str) -> bytes:
    """The envelope of a fault, with Windows' own detail."""
    who = "s:Sender" if found.sender else "s:Receiver"
    body = (
        f"<s:Fault><s:Code><s:Value>{who}</s:Value><s:Subcode><s:Value>{found.subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{escape(found.reason)}</s:Text></s:Reason>'
        f'<s:Detail><f:WSManFault xmlns:f="{FAULT}" Code="{found.code}" Machine="LAB-WIN">'
        f"<f:Message>{escape(found.reason)}</f:Message></f:WSManFault></s:Detail></s:Fault>"
    )
    return _envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", relates, body)


def _envelope(action: str, relates: str, body: str) -> bytes:
    return (
        f'<s:Envelope xml:lang="en-US" xmlns:s="{S}" xmlns:a="{A}" xmlns:x="{X}" xmlns:w="{W}" xmlns:rsp="{RSP}" xmlns:p="{P}">'
        f"<s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:To>{A}/role/anonymous</a:To><a:RelatesTo>{escape(relates)}</a:RelatesTo></s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def selector(shell: str) -> str:
    """The end of a Create's answer: how the shell is named from now on."""
    return (
        f"<x:ResourceCreated><a:Address>http://127.0.0.1/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>{CMD}</w:ResourceURI>"
        f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>'
    )


def stream(name: str, command: str, data: str, end: bool = False) -> str:
    """One stream of a Receive's answer; `data` is base64."""
    last = ' End="true"' if end else ""
    return f"<rsp:Stream Name={quoteattr(name)} CommandId={quoteattr(command)}{last}>{data}</rsp:Stream>"
