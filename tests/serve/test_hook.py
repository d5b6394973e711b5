"""The webhook as its senders see it: who may send, what is taken, what each refusal says, and what stands in the inbox afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.web import hook_schema
from tasks import alerts
from tasks.alerts.input import MAX_BYTES
from tasks.serving import Serve
from tests.alerts.twins import CASES, body
from tests.serve.hookdesk import SENDERS, HookDesk, alert, write_site


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[HookDesk]:
    with HookDesk(write_site(tmp_path)) as made:
        yield made


def refused(answer: Any, status: int, *words: str) -> None:
    """The status, and a body that says why and what to do."""
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert told.get("error") or told["refused"][0]["error"]
    assert told.get("do") or told["refused"][0]["do"]
    assert [word for word in words if word not in answer.text] == [], answer.text


# --- what is taken ------------------------------------------------------------------------------------------------------


def test_an_alert_is_stored_before_it_is_acknowledged(desk: HookDesk) -> None:
    """202 carries the incident's URL, and the inbox has the alert with its victim, playbook, sender and policy."""
    answer = desk.post(alert())
    assert answer.status_code == 202, answer.text
    told = answer.json()
    (incident,) = told["incidents"]
    assert incident["url"] == f"http://hemostat.test/incidents/{incident['id']}"
    assert (told["accepted"], told["duplicates"], told["over"], told["refused"]) == (1, 0, [], [])
    entry = desk.inbox.entry(incident["id"])
    assert entry is not None
    assert (entry.item.host, str(entry.item.alert.remote), entry.item.sender) == ("web-1", "203.0.113.9:443", "plain")
    assert (entry.item.most, entry.item.playbook) == ("playbook", "beacon")


def test_the_senders_policy_goes_with_its_alerts(desk: HookDesk) -> None:
    """A sender that may only open, with a playbook of its own."""
    answer = desk.post(body("zeek", {}), "zeek", headers={"Authorization": "Bearer of zeek alone"})
    entry = desk.inbox.entry(answer.json()["incidents"][0]["id"])
    assert entry is not None
    assert (entry.item.sender, entry.item.most, entry.item.playbook) == ("other", "open", "watch")


def test_the_public_url_is_the_one_that_people_use(tmp_path: Path) -> None:
    """Behind a proxy, the sender's own way is not the people's."""
    serve = Serve(senders=SENDERS, public_url="https://hemostat.example.net/")
    with HookDesk(write_site(tmp_path), serve) as made:
        assert made.post(alert()).json()["incidents"][0]["url"].startswith("https://hemostat.example.net/incidents/")


def test_a_second_delivery_is_a_duplicate(desk: HookDesk) -> None:
    """The same event twice is counted once; another event of the same kind is counted, and opens nothing."""
    first = desk.post(alert()).json()["incidents"][0]
    again = desk.post(alert()).json()
    assert again["duplicates"] == 1 and again["incidents"] == [{**first, "duplicate": True}]
    other = desk.post(alert(id="a-2")).json()["incidents"][0]
    assert (other["id"], other["count"]) == (first["id"], 2)


def test_each_incident_is_named_once(desk: HookDesk) -> None:
    """However many alerts of one body are its own; what its count is after them all."""
    told = desk.post([alert(id=f"a-{n}") for n in range(5)]).json()
    assert (told["accepted"], told["duplicates"]) == (5, 4)
    assert [(i["duplicate"], i["count"]) for i in told["incidents"]] == [(False, 5)]


def test_one_alert_that_cannot_be_taken_loses_no_other(desk: HookDesk) -> None:
    """A batch with an unknown host, a missing field and a torn line: the good ones are stored, the others are named."""
    lines = [
        alert(),
        alert(id="a-2", host="nobody"),
        alert(id="a-3", remote_ip=None),
        alert(id="a-4", remote_ip="203.0.113.10"),
    ]
    raw = b"\n".join([*(json.dumps(line).encode() for line in lines), b'{"host": "we'])
    answer = desk.post(raw)
    told = answer.json()
    assert (answer.status_code, told["accepted"], len(told["incidents"])) == (202, 2, 2)
    assert [
        next(word for word in ("plain record 3", "plain record 5", "'nobody'") if word in fault["error"])
        for fault in told["refused"]
    ] == ["plain record 3", "plain record 5", "'nobody'"]
    assert desk.inbox.figures()["alerts"] == 2


def test_a_resolved_alert_is_accepted_and_opens_nothing(desk: HookDesk) -> None:
    """Alertmanager sends `resolved` as it sends all else, and would send it for ever if it were refused."""
    case = CASES["alertmanager, resolved never responds"][1]
    answer = desk.post(body("alertmanager", case), "alertmanager")
    assert answer.status_code == 202
    assert answer.json()["incidents"] == [] and "resolved" in answer.json()["over"][0]["why"]
    assert desk.inbox.figures()["incidents"] == 0


