"""What people are told: the events of a journal, and each shape's text, escapes and signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.model import Decision, Mode, Outcome, Step
from tasks.notices import BYTES, Notice, accepted, message, notices, text
from tests.report.stories import STORIES
from tests.report.story import Story

NOTICE = Notice(
    "failed", "20270131-110000-123ab", 7, "2027-01-31T11:00:00+00:00", "web-1", "203.0.113.9:443", "beacon", "triage", "unreachable",
    "the host did not answer", "see that it is up",
)  # fmt: skip
URL = "https://hemostat.example.net/incidents/20270131-110000-123ab"
HOSTILE = (
    "<!channel> <https://evil.example|log in> *b* &amp; @all [x](http://evil.example) www.evil.example \x1b[2J \u202e"
)


def told(story: str, folder: Path) -> list[tuple[str, str]]:
    """The events of that story, with their steps."""
    teller = Story(folder / story)
    STORIES[story](teller)
    teller.end()
    return [(n.event, n.step) for n in notices(teller.journal.records)]


@pytest.mark.parametrize(
    ("story", "events"),
    [
        ("whole", [("opened", ""), ("approval", "cleanup"), ("contained", "block"), ("closed", "report")]),
        ("rejected", [("opened", "")]),
        ("waiting", [("opened", ""), ("contained", "block"), ("approval", "cleanup")]),
        ("declined", [("opened", ""), ("contained", "block"), ("failed", "cleanup")]),
    ],
)
def test_the_journal_says_what_happened(story: str, events: list[tuple[str, str]], tmp_path: Path) -> None:
    """Each event once, in its order; a rejected alert is not called contained."""
    seen = told(story, tmp_path)
    assert [event for event in seen if event not in events] == []
    assert seen[0] == ("opened", "")
    assert ("contained", "block") in seen or story == "rejected"
    if story != "whole":
        assert seen == events


def test_a_rejected_alert_is_not_called_contained(tmp_path: Path) -> None:
    """Its block ends with nothing to do, as a block that stands already does."""
    for decision, events in ((Decision.REJECTED, ["opened"]), (Decision.CONFIRMED, ["opened", "contained"])):
        story = Story(tmp_path / decision)
        story.open(Mode.LIVE)
        story.confirm(decision)
        story.stop("block", Outcome.NOTHING_TO_DO, "nothing to do")
        story.end()
        assert [n.event for n in notices(story.journal.records)] == events


def test_a_block_that_a_person_wanted_all_the_same_is_told(tmp_path: Path) -> None:
    """The verdict was wrong, and somebody lifted that guard: the chat must not go on saying that nothing is denied."""
    story = Story(tmp_path / "wanted")
    story.open(Mode.LIVE)
    story.confirm(Decision.REJECTED)
    story.stop("block", Outcome.NOTHING_TO_DO, "confirm found no incident")
    story.say("override", 0.1, word="unconfirmed", by="ada", reason="it is one")
    story.say("step.redo", 0.1, step="block", by="ada", reason="it is one")
    story.start("block", 2)
    story.stop("block", Outcome.DONE, "denied")
    story.end()
    assert [n.event for n in notices(story.journal.records)] == ["opened", "contained"]


def test_a_plan_that_waits_is_told_once(tmp_path: Path) -> None:
    """Each resume looks at it again; another plan is another notice."""
    story = Story(tmp_path / "x")
    story.open(Mode.LIVE)
    for digest in ("a" * 64, "a" * 64, "b" * 64):
        story.say("step.started", step="cleanup", attempt=1)
        story.say("approval.asked", step="cleanup", digest=digest)
        story.stop("cleanup", Outcome.WAITING, "waits")
    story.end()
    assert [n.event for n in notices(story.journal.records)] == ["opened", "approval", "approval"]


def sent(
    shape: str,
    notice: Notice = NOTICE,
    language: str = "en",
    url: str = URL,
    secret: str = "",
    now: float = 1801393200.5,
) -> Any:
    return json.loads(message(shape, notice, language, url, secret, now).body)


def test_json_has_everything_for_a_program() -> None:
    """Also the id that a second delivery repeats, and the text."""
    body = sent("json")
    assert (body["event"], body["id"], body["host"], body["remote"]) == (
        "failed",
        "20270131-110000-123ab/7",
        "web-1",
        "203.0.113.9:443",
    )
    assert (body["outcome"], body["step"], body["url"]) == ("unreachable", "triage", URL)
    assert body["text"].splitlines()[0] == "Stopped at triage: UNREACHABLE · web-1 → 203.0.113.9:443"


def test_json_is_signed_as_our_own_webhook_wants_it() -> None:
    """So that two hemostats, or the same helper functions, understand each other."""
    made = message("json", NOTICE, "en", URL, "secret", 1801393200.5)
    mac = hmac.new(b"secret", b"1801393200." + made.body, hashlib.sha256).hexdigest()
    assert made.headers == {"X-Hemostat-Timestamp": "1801393200", "X-Hemostat-Signature": f"sha256={mac}"}


def test_feishu_and_dingtalk_are_signed() -> None:
    """Feishu: the key is time, line end, secret, and nothing is signed; DingTalk: in the URL, milliseconds, the other way round."""
    body = sent("feishu", secret="secret")
    key = b"1801393200\nsecret"
    assert body["timestamp"] == "1801393200"
    assert body["sign"] == base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
    made = message("dingtalk", NOTICE, "en", URL, "secret", 1801393200.5)
    mac = base64.b64encode(hmac.new(b"secret", b"1801393200500\nsecret", hashlib.sha256).digest()).decode()
    assert (
        made.query == f"timestamp=1801393200500&sign={mac.replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}"
    )
    assert "sign" not in sent("feishu") and message("dingtalk", NOTICE, "en", URL, "", 1.0).query == ""


def content(shape: str, body: Any) -> str:
    """The text that the chat shows."""
    paths: dict[str, Any] = {
        "json": lambda b: b["text"], "slack": lambda b: b["text"], "feishu": lambda b: b["content"]["text"],
        "dingtalk": lambda b: b["text"]["content"], "wecom": lambda b: b["text"]["content"],
    }  # fmt: skip
    return str(paths[shape](body))


@pytest.mark.parametrize("shape", ["json", "slack", "feishu", "dingtalk", "wecom"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("event", ["opened", "approval", "contained", "closed", "failed"])
def test_every_event_has_words_in_every_shape_and_language(shape: str, language: str, event: str) -> None:
    """The host, the remote, the incident and the link are in it; English words only in English."""
    for step in Step:
        for outcome in Outcome:
            notice = Notice(event, "ID", 1, NOTICE.at, "web-1", "203.0.113.9", "beacon", step, outcome, "", "")  # type: ignore[arg-type]
            shown = content(shape, sent(shape, notice, language))
            assert [part for part in ("web-1", "203.0.113.9", "ID", URL) if part not in shown] == []
            assert ("opened" in shown or "denied" in shown) is False or language == "en"


@pytest.mark.parametrize("shape", ["slack", "feishu", "dingtalk", "wecom"])
def test_hostile_text_mentions_nobody_and_makes_no_link(shape: str) -> None:
    """Slack's <!channel>, Feishu's <at …>, links of any kind, controls of a terminal, bidi overrides."""
    notice = Notice(
        "opened", "ID", 0, NOTICE.at, "web-1", "203.0.113.9", "beacon", summary=HOSTILE + ' <at user_id="all"></at>'
    )
    shown = content(shape, sent(shape, notice)).replace(URL, "")
    assert "://" not in shown and "www." not in shown and "@" not in shown
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "<" not in shown.replace("<>", "") and (
        "&lt;!channel&gt;" in shown if shape == "slack" else "＜!channel＞" in shown
    )


def test_slack_formats_nothing_of_it() -> None:
    """No mrkdwn, no unfurled preview; the only link is ours."""
    body = sent("slack")
    assert (body["mrkdwn"], body["unfurl_links"]) == (False, False)
    assert f"<{URL}>" in body["text"]


@given(
    st.text(max_size=3000), st.text(max_size=3000), st.sampled_from(["slack", "feishu", "dingtalk", "wecom", "json"])
)
def test_any_text_fits_and_can_be_sent(summary: str, then: str, shape: str) -> None:
    """Never longer than WeCom's limit, always UTF-8, the link always whole."""
    notice = Notice("failed", "ID", 1, NOTICE.at, "web-1", "203.0.113.9", "beacon", "block", "failed", summary, then)
    shown = content(shape, sent(shape, notice))
    assert len(shown.encode()) <= BYTES and URL in shown


def test_without_pages_there_is_no_link() -> None:
    """A serve on loopback, behind nothing."""
    assert text(NOTICE, "en", "", str).splitlines()[-1] == "hemostat 20270131-110000-123ab"


@pytest.mark.parametrize(
    ("shape", "body", "yes"),
    [
        ("slack", b"ok", True),
        ("json", b"", True),
        ("feishu", b'{"code": 0, "msg": "success"}', True),
        ("feishu", b'{"StatusCode": 0, "StatusMessage": "success"}', True),
        ("feishu", b'{"code": 19021, "msg": "sign match fail"}', False),
        ("dingtalk", b'{"errcode": 0, "errmsg": "ok"}', True),
        ("dingtalk", b'{"errcode": 310000, "errmsg": "keywords not in content"}', False),
        ("wecom", b'{"errcode": 45009}', False),
        ("wecom", b"<html>", False),
        ("wecom", b"[" * 5000, False),
        ("wecom", b"[]", False),
    ],
)
def test_a_chat_that_answers_200_may_still_have_refused(shape: str, body: bytes, yes: bool) -> None:
    """Feishu, DingTalk and WeCom say so in the body."""
    assert accepted(shape, body) is yes
