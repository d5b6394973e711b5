"""What people are told of an incident, and in which shape their chat wants it. Pure; must not read a clock, an incident's file or a socket.

The events come from the journal alone, so that whoever reads it again finds the same ones. Text of an alert or a host is hostile: it
gets escaped for the shape, mentions nobody and makes no link.

Shapes: Slack, "Incoming webhooks" and "Escaping text" (& < > are markup); Feishu and Lark, "Custom bot usage guide" (code 0 is success, the
signature's key is timestamp, line end and secret); DingTalk, "Custom robot access" (errcode 0, timestamp in milliseconds, the signature in
the URL); WeCom, "Group robot configuration" (errcode 0, a text has at most 2048 bytes).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from tasks.fold import fold
from tasks.journal import Record
from tasks.model import Decision, Incident, Json, Outcome, Step, inert
from tasks.phrases import say
from tasks.serving import Event
from tasks.state import UNDO, State

LONGEST = 400
# WeCom's limit for a text, which also suits the others.
BYTES = 2048

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "opened": "An incident was opened",
        "approval": "Waits for your approval: {step}",
        "contained": "Contained: the remote is denied",
        "closed": "Closed: all steps are over",
        "failed": "Stopped at {step}: {outcome}",
        "talking": "Still talking since the block was taken back",
        "next": "Next: ",
    },
    "zh": {
        "opened": "新事件已开启",
        "approval": "等待您的批准：{step}",
        "contained": "已遏制：远端地址已被封锁",
        "closed": "已结束：所有步骤均已完成",
        "failed": "停在{step}：{outcome}",
        "talking": "封锁撤销后仍在通信",
        "next": "下一步：",
    },
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One event of an incident. `seq` is that of its record in the journal: with the incident's id, it names the notice for ever."""

    event: Event
    incident: str
    seq: int
    at: str
    host: str
    remote: str
    playbook: str
    step: str = ""
    outcome: str = ""
    summary: str = ""
    next: str = ""

    @property
    def id(self) -> str:
        return f"{self.incident}/{self.seq}"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the body's bytes, and what goes into the URL and the headers besides."""

    body: bytes
    query: str = ""
    headers: Mapping[str, str] | None = None


def notices(records: Sequence[Record]) -> list[Notice]:
    """Every event of one journal, in their order."""
    state = fold(records)
    first = _notice("opened", state.incident, records[0], summary=_why(state.incident))
    return [first, *sorted((*_ends(state, records), *_talks(state, records)), key=lambda notice: notice.seq)]


def _why(incident: Incident) -> str:
    return incident.reason or (f"alert: {incident.alert.signature}" if incident.alert else "")


def _ends(state: State, records: Sequence[Record]) -> Iterator[Notice]:
    asked, told, rejected = "", "", False
    for record in records:
        data = record.data
        if record.kind == "verdict":
            rejected = data["verdict"]["decision"] == Decision.REJECTED
        elif record.kind == "approval.asked":
            asked = str(data["digest"])
        if record.kind != "step.ended":
            continue
        event = _event(Step(data["step"]), Outcome(data["outcome"]), rejected)
        # A plan that is looked at again, and still waits, was told of already.
        mark = f"{data['step']} {asked}" if event == "approval" else ""
        if event and not (mark and mark == told):
            yield _notice(event, state.incident, record, **_told(data))
        told = mark or told


def _talks(state: State, records: Sequence[Record]) -> Iterator[Notice]:
    """The first word of alerts since an undo; how many follow stands on the incident's page."""
    told = False
    for record in records:
        data = record.data
        if record.kind == "receipt" and data["step"] == UNDO:
            told = False
        if record.kind == "alerts" and data.get("since_undo") and not told:
            told = True
            summary = f"{data['since_undo']} alert(s) since the undo, the last at {data['last']}"
            yield _notice("talking", state.incident, record, summary=summary)


def _event(step: Step, outcome: Outcome, rejected: bool) -> Event | None:
    if outcome is Outcome.WAITING:
        return "approval"
    if not outcome.finished:
        return "failed"
    if step is Step.BLOCK:
        # A person may have the block made all the same: `unconfirmed`, lifted by name.
        return "contained" if outcome is Outcome.DONE or not rejected else None
    return "closed" if step is Step.REPORT else None


def _told(data: Mapping[str, Json]) -> dict[str, str]:
    texts = {"step": data["step"], "outcome": data["outcome"], "summary": data["summary"], "next": data.get("next", "")}
    return {name: str(text) for name, text in texts.items()}