@pytest.mark.parametrize("source", alerts.sources())
def test_each_published_example_is_taken(desk: HookDesk, source: str) -> None:
    """Who copies an example from /openapi.json gets a 202."""
    for name, example in hook_schema.example(source).items():
        raw = example.encode() if isinstance(example, str) else json.dumps(example).encode()
        kind = "text/plain" if isinstance(example, str) else "application/json"
        known = raw.replace(b"web-1.example.net", b"web-1")
        answer = desk.post(known, source, headers={"Authorization": "Bearer a bearer token", "Content-Type": kind})
        assert answer.status_code == 202, f"{name}: {answer.text}"


# --- who may send -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer a bearer tokem"},
        {"Authorization": "Bearer of zeek alone"},
        {"Authorization": "Bearer a-url-token"},
        {"Authorization": "Bearer \xff"},
    ],
    ids=str,
)
def test_a_stranger_is_not_heard(desk: HookDesk, headers: dict[str, str]) -> None:
    """No token, a wrong one, another source's, one that belongs into a URL."""
    answer = desk.post(alert(), headers=[(name, value.encode("latin-1")) for name, value in headers.items()])
    refused(answer, 401, "token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert desk.inbox.figures()["alerts"] == 0


@pytest.mark.parametrize("path", ["?token=a-url-token", "/a-url-token"])
def test_a_sender_without_headers_has_its_token_in_the_url(desk: HookDesk, path: str) -> None:
    """Splunk's webhook can set none."""
    assert desk.post(body("splunk", {}), "splunk", path, headers={}).status_code == 202
    refused(desk.post(body("splunk", {}), "splunk", path.replace("a-url", "b-url"), headers={}), 401)


def test_a_signature_is_taken_once_and_for_five_minutes(desk: HookDesk) -> None:
    """A replay is refused; so is an old or a future time, another body, another secret, no time."""
    raw = json.dumps(alert()).encode()
    headers = desk.signed(raw)
    assert desk.post(raw, headers=headers).status_code == 202
    refused(desk.post(raw, headers=headers), 409, "used before")
    now = time.time()
    assert desk.post(raw, headers=desk.signed(raw, now - 200)).status_code == 202
    for wrong in (
        desk.signed(raw, now - 400),
        desk.signed(raw, now + 400),
        desk.signed(raw + b" "),
        desk.signed(raw, secret="another"),
        {**desk.signed(raw, now - 1), "X-Hemostat-Timestamp": str(int(now))},
        {**desk.signed(raw), "X-Hemostat-Timestamp": "now"},
        {"X-Hemostat-Signature": desk.signed(raw)["X-Hemostat-Signature"]},
        {**desk.signed(raw), "X-Hemostat-Signature": "sha256="},
    ):
        refused(desk.post(raw, headers=wrong), 401)


def test_a_replay_is_refused_after_a_restart(desk: HookDesk) -> None:
    """What was seen is on the disk."""
    raw = json.dumps(alert()).encode()
    headers = desk.signed(raw)
    assert desk.post(raw, headers=headers).status_code == 202
    with HookDesk(desk.folder) as again:
        refused(again.post(raw, headers=headers), 409)


def test_a_signed_alert_that_was_not_taken_may_be_sent_again(desk: HookDesk) -> None:
    """The answer was 422, the owner adds the host, the sender repeats its request: it is no replay."""
    raw = json.dumps(alert(host="web-9")).encode()
    headers = desk.signed(raw)
    refused(desk.post(raw, headers=headers), 422)
    hosts = desk.folder / "inventory" / "hosts.yaml"
    hosts.write_text(hosts.read_text() + "\nweb-9: {hostname: 192.0.2.99, groups: [linux, amsterdam]}\n")
    assert desk.post(raw, headers=headers).status_code == 202


def test_a_sender_that_comes_too_often_is_told_when_it_may_again(desk: HookDesk) -> None:
    """Its own limit; another sender of the same source is not touched by it."""
    mine = {"Authorization": "Bearer of zeek alone"}
    for _ in range(2):
        assert desk.post(body("zeek", {}), "zeek", headers=mine).status_code == 202
    answer = desk.post(body("zeek", {}), "zeek", headers=mine)
    refused(answer, 429, "2 requests a minute")
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert desk.post(body("zeek", {}), "zeek").status_code == 202


# --- what is refused ----------------------------------------------------------------------------------------------------


def test_an_unknown_source_is_told(desk: HookDesk) -> None:
    """404 names the known ones, with a token and without, and never runs what stands in the path."""
    for path in ("", "/token", "?token=x"):
        refused(desk.post(alert(), "zeke", path), 404, "zeek", "suricata")
    refused(desk.post(alert(), "shape"), 404)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text/plain", "text/plain"),
        ("application/x-www-form-urlencoded", "application/json"),
        ("multipart/form-data; boundary=x", "application/json"),
        ("text/csv", "application/json"),
        ("application/json; charset=utf-16", "utf-16"),
        ("application/json; charset=latin-1", "latin-1"),
        ("\x01;;=", "application/json"),
    ],
)
def test_another_content_type_or_charset_is_refused(desk: HookDesk, content: str, words: str) -> None:
    """415 says what is taken."""
    headers = {"Authorization": "Bearer a bearer token", "Content-Type": content}
    refused(desk.post(alert(), headers=headers), 415, words)
    assert desk.inbox.figures()["alerts"] == 0


