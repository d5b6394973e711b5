"""What OpenAPI publishes of the webhook: bodies with examples, answers, credentials. Knows words and shapes; must not know a request."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from flows.web.senders import WINDOW
from tasks import alerts
from tasks.alerts.input import MAX_BYTES, MAX_RECORDS
from tasks.model import Json

EXAMPLES = Path(__file__).with_name("examples.json")
BEARER = "The sender's `token`."
IN_URL = "The sender's `url_token`, for senders that cannot set headers. It may also be the last part of the path, /alerts/SOURCE/TOKEN."
SIGNATURE = (
    "`sha256=` and, in hexadecimal, the HMAC-SHA256 under the sender's `hmac` secret of: the text of X-Hemostat-Timestamp, a dot, "
    "the body. Each signature is taken once."
)
TIMESTAMP = f"Unix time in seconds, at most {WINDOW:.0f} from now; it goes with X-Hemostat-Signature."

_HOW = (
    f"One JSON object, a list of them, or one object a line: at most {MAX_RECORDS} of them and {MAX_BYTES} bytes. Each alert stands for "
    "itself: what cannot be taken is named in `refused` and takes no other with it. An alert that says that all is over opens nothing "
    "and is named in `over`. Alerts are on the disk before 202 is answered."
)

_TEXT = {"type": "string", "minLength": 1}
PLAIN: dict[str, Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["host", "remote_ip", "rule", "time"],
    "properties": {
        "host": {**_TEXT, "description": "The victim: its name in the inventory, or one of its addresses."},
        "remote_ip": {**_TEXT, "description": "The address that it talks to."},
        "remote_port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "domain": {**_TEXT, "description": "The name that it asked for."},
        "rule": {**_TEXT, "description": "What raised the alert."},
        "severity": {**_TEXT, "description": "As the sender calls it."},
        "time": {"type": "string", "format": "date-time"},
        "id": {**_TEXT, "description": "What a second delivery repeats; without it: host, remote, rule and time."},
    },
}
_ERROR: dict[str, Json] = {
    "type": "object",
    "required": ["error", "do"],
    "properties": {"error": {"type": "string"}, "do": {"type": "string", "description": "What to do about it."}},
}
_TOLD: dict[str, Json] = {
    "type": "object",
    "required": ["incidents", "accepted", "duplicates", "over", "refused"],
    "properties": {
        "incidents": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "url", "duplicate", "count"],
                "properties": {
                    "id": {"type": "string"},
                    "url": {"type": "string", "description": "Its review page."},
                    "duplicate": {"type": "boolean", "description": "The incident was there before."},
                    "count": {"type": "integer", "description": "How many different alerts it has."},
                },
            },
        },
        "accepted": {"type": "integer", "description": "Alerts that were stored, duplicates among them."},
        "duplicates": {"type": "integer"},
        "over": {
            "type": "array",
            "items": {"type": "object", "description": "What was resolved, and why it opens nothing."},
        },
        "refused": {"type": "array", "items": _ERROR},
    },
}
_INCIDENT = {"id": "20270131-110000-123ab", "url": "https://hemostat.example.net/incidents/20270131-110000-123ab"}
_TAKEN: dict[str, Json] = {
    "incidents": [{**_INCIDENT, "duplicate": False, "count": 1}], "accepted": 1, "duplicates": 0, "over": [], "refused": [],
}  # fmt: skip
_UNKNOWN_HOST: dict[str, Json] = {
    "error": "find the alert's victim: there is no host '192.0.2.99' in the inventory: it knows web-1, files-1; nothing was done",
    "do": "add its address to a host in inventory/hosts.yaml, or run `hemostat respond HOST --remote ADDRESS`",
}
_NOTHING: dict[str, Json] = {**_TAKEN, "incidents": [], "accepted": 0, "refused": [_UNKNOWN_HOST]}
_ERRORS = {
    401: ("No sender of this source has this credential.", "no sender of this source has this token"),
    404: ("No such source.", "there is no alert source zeke"),
    408: ("The body did not arrive in time.", "the body did not arrive within 20 s"),
    409: ("A replay: this signature was taken before.", "this signature was used before"),
    413: ("The body is too long.", f"the body is longer than {MAX_BYTES} bytes"),
    415: ("Another content type, charset or encoding than is taken.", "charset utf-16 is not taken"),
    429: (
        "More requests than the sender may send; Retry-After says when it may again.",
        "desk sent more than 20 requests a minute",
    ),
    503: (
        "A file or a secret of the owner's cannot be read now; send it again.",
        "hemostat's own files cannot be read now",
    ),
    507: ("The disk is full; nothing was taken; send it again.", "database or disk is full; nothing was taken"),
}


@cache
def _examples() -> dict[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = json.loads(EXAMPLES.read_text())
    return found


def example(source: str) -> dict[str, Json]:
    """Made-up bodies of that source, by name."""
    return _examples()[source]


def description(source: str) -> str:
    """What the source's file says of itself, and how its bodies are taken."""
    first, _, rest = str(alerts.load(source).__doc__).strip().partition("\n")
    # What the file itself may know is its readers' business, not a sender's.
    return f"{first.partition(' Knows ')[0]}\n{rest}\n\n{_HOW}"


def request(source: str, media: tuple[str, ...]) -> dict[str, Json]:
    """The request body: a schema where it is ours, an object of the vendor's own where it is not."""
    one = PLAIN if source == "plain" else {"type": "object"}
    bodies = {name: {"value": value} for name, value in example(source).items()}
    texts = {name: body for name, body in bodies.items() if isinstance(body["value"], str)}
    content: dict[str, Json] = {kind: {"schema": {"type": "string"}, "examples": texts} for kind in media[1:]}
    shown = {name: body for name, body in bodies.items() if name not in texts}
    content[media[0]] = {"schema": {"anyOf": [one, {"type": "array", "items": one}]}, "examples": shown}
    return {"requestBody": {"required": True, "content": content}}


def responses() -> dict[int | str, dict[str, Any]]:
    """Every answer, each with an example."""
    told: dict[int | str, dict[str, Any]] = {
        202: _answer("What could be taken is stored, and acted on.", _TOLD, _TAKEN),
        400: _answer("The body is no UTF-8.", _TOLD, _NOTHING),
        422: _answer("Nothing of it could be taken; `refused` says why, and what to do.", _TOLD, _NOTHING),
    }
    errors: dict[int | str, dict[str, Any]] = {
        status: _answer(what, _ERROR, {"error": error, "do": "see the answer"})
        for status, (what, error) in _ERRORS.items()
    }
    return {**told, **errors}


def _answer(what: str, schema: dict[str, Json], shown: Json) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema, "example": shown}}}