def _notice(event: Event, incident: Incident, record: Record, **more: str) -> Notice:
    return Notice(
        event, incident.id, record.seq, record.at, incident.host, str(incident.remote), incident.playbook, **more
    )


def message(shape: str, notice: Notice, language: str, url: str, secret: str, now: float) -> Message:
    """The notice in that shape.

    Args:
        shape: as in tasks.serving.Notify.
        url: the incident's page, or empty.
        secret: signs, where the shape has a signature; empty for none.
        now: Unix time, for the signature.
    """
    return _SHAPES[shape](notice, language, url, secret, now)


def text(notice: Notice, language: str, url: str, escape: Callable[[str], str]) -> str:
    """The lines that people read; `escape` makes a hostile text harmless in the shape."""
    words, told = _WORDS[language], say(language)
    head = words[notice.event].format(**_names(notice, language))
    lines = [f"{head} · {notice.host} → {notice.remote}"]
    lines += [escape(_short(told(notice.summary)))] if notice.summary else []
    lines += [words["next"] + escape(_short(told(notice.next)))] if notice.next and notice.event != "closed" else []
    lines.append(f"hemostat {notice.incident}")
    return _bytes("\n".join(lines), BYTES - len(url.encode()) - 3) + (f"\n{url}" if url else "")


def _names(notice: Notice, language: str) -> dict[str, str]:
    """The step and its outcome, as people call them."""
    if not notice.step:
        return {}
    told = say(language)
    return {"step": told(Step(notice.step).value), "outcome": told(Outcome(notice.outcome).label)}


def _short(hostile: str) -> str:
    """One line, no controls, nothing that a chat would make a link of."""
    plain = inert(hostile, LONGEST)
    return plain.replace("://", "[:]//").replace("www.", "www[.]").replace("@", "＠")


def _bytes(whole: str, most: int) -> str:
    encoded = whole.encode()
    return whole if len(encoded) <= most else encoded[: most - 3].decode(errors="ignore") + "…"


def _plain(hostile: str) -> str:
    return hostile.replace("<", "＜").replace(">", "＞")


def _slack_text(hostile: str) -> str:
    return hostile.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _json(notice: Notice, language: str, url: str, secret: str, now: float) -> Message:
    """Everything, for a program; signed as our own webhook wants it, if there is a secret."""
    told = {**asdict(notice), "id": notice.id, "url": url, "text": text(notice, language, url, str)}
    body = json.dumps(told, ensure_ascii=True).encode()
    if not secret:
        return Message(body)
    stamp = str(int(now))
    mac = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return Message(body, headers={"X-Hemostat-Timestamp": stamp, "X-Hemostat-Signature": f"sha256={mac}"})


def _slack(notice: Notice, language: str, url: str, _secret: str, _now: float) -> Message:
    whole = text(notice, language, f"<{url}>" if url else "", _slack_text)
    told = {"text": whole, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
    return Message(json.dumps(told).encode())


def _feishu(notice: Notice, language: str, url: str, secret: str, now: float) -> Message:
    told: dict[str, Json] = {"msg_type": "text", "content": {"text": text(notice, language, url, _plain)}}
    if secret:
        stamp = str(int(now))
        told |= {"timestamp": stamp, "sign": _mac(f"{stamp}\n{secret}", "")}
    return Message(json.dumps(told).encode())


def _dingtalk(notice: Notice, language: str, url: str, secret: str, now: float) -> Message:
    stamp = str(int(now * 1000))
    query = urlencode({"timestamp": stamp, "sign": _mac(secret, f"{stamp}\n{secret}")}) if secret else ""
    return Message(_robot(text(notice, language, url, _plain)), query)


def _wecom(notice: Notice, language: str, url: str, _secret: str, _now: float) -> Message:
    return Message(_robot(text(notice, language, url, _plain)))


def _robot(content: str) -> bytes:
    return json.dumps({"msgtype": "text", "text": {"content": content}}).encode()


def _mac(key: str, content: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), content.encode(), hashlib.sha256).digest()).decode()


_SHAPES: dict[str, Callable[[Notice, str, str, str, float], Message]] = {
    "json": _json,
    "slack": _slack,
    "feishu": _feishu,
    "dingtalk": _dingtalk,
    "wecom": _wecom,
}


def accepted(shape: str, body: bytes) -> bool:
    """Did the chat take it? Feishu, DingTalk and WeCom answer 200 to everything, and say in the body whether they did."""
    name = {"feishu": "code", "dingtalk": "errcode", "wecom": "errcode"}.get(shape)
    if name is None:
        return True
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return False
    # Feishu's older answer has StatusCode instead.
    return isinstance(told, dict) and told.get(name, told.get("StatusCode")) == 0