@pytest.mark.parametrize(
    "content",
    ["application/json", 'Application/JSON; Charset="UTF-8"', "application/x-ndjson", "application/vnd.x+json"],
)
def test_json_by_its_other_names_is_taken(desk: HookDesk, content: str) -> None:
    """Senders write it in many ways."""
    headers = {"Authorization": "Bearer a bearer token", "Content-Type": content}
    assert desk.post(alert(), headers=headers).status_code == 202


def test_csv_is_taken_from_the_source_that_sends_it(desk: HookDesk) -> None:
    """Palo Alto's; nobody else's."""
    headers = {"Authorization": "Bearer a bearer token", "Content-Type": "text/csv"}
    assert desk.post(body("paloalto", {"base": "csv"}), "paloalto", headers=headers).status_code == 202
    refused(desk.post(body("zeek", {}), "zeek", headers=headers), 415)


def test_a_compressed_body_is_refused(desk: HookDesk) -> None:
    """What it would be unpacked to is not bounded."""
    refused(
        desk.post(alert(), headers={"Authorization": "Bearer a bearer token", "Content-Encoding": "gzip"}),
        415,
        "Content-Encoding",
    )


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_long_is_not_read(desk: HookDesk, declared: bool) -> None:
    """413 for a Content-Length beyond the limit, and for a stream that grows beyond it; never the whole of it in memory."""

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * (1 << 16)

    refused(desk.post(b" " * (MAX_BYTES + 1) if declared else stream()), 413, str(MAX_BYTES))


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (b"", 422, "no alert"),
        (b"{", 422, "not JSON"),
        (b"not json", 422, "not JSON"),
        (b"[" * 10_000 + b"]" * 10_000, 422, "nested too deeply"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 422, "nested too deeply"),
        (b'{"host": "\xff"}', 400, "not UTF-8"),
        (json.dumps(alert()).encode("utf-16"), 400, "not UTF-8"),
        (b"null", 422, "no object"),
        (b"[]", 422, "no alert"),
        (b'{"host": NaN}', 422, "NaN"),
        (b"{}\n" * 1001, 422, "at most 1000"),
        (json.dumps(alert(host=None)).encode(), 422, "host"),
        (json.dumps(alert(host="nobody")).encode(), 422, "inventory/hosts.yaml"),
        (json.dumps(alert(host="10.9.9.9")).encode(), 422, "10.9.9.9"),
        (json.dumps(alert(extra=1)).encode(), 422, "extra"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_bad_body_is_told(desk: HookDesk, raw: bytes, status: int, words: str) -> None:
    """Each says what is wrong with it; nothing is stored."""
    refused(desk.post(raw), status, words)
    assert desk.inbox.figures() == {"alerts": 0, "incidents": 0, "open": 0, "orders": 0}


def test_hostile_text_comes_back_inert(desk: HookDesk) -> None:
    """A name with terminal controls and bidi overrides is escaped in the answer."""
    answer = desk.post(alert(host="\x1b[2J\u202ename"))
    refused(answer, 422)
    assert (
        "\\u001b" not in answer.text
        and "\u202e" not in answer.text
        and "\\x1b[2J" in answer.json()["refused"][0]["error"]
    )


def test_files_that_are_broken_now_are_no_fault_of_the_senders(
    desk: HookDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """503: it sends again, and the owner reads in the log what is wrong."""
    policy = desk.folder / "inventory" / "policy.yaml"
    whole = policy.read_text()
    policy.write_text(whole + "\nnonsense: 1\n")
    answer = desk.post(alert())
    refused(answer, 503)
    assert answer.headers["Retry-After"] and "nonsense" in caplog.text and "nonsense" not in answer.text
    policy.write_text(whole)
    assert desk.post(alert()).status_code == 202


def test_a_disk_that_is_full_takes_nothing(desk: HookDesk) -> None:
    """507, all or nothing, and the same body is taken once there is room."""
    (limit,) = desk.inbox._db.execute("PRAGMA page_count").fetchone()
    desk.inbox._db.execute(f"PRAGMA max_page_count = {limit}")
    many = [
        alert(id=f"a-{number}", rule=f"{number} " + "x" * 900, remote_ip=f"203.0.113.{number}") for number in range(200)
    ]
    refused(desk.post(many), 507, "nothing was taken")
    assert desk.inbox.figures()["alerts"] == 0
    desk.inbox._db.execute("PRAGMA max_page_count = 100000")
    assert desk.post(many).json()["accepted"] == 200


def test_a_refused_alert_is_told_to_the_owner_too(desk: HookDesk, caplog: pytest.LogCaptureFixture) -> None:
    """A sender that reads no answers must not be the only one who knows."""
    desk.post([alert(), alert(host="nobody", id="a-2")])
    assert "plain: an alert was refused" in caplog.text and "nobody" in caplog.text
    assert "bearer token" not in caplog.text
