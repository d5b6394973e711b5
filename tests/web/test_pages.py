"""What a person reads on the pages and what comes of their orders; text of an attacker stays text."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from flows.inbox import Item
from flows.web.app import create
from flows.web.context import Context
from tasks.audit import audit
from tasks.model import Alert
from tests.patience import BUSY
from tests.report.scene import REMOTE
from tests.report.stories import STORIES
from tests.report.story import Story
from tests.web.house import Reader, over, tell

DIGEST = "c1ea" * 16


def listed(reader: Reader, query: str = "") -> list[str]:
    """The incidents that the list shows, in its order."""
    return re.findall(r'<a href="/incidents/([a-z]+)"><strong>', reader.get(f"/incidents{query}").text)


FILTERS = {
    "": None,
    "?host=WEB": None,
    "?host=db": [],
    "?remote=203.0.113.66": None,
    "?remote=198.51": [],
    "?outcome=refused": ["declined", "refused"],
    "?outcome=running": ["failed", "whole"],
    "?outcome=waiting": ["evil", "waiting", "unsure"],
    "?verdict=rejected": ["rejected"],
    "?verdict=unsure": ["unsure"],
    "?since=2026-03-20": ["undone", "dirty", "declined"],
    "?until=2026-03-14": ["evil", "whole"],
    "?since=2026-03-15&until=2026-03-16": ["unsure", "rejected"],
    "?since=yesterday": None,
    "?text=onmouseover": ["evil"],
    "?text=DECLINED": ["declined"],
    "?outcome=refused&text=decl": ["declined"],
    "?unknown=1": None,
}


@pytest.mark.parametrize("query", FILTERS)
def test_filters(reader: Reader, query: str) -> None:
    """Each filter leaves what fits, newest first; what is no filter leaves everything."""
    reader.log_in("vera")
    everything = {
        "whole",
        "rejected",
        "unsure",
        "refused",
        "failed",
        "waiting",
        "declined",
        "dirty",
        "undone",
        "evil",
        "damaged",
    }
    shown = listed(reader, query)
    wanted = FILTERS[query]
    if wanted is None:
        assert everything - set(shown) <= {"damaged"}
    else:
        assert set(shown) - {"damaged"} == set(wanted)


def test_the_list_in_pages(tmp_path: Path, house: Context) -> None:
    """Fifty on a page, and the next page goes on where this one ends."""
    reports = tmp_path / "many"
    for number in range(53):
        (reports / f"i{number:03}").mkdir(parents=True)
        (reports / f"i{number:03}" / "journal.jsonl").write_bytes(
            (house.reports / "refused" / "journal.jsonl").read_bytes()
        )
    reader = Reader(create(over(house, reports))).log_in("vera")
    first = reader.get("/incidents?outcome=refused").text
    assert first.count('class="state"') == 50
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = reader.get(following[1].replace("&amp;", "&")).text
    assert re.findall(r'href="/incidents/(i\d+)"', second) == ["i002", "i001", "i000"]
    assert reader.get("/incidents?number=99").text.count('class="state"') == 3


@pytest.mark.parametrize(("number", "status"), [("abc", 400), ("-5", 200), ("0", 200), ("9" * 40, 200), ("1e3", 400)])
def test_any_page_number(reader: Reader, number: str, status: int) -> None:
    """What is no number is a plain page that says so; what is no page's number is the nearest page."""
    said = reader.log_in("vera").get(f"/incidents?number={number}")
    assert (said.status_code, said.headers["content-type"]) == (status, "text/html; charset=utf-8")


def test_a_damaged_incident_is_shown_as_such(reader: Reader) -> None:
    """It is in the list with what is wrong, and its page says the same; neither says that anything is well."""
    reader.log_in("vera")
    assert "journal cannot be read" in reader.get("/incidents").text
    said = reader.get("/incidents/damaged")
    assert said.status_code == 409
    assert "do not resume this incident" in said.text


def test_a_journal_that_cannot_be_opened_is_told(reader: Reader, tmp_path: Path) -> None:
    """As one that root wrote, or that somebody takes away at this moment: a plain page, and no traceback in the log."""
    (tmp_path / "reports").unlink()
    (tmp_path / "reports" / "odd" / "journal.jsonl").mkdir(parents=True)
    said = reader.log_in("vera").get("/incidents/odd")
    assert said.status_code == 409 and "Is a directory" in said.text and str(tmp_path) not in said.text


