"""What a number or a text in the owner's files may be, said beside its type. Knows the standard library only.

tasks.shapes reads these from the annotations of tasks.settings; pydantic passes over them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class Range:
    """What a number may be, both ends allowed. `str` says it to a person."""

    low: float
    high: float

    def allows(self, value: object) -> bool:
        """False only for a number outside; another type is another rule's matter."""
        return not isinstance(value, (int, float)) or self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a text may be: `regex` must match all of it. `hidden`: the text may be a secret and is never shown."""

    regex: str
    wanted: str
    hidden: bool = False

    def allows(self, value: object) -> bool:
        """False only for a text that does not match; another type is another rule's matter."""
        return not isinstance(value, str) or re.fullmatch(self.regex, value) is not None

    def __str__(self) -> str:
        return self.wanted


Port = Annotated[int, Range(1, 65535)]
Percent = Annotated[int, Range(0, 100)]
Count = Annotated[int, Range(1, 100)]
Seconds = Annotated[float, Range(0, 86400)]
Mebibytes = Annotated[int, Range(1, 1_048_576)]
# Names reach folders, command lines and pages, so they are plain from the start.
Name = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name of letters, digits, . _ - (at most 63)")]
HostName = Annotated[str, Pattern(r"[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}", "an address or a DNS name")]
ListName = Annotated[str, Pattern(r"[A-Za-z][A-Za-z0-9_-]{0,30}", "a letter, then letters, digits, _ - (at most 31)")]
UserName = Annotated[str, Pattern(r"|[^\s:-][^\x00-\x1f:]{0,103}", "a user's name without controls or colons")]
FilePath = Annotated[str, Pattern(r"(/|[A-Za-z]:\\)[^\x00-\x1f]*", "an absolute path")]
REFERENCE = r"env:[A-Za-z_][A-Za-z0-9_]*|keyring:[^/\s]+/\S+|file:/[^\x00-\x1f]+|prefect:[a-z0-9][a-z0-9-]*"
Reference = Annotated[
    str,
    Pattern(
        rf"|{REFERENCE}",
        "a reference (env:NAME, keyring:SERVICE/USER, file:/PATH or prefect:BLOCK), never the secret itself",
        hidden=True,
    ),
]
SamplesPassword = Annotated[str, Pattern(r"[!-~]{1,64}", "1 to 64 ASCII letters, digits or marks")]
KeyFile = Annotated[
    str, Pattern(r"|[~/][^\x00-\x1f]*", "the path of a private key file (/… or ~/…), never the key itself", hidden=True)
]
HostNames = tuple[Name, ...]
# Upper or lower case, with or without colons, as `openssl x509 -fingerprint -sha256` and browsers print it.
CertificatePin = Annotated[
    str,
    Pattern(r"|[0-9A-Fa-f]{64}|([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}", "a certificate's SHA-256, 64 hexadecimal digits"),
]
HostKey = Annotated[str, Pattern(r"|[a-z][a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}", "`TYPE BASE64`, as ssh-keyscan prints it")]
