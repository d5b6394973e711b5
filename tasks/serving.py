"""The typed content of inventory/serve.yaml: who may send alerts, who may look and approve, whom to tell. Knows no socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from tasks.limits import Count, KeyFile, Name, Pattern, Port, Range, Reference
from tasks.model import Most

STRICT = {"extra": "forbid"}

Role = Literal["viewer", "responder", "approver"]
Event = Literal["opened", "approval", "contained", "closed", "failed", "talking"]


@dataclass(frozen=True, slots=True)
class Sender:
    """One that may POST to /alerts/{source}. All three credentials are references; one of them is needed.

    `token` is a bearer token; `hmac` signs the body with a timestamp; `url_token` stands in the URL, for senders that cannot set
    headers. `most` is the most that its alerts may do by themselves: `open` only opens an incident and looks at the host's sockets,
    `ask` makes every change wait for an approver, as it is after a `resume` of the former; `playbook` leaves it to the playbook.
    `per_minute` are requests, each of which may hold many alerts.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    source: Name
    token: Reference = ""
    hmac: Reference = ""
    url_token: Reference = ""
    most: Most = "playbook"
    playbook: Annotated[str, Pattern(r"|[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a playbook's name")] = ""
    per_minute: Annotated[int, Range(1, 100_000)] = 600


@dataclass(frozen=True, slots=True)
class Person:
    """One who may log in with `token` (a reference). A viewer looks; a responder also resumes, redoes, skips; an approver also
    approves, rejects and undoes."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    role: Role
    token: Reference


@dataclass(frozen=True, slots=True)
class Notify:
    """One outgoing webhook. `url` is a reference, for such URLs are secrets; `secret` signs for json, feishu and dingtalk."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    shape: Literal["json", "slack", "feishu", "dingtalk", "wecom"]
    url: Reference
    secret: Reference = ""
    events: tuple[Event, ...] = ("opened", "approval", "contained", "closed", "failed", "talking")


@dataclass(frozen=True, slots=True)
class Serve:
    """How `hemostat serve` listens. Wider than loopback it wants TLS (or `behind_proxy`) and a token for everyone.

    `user_header` and `role_header` name the headers in which a reverse proxy tells who is there; they count only with `behind_proxy`, which
    must be the proxy's own address. `public_url` is how people reach the pages. `duplicate_hours`: an alert like one of a closed incident
    folds into it for that long.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    listen: Annotated[str, Pattern(r"[0-9A-Fa-f.:]{2,45}", "an address to listen at")] = "127.0.0.1"
    port: Port = 8642
    tls_certificate: KeyFile = ""
    tls_key: KeyFile = ""
    behind_proxy: Annotated[str, Pattern(r"|[0-9A-Fa-f.:]{2,45}", "the reverse proxy's address")] = ""
    user_header: Annotated[str, Pattern(r"|[A-Za-z][A-Za-z0-9-]{0,60}", "a header's name")] = ""
    role_header: Annotated[str, Pattern(r"|[A-Za-z][A-Za-z0-9-]{0,60}", "a header's name")] = ""
    public_url: Annotated[str, Pattern(r"|https?://[^\s/]+(/[^\s]*)?", "http(s)://HOST[:PORT]")] = ""
    language: Literal["en", "zh"] = "en"
    duplicate_hours: Count = 24
    senders: dict[Name, Sender] = field(default_factory=dict)
    people: dict[Name, Person] = field(default_factory=dict)
    notify: dict[Name, Notify] = field(default_factory=dict)