@pytest.mark.parametrize("name", ["none", "..", "%2e%2e", ".hidden", "a%2fb", "x" * 300, "a%00b"])
def test_what_is_no_incident(reader: Reader, name: str) -> None:
    """No name leads out of the reports, and an unknown one is a plain page."""
    said = reader.log_in("vera").get(f"/incidents/{name}")
    assert said.status_code in (404, 405, 303)
    assert "Traceback" not in said.text


SAID = {
    "waiting": (
        "approval needed: cleanup",
        "Approve cleanup? 3 action(s)",
        "✓ contained since",
        "put the line back",
        "cannot be undone",
    ),
    "declined": ("stopped at cleanup: refused", "talk to the owner, then resume", "Go on"),
    "refused": ("stopped at block: refused", "not blocked", "203.0.113.66 is the runner"),
    "unsure": ("stopped at confirm: waits for approval", "not blocked", "The host was not looked at"),
    "rejected": ("next: block", "rejected", "known-good destination"),
    "dirty": ("stopped at verify: failed", "read the firewall", "the beacon still talks"),
    "undone": ("block taken back", "taken back"),
    "failed": ("running: block", "begun, no receipt"),
    "whole": ("T1053.003", "a cron line starts it every minute", "5ea15ea1", "The hashes were not checked", "王小明"),
}


@pytest.mark.parametrize("story", SAID)
def test_one_incident(reader: Reader, story: str) -> None:
    """State, what to do next, findings, card, evidence, by the incident's own records."""
    text = reader.log_in("ada").get(f"/incidents/{story}").text
    assert [words for words in SAID[story] if words not in text] == []


def test_in_chinese(reader: Reader) -> None:
    """By the browser's wish, or the reader's own, which is remembered."""
    reader.log_in("ada")
    assert "等待审批：清除" in reader.get("/incidents/waiting", accept_language="fr, zh-CN;q=0.9, en;q=0.5").text
    assert "approval needed" in reader.get("/incidents/waiting", accept_language="fr, en-GB;q=0.9, zh;q=0.5").text
    said = reader.get("/language/zh?back=%2Fincidents%2Fwaiting")
    assert said.headers["location"] == "/incidents/waiting"
    text = reader.get("/incidents/waiting", accept_language="en").text
    assert '<html lang="zh-CN">' in text
    assert "批准清除" in text
    assert reader.get("/language/xx").status_code == 404


@pytest.mark.parametrize(
    "path", ["/incidents", "/incidents/evil", "/search?q=kworkerd", "/search?q=%3Cscript", "/compare?id=evil&id=whole"]
)
def test_an_attackers_text_stays_text(reader: Reader, path: str) -> None:
    """No tag, attribute, control or bidi sign of theirs reaches the page; nothing of them is lost either."""
    text = reader.log_in("ada").get(path).text
    assert re.findall(r"<script(?! src=\"/static/)", text) == []
    assert (
        re.findall(
            r"<(?:img|style|svg onload)|\sonmouseover=|\sonerror=(?!&)", re.sub(r"&#\d+;|&\w+;", "", _unquoted(text))
        )
        == []
    )
    assert re.findall("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x1b]", text) == []
    if path == "/incidents/evil":
        assert "&lt;script&gt;window.pwned=1" in text
        assert "\\u202egpj.exe" in text


def _unquoted(text: str) -> str:
    """The page's markup without the values of its attributes and without its text."""
    return " ".join(re.sub(r'"[^"]*"', '""', tag) for tag in re.findall(r"<[^>]*>", text))


def test_the_report_is_shut_in(reader: Reader) -> None:
    """The live report is one file in a sandbox: nothing runs, nothing is fetched, nothing is sent."""
    said = reader.log_in("vera").get("/incidents/evil/report")
    assert said.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "called home" in said.text


