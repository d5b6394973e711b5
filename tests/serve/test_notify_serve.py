"""One way through the whole house: a signed alert to a `hemostat serve` process, a block, and a chat that is told of it over kill -9."""

from __future__ import annotations

import json
import signal
import time
from collections import deque

import httpx
import pytest

from flows.web.senders import sign
from tests.patience import until
from tests.serve.house import Office, Serve, alert
from tests.serve.receiver import Receiver

pytestmark = pytest.mark.lab


def test_a_signed_alert_becomes_an_incident_that_a_chat_is_told_of(office: Office) -> None:
    """opened, contained, failed (nobody talks to this address, so that it is never proved clean), each with the page's address."""
    with Receiver(deque([500])) as chat:
        office.write(
            "inventory/serve.yaml",
            {
                "language": "zh",
                "senders": {"desk": {"source": "plain", "hmac": "env:SIGN"}},
                "people": {"anna": {"role": "approver", "token": "env:ANNA"}},
                "notify": {"team": {"shape": "feishu", "url": "env:CHAT", "secret": "env:SIGN"}},
            },
        )
        secrets = {"SIGN": "a signing secret", "ANNA": "anna's token", "CHAT": chat.url}
        with Serve(office, environment=secrets) as serve:
            raw, stamp = json.dumps(alert(0)).encode(), str(int(time.time()))
            headers = {"X-Hemostat-Timestamp": stamp, "X-Hemostat-Signature": sign(secrets["SIGN"], stamp, raw)}
            answer = httpx.post(f"{serve.url}/alerts/plain", content=raw, headers=headers)
            assert answer.status_code == 202, answer.text
            assert httpx.post(f"{serve.url}/alerts/plain", content=raw, headers=headers).status_code == 409
            serve.kill(signal.SIGKILL)
            serve.start()
            assert httpx.post(f"{serve.url}/alerts/plain", content=raw, headers=headers).status_code == 409
            told = [text for got in chat.wait(1) if (text := got.json["content"]["text"])]
            assert until(lambda: {"新事件已开启", "已遏制", "停在验证"} <= said(chat), 60), said(chat)
            page = answer.json()["incidents"][0]["url"]
            assert all(got.json["content"]["text"].endswith(page) and got.json["sign"] for got in chat.got), told
            logs = (office.folder / "serve.log").read_text() + serve.said
    assert office.denied() == ["203.0.113.1"]
    assert not [secret for secret in (*secrets.values(), "s3cr3t") if secret in logs]


def said(chat: Receiver) -> set[str]:
    """How the messages begin."""
    heads = [got.json["content"]["text"].partition(" · ")[0] for got in chat.got]
    return {head.partition("：")[0] for head in heads}