def test_files_to_take_away(reader: Reader, tmp_path: Path, house: Context) -> None:
    """The journal byte for byte; nothing else of the folder, and no link out of it."""
    reader.log_in("vera")
    said = reader.get("/incidents/whole/files/journal.jsonl")
    assert said.content == (house.reports / "whole" / "journal.jsonl").read_bytes()
    assert said.headers["content-disposition"].startswith("attachment")
    for name in ("report.md", "manifest.json", "evidence", "..%2fwhole%2fjournal.jsonl", "journal.jsonl.part"):
        assert reader.get(f"/incidents/whole/files/{name}").status_code == 404


def test_every_hash_on_demand(reader: Reader, house: Context) -> None:
    """The check says what `hemostat verify` says, and the incident's page then says when it was made."""
    reader.log_in("vera")
    text = reader.get("/incidents/whole/verify").text
    checks = audit(house.reports / "whole")
    bad = sum(c.result != "pass" for c in checks)
    assert f"{bad} of {len(checks)} are not known to be as written" in text
    assert f"{len(checks) - bad} of {len(checks)} as written, checked" in reader.get("/incidents/whole").text


def test_compare(reader: Reader) -> None:
    """What both have comes first; what only one has says whose."""
    reader.log_in("vera")
    text = reader.get("/compare?id=whole&id=dirty").text
    assert text.count('<span class="pill bad">both</span>') == 4
    assert "only A" in reader.get("/compare?id=whole&id=failed").text
    assert "only B" in reader.get("/compare?id=failed&id=whole").text
    assert reader.get("/compare?id=whole&id=none").status_code == 404
    assert "<select" in reader.get("/compare").text


def test_search(reader: Reader) -> None:
    """All words, any case, over every incident; what is searched for is not markup."""
    reader.log_in("vera")
    assert "6 findings" in reader.get("/search?q=CRON").text
    assert "6 findings" in reader.get("/search?q=t1053+crontabs").text
    assert "0 findings" in reader.get("/search?q=cron+nothing").text
    assert reader.get(f"/search?q={quote('<img src=x>')}").text.count("<img") == 0


def test_figures(reader: Reader) -> None:
    """Counts and medians as the journals have them; the pictures have words and numbers beside them; drills count on demand."""
    reader.log_in("vera")
    text = reader.get("/metrics").text
    assert 'role="img"' in text
    assert "Drills are left out" in text
    every = reader.get("/metrics?drills=1").text
    rows = re.findall(r'<th scope="row">(\d{4}-\d\d-\d\d)</th><td class="number">(\d+)</td>', every)
    assert rows == [
        ("2026-03-14", "2"),
        *((f"2026-03-{day}", "1") for day in range(15, 23)),
    ]
    assert "<b>13.2 s</b>" in text


def test_an_order_is_taken_then_followed(reader: Reader, house: Context) -> None:
    """The page answers once the order is on the disk, shows it as ordered, takes the card away, and shows what became of it."""
    reader.log_in("ada")
    said = reader.send(
        "/incidents/waiting", "/incidents/waiting/approve", step="cleanup", digest=DIGEST, reason="checked <b>"
    )
    assert (said.status_code, said.headers["location"]) == (303, "/incidents/waiting#orders")
    (order,) = house.inbox.orders("waiting")
    assert (order.kind, order.who, order.arguments) == ("approve", "ada", {"digest": DIGEST, "reason": "checked <b>"})
    text = reader.get("/incidents/waiting").text
    assert [
        w for w in ("It is on the disk and will be applied", "An answer is taken", "checked &lt;b&gt;") if w not in text
    ] == []
    assert "Approve cleanup?" not in text
    house.inbox.done(order.id, "approved")
    assert "will be applied" not in reader.get("/incidents/waiting").text


def test_a_double_click_is_one_order(reader: Reader, house: Context) -> None:
    """The same form sent twice asks once."""
    reader.log_in("ada")
    fields = {"token": reader.token("/incidents/waiting"), "once": "abc", "step": "cleanup", "digest": DIGEST}
    for _ in range(2):
        assert reader.http.post("/incidents/waiting/approve", data=fields).status_code == 303
    assert len(house.inbox.orders("waiting")) == 1


REFUSED = {
    "another plan": (
        "waiting",
        "approve",
        {"step": "cleanup", "digest": "0" * 64},
        "The plan has changed since you saw it",
    ),
    "no plan": ("waiting", "approve", {"digest": DIGEST}, "This no longer waits for an answer"),
    "answered": ("declined", "approve", {"step": "cleanup", "digest": DIGEST}, "This no longer waits"),
    "a step that did not run": ("waiting", "redo", {"step": "report"}, "This is no longer possible"),
    "a made-up step": ("waiting", "redo", {"step": "<b>"}, "This is no longer possible"),
    "a made-up guard": ("waiting", "undo", {"step": "block", "override": "never-block"}, "This is no longer possible"),
    "nothing to undo": ("refused", "undo", {"step": "block"}, "This is no longer possible"),
    "resume of a question": ("waiting", "resume", {}, "This is no longer possible"),
    "redo while it runs": ("failed", "redo", {"step": "confirm"}, "This is no longer possible"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_longer_so_is_not_ordered(reader: Reader, house: Context, case: str) -> None:
    """An answer to another plan, or a wish that the page does not offer now: refused with an explanation, and nothing is ordered."""
    story, kind, fields, words = REFUSED[case]
    said = reader.log_in("ada").send("/incidents", f"/incidents/{story}/{kind}", **fields)
    assert said.status_code == 409
    assert words in said.text
    assert "Nothing was done" in said.text
    assert house.inbox.orders(story) == []


@pytest.mark.parametrize("kind", ["reject", "skip", "undo"])
def test_what_takes_something_away_needs_a_reason(reader: Reader, house: Context, kind: str) -> None:
    """The page asks for one, and who sends the form without it, or with spaces alone, orders nothing."""
    fields = {"step": "block" if kind == "undo" else "cleanup", "digest": DIGEST, "reason": "  "}
    said = reader.log_in("ada").send("/incidents", f"/incidents/waiting/{kind}", **fields)
    assert (said.status_code, "A reason is needed" in said.text) == (422, True)
    assert house.inbox.orders("waiting") == []


def test_an_undo_names_its_guard(reader: Reader, house: Context) -> None:
    """Before a passed verification the page offers to lift that guard by its name, and the order carries it."""
    reader.log_in("ada")
    assert 'value="unverified"' in reader.get("/incidents/waiting").text
    fields: dict[str, str | list[str]] = {"step": ["block"], "override": ["unverified"], "reason": "it is ours"}
    reader.send("/incidents/waiting", "/incidents/waiting/undo", **fields)
    (order,) = house.inbox.orders("waiting")
    assert order.arguments == {"steps": ["block"], "overrides": ["unverified"], "reason": "it is ours"}


def test_a_full_disk_is_said(reader: Reader, house: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken, and the person reads why and what to do."""
    reader.log_in("ada")
    token = reader.token("/incidents/waiting")
    house.inbox._db.execute("PRAGMA max_page_count = 1")
    fields = {"token": token, "step": "cleanup", "digest": DIGEST, "reason": "x" * 400}
    answers = {
        reader.http.post("/incidents/waiting/approve", data={**fields, "once": str(n)}).status_code for n in range(40)
    }
    assert 507 in answers
    said = reader.http.post("/incidents/waiting/approve", data={**fields, "once": "last"})
    assert "make room on this disk" in said.text


def test_an_alert_that_is_taken_and_not_begun(reader: Reader, house: Context) -> None:
    """Its incident is in the list and has a page from the moment the alert is on the disk; a second alert links to it."""
    alert = Alert("suricata", "1", "192.0.2.17", REMOTE, "ET <b>MALWARE", datetime(2026, 4, 1, tzinfo=UTC))
    (first,) = house.inbox.accept([Item(alert, "web-7", "beacon", "ids")])
    reader.log_in("vera")
    text = reader.get("/incidents").text
    assert f"/incidents/{first.incident}" in text
    page = reader.get(f"/incidents/{first.incident}")
    assert page.status_code == 200
    assert "taken, begins at once" in page.text
    assert "ET &lt;b&gt;MALWARE" in page.text
    made = over(house, house.folder / "own")
    (made.reports / first.incident).mkdir(parents=True)
    (made.reports / first.incident / "journal.jsonl").touch()
    (made.reports / "died").mkdir()
    (made.reports / "died" / "journal.jsonl").touch()
    early = Reader(create(made)).log_in("vera")
    assert "taken, begins at once" in early.get(f"/incidents/{first.incident}").text
    assert early.get("/incidents").text.count("journal cannot be read") == 1
    assert "died before anything was done" in early.get("/incidents/died").text


def test_the_stamp_changes_with_the_journal_and_the_orders(tmp_path: Path, house: Context) -> None:
    """A page that looks again by itself sees a new record and a new order, and nothing else."""
    reports = tmp_path / "own"
    folder = tell(reports, "waiting", "mine")
    reader = Reader(create(over(house, reports))).log_in("ada")
    stamps = [reader.get("/incidents/mine/stamp").text for _ in range(2)]
    lists = [reader.get("/incidents/stamp").text]
    reader.send("/incidents/mine", "/incidents/mine/approve", step="cleanup", digest=DIGEST)
    stamps.append(reader.get("/incidents/mine/stamp").text)
    with (folder / "journal.jsonl").open("ab") as journal:
        journal.write(b"\n")
    stamps.append(reader.get("/incidents/mine/stamp").text)
    lists.append(reader.get("/incidents/stamp").text)
    assert (len(set(stamps)), stamps[0] == stamps[1], len(set(lists))) == (3, True, 2)


def test_a_thousand_incidents_answer_fast(tmp_path: Path, house: Context) -> None:
    """Once read, the list of a thousand is there in a moment, with any filter."""
    reports = tmp_path / "thousand"
    story = Story(tmp_path / "one")
    STORIES["by_hand"](story)
    story.end()
    journal = (tmp_path / "one" / "journal.jsonl").read_bytes()
    for number in range(1000):
        (reports / f"i{number:04}").mkdir(parents=True)
        (reports / f"i{number:04}" / "journal.jsonl").write_bytes(journal)
    reader = Reader(create(over(house, reports))).log_in("vera")
    reader.get("/incidents")
    begun = time.process_time()  # what it costs, however busy the machine is: about a third of a second
    assert reader.get("/incidents?text=web-7").text.count('class="state"') == 50
    assert time.process_time() - begun < 0.5 * BUSY


def test_static_files_are_ours_alone(reader: Reader) -> None:
    """Style, script and picture by name; no other file, and no name leads out."""
    for name, kind in (
        ("pages.css", "text/css"),
        ("report.css", "text/css"),
        ("live.js", "text/javascript"),
        ("icon.svg", "image/svg"),
    ):
        said = reader.get(f"/static/{name}")
        assert (said.status_code, said.headers["content-type"].startswith(kind)) == (200, True)
    for name in ("..%2fpages.py", "words.yaml", ".."):
        assert reader.get(f"/static/{name}").status_code in (404, 303)


def test_the_pages_are_no_part_of_the_interface(reader: Reader) -> None:
    """OpenAPI tells of the webhook, not of pages for people."""
    paths = json.loads(reader.get("/openapi.json").text)["paths"]
    assert [path for path in paths if not path.startswith("/alerts")] == []


class Up:
    """Prefect's server as the worker knows it, while it answers."""

    ui = "http://127.0.0.1:4217"

    def __init__(self, answers: bool) -> None:
        self.answers = answers

    def ready(self) -> bool:
        return self.answers

    def wait(self, seconds: float) -> bool:
        return self.answers


@pytest.mark.parametrize("answers", [True, False])
def test_prefects_page_is_linked_while_it_is_up(reader: Reader, house: Context, answers: bool) -> None:
    """A link to the very run; none that leads nowhere."""
    house.worker.prefect = Up(answers)
    text = reader.log_in("vera").get("/incidents/whole").text
    assert ('href="http://127.0.0.1:4217/runs/flow-run/clever-otter"' in text) is answers


def test_what_was_not_done_is_said_in_red(reader: Reader, house: Context) -> None:
    """An order that a guard refused is not shown like one that was followed; the guard's word is then offered."""
    order = house.inbox.order("undone", "undo", {"steps": ["cleanup"]}, "ada")
    house.inbox.done(order, "not done: refused by the guard shared-block. If you are sure: --override shared")
    text = reader.log_in("ada").get("/incidents/undone").text
    assert '<span class="pill bad">not done</span>' in text
    assert 'name="override" value="shared"' in text
