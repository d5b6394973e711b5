"""Who gets in and what they may: login, sessions, roles, form tokens, the proxy's word, guessing, headers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from flows.web import auth, sessions, views_incident
from flows.web.app import create
from flows.web.auth import Gate, Limit, TooMany
from flows.web.context import Context
from flows.web.sessions import Sessions
from tasks.secrets import Secret
from tasks.serving import Serve
from tests.web.house import PEOPLE, InProcess, Reader

PAGES = (
    "/incidents",
    "/incidents/waiting",
    "/incidents/waiting/report",
    "/incidents/waiting/stamp",
    "/incidents/stamp",
)
PAGES += (
    "/incidents/waiting/files/journal.jsonl",
    "/incidents/waiting/verify",
    "/compare",
    "/metrics",
    "/search?q=cron",
)


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_anything(reader: Reader, path: str) -> None:
    """Without a login every page leads to the login page and shows nothing of an incident."""
    said = reader.get(path)
    assert (said.status_code, said.headers["location"].startswith("/login?back=")) == (303, True)
    assert "203.0.113" not in said.text


@pytest.mark.parametrize("path", ["/login", *PAGES])
def test_every_answer_is_closed(reader: Reader, path: str) -> None:
    """No script or style but our own files, no frame, no cache, no guess at the type, no address told to others."""
    reader.log_in("vera")
    told = reader.get(path).headers
    policy = told["content-security-policy"]
    assert policy.startswith(("default-src 'none'", "sandbox; default-src 'none'"))
    assert "script-src 'unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert told["x-frame-options"] == "DENY"
    assert told["x-content-type-options"] == "nosniff"
    assert told["referrer-policy"] == "same-origin"
    assert told["cache-control"] == "no-store"


def test_a_session_begins_and_ends(reader: Reader, house: Context) -> None:
    """The cookie is closed to scripts and other sites, and is worth nothing after the logout, also for who kept a copy."""
    said = reader.send("/login", "/login", secret="a long token of rosa", back="/metrics")
    assert said.headers["location"] == "/metrics"
    (cookie,) = [c for c in said.headers.get_list("set-cookie") if c.startswith("hemostat=")]
    assert [part for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200") if part not in cookie] == []
    kept = reader.http.cookies["hemostat"]
    assert reader.get("/incidents").status_code == 200
    reader.send("/incidents/waiting", "/logout")
    thief = Reader(create(house))
    thief.http.cookies.set("hemostat", kept)
    assert thief.get("/incidents").status_code == 303


def test_with_tls_the_cookie_is_secure(house: Context) -> None:
    """Over TLS the cookie never travels in the clear, and no other host can set it."""
    reader = Reader(create(house), scheme="https")
    said = reader.send("/login", "/login", secret="a long token of rosa")
    (cookie,) = [c for c in said.headers.get_list("set-cookie") if "hemostat=" in c]
    assert cookie.startswith("__Host-hemostat=")
    assert "Secure" in cookie


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\tevil"]
)
def test_a_login_leads_nowhere_else(reader: Reader, back: str) -> None:
    """The address to go back to is one of ours, whatever a link says."""
    said = reader.send("/login", "/login", secret="a long token of vera", back=back)
    assert said.headers["location"] == "/incidents"


def test_a_wrong_token_says_nothing(reader: Reader) -> None:
    """Neither who exists nor what was sent is told."""
    said = reader.send("/login", "/login", secret="vera or <b>not</b>")
    assert said.status_code == 403
    assert "No one has this token" in said.text
    assert "not</b>" not in said.text


def test_guessing_is_slowed(reader: Reader) -> None:
    """After ten wrong tokens from one address not even the right one is looked at; another address is not in the way."""
    for _ in range(auth.TRIES):
        assert reader.send("/login", "/login", secret="guess").status_code == 403
    said = reader.send("/login", "/login", secret="a long token of vera")
    assert said.status_code == 429
    assert 0 < int(said.headers["retry-after"]) <= auth.WITHIN + 1
    assert reader.get("/incidents", Authorization="Bearer a long token of vera").status_code == 429
    other = Reader(reader.app, "198.51.100.8")
    other.log_in("vera")


def test_behind_a_proxy_the_guesser_is_whom_it_names_last(house: Context) -> None:
    """Also where it adds a line of its own (HAProxy): what stood there before is the guesser's word, another one each time."""
    reader = Reader(create(replace(house, serve=replace(house.serve, behind_proxy="192.0.2.80"))), "192.0.2.80")
    for number in range(auth.TRIES + 1):
        made_up = [("X-Forwarded-For", f"203.0.113.{number}"), ("X-Forwarded-For", "198.51.100.9")]
        said = reader.http.get("/incidents", headers=[("Authorization", "Bearer guess"), *made_up])
    assert said.status_code == 429


@pytest.mark.parametrize(
    ("peers", "same"), [(("2001:db8::1", "2001:db8::2"), True), (("192.0.2.1", "192.0.2.2"), False)]
)
def test_an_ipv6_customer_is_one_guesser(peers: tuple[str, str], same: bool) -> None:
    """One /64 belongs to one customer: its addresses share one count."""
    limit = Limit()
    for _ in range(auth.TRIES):
        limit.failed(peers[0])
    assert _stopped(lambda: limit.check(peers[1])) is same


def test_the_limit_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a guesser may try again, and the memory for guessers is bounded."""
    now = [0.0]
    limit = Limit(lambda: now[0])
    monkeypatch.setattr(auth, "PEERS", 3)
    for _ in range(auth.TRIES):
        limit.failed("192.0.2.1")
    assert _stopped(lambda: limit.check("192.0.2.1"))
    now[0] = auth.WITHIN + 1
    limit.check("192.0.2.1")
    for _ in range(auth.TRIES):
        limit.failed("192.0.2.1")
    now[0] = -86_400.0  # the clock was a day ahead: nobody is shut out for that day
    limit.check("192.0.2.1")
    for number in range(5):
        limit.failed(f"192.0.2.{number}")
    assert len(limit._failed) == 3


def _stopped(do: Callable[[], object]) -> bool:
    try:
        do()
    except TooMany:
        return True
    return False


ORDERS = {
    "resume": {},
    "redo": {"step": "triage", "reason": "again"},
    "skip": {"step": "cleanup", "reason": "by hand"},
    "undo": {"step": "block", "reason": "ours", "override": "unverified"},
    "approve": {"step": "cleanup", "digest": "c1ea" * 16},
    "reject": {"step": "cleanup", "digest": "c1ea" * 16, "reason": "no"},
}


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("name", PEOPLE)
def test_roles(reader: Reader, house: Context, name: str, kind: str) -> None:
    """A viewer orders nothing, a responder no approval and no undo; what a role may not do is a plain 403, and nothing is ordered."""
    story = "declined" if kind == "resume" else "waiting"
    said = reader.log_in(name).send("/incidents/waiting", f"/incidents/{story}/{kind}", **ORDERS[kind])
    may = auth.ROLES.index(PEOPLE[name].role) >= auth.ROLES.index(auth.NEEDS[kind])
    assert said.status_code == (303 if may else 403), said.text
    orders = house.inbox.orders(story)
    assert [(o.kind, o.who) for o in orders] == ([(kind, name)] if may else [])
    if not may:
        assert PEOPLE[name].role in said.text


@pytest.mark.parametrize(("name", "status"), [("rosa", 403), ("ada", 303)])
def test_a_guard_is_lifted_by_who_may_approve(reader: Reader, house: Context, name: str, status: int) -> None:
    """Else a responder's redo with `never-block` would do what no responder may say yes to."""
    first = house.inbox.order("refused", "resume", {}, "ada")
    house.inbox.done(first, "not done: refused; if you are sure: --override never-block")
    page = reader.log_in(name).get("/incidents/refused").text
    assert ('value="never-block"' in page) is (name == "ada")
    said = reader.send("/incidents/refused", "/incidents/refused/redo", step="confirm", override="never-block")
    assert said.status_code == status, said.text
    assert [o.kind for o in house.inbox.orders("refused")[1:]] == (["redo"] if status == 303 else [])


def test_a_viewer_is_offered_nothing(reader: Reader) -> None:
    """What one may not do is not on the page, and the page says who may."""
    text = reader.log_in("vera").get("/incidents/waiting").text
    assert "/incidents/waiting/approve" not in text
    assert "An approver may" in text


def test_a_form_from_elsewhere_is_refused(reader: Reader, house: Context) -> None:
    """Without our token, with another person's, or sent by another site's page: 403, and nothing is ordered."""
    reader.log_in("ada")
    token = reader.token("/incidents/waiting")
    other = Reader(reader.app).log_in("ada").token("/incidents/waiting")
    good = ORDERS["approve"]
    tries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"token": ""}, {}),
        ({"token": "x" * 43}, {}),
        ({"token": other}, {}),
        ({"token": token}, {"Origin": "https://evil.example"}),
        ({"token": token}, {"Origin": "null"}),
        ({"token": token}, {"Origin": "http://["}),
        ({"token": token}, {"Sec-Fetch-Site": "cross-site"}),
        ({"token": token}, {"Sec-Fetch-Site": "same-site"}),
    ]
    for fields, headers in tries:
        said = reader.http.post("/incidents/waiting/approve", data={**good, **fields}, headers=headers)
        assert said.status_code == 403, (fields, headers)
    assert house.inbox.orders("waiting") == []
    same = {"Origin": "http://pages.example", "Sec-Fetch-Site": "same-origin"}
    assert (
        reader.http.post("/incidents/waiting/approve", data={**good, "token": token}, headers=same).status_code == 303
    )


def test_login_and_logout_want_the_token_too(reader: Reader) -> None:
    """Nobody is logged in as somebody else, or out, by another site's form."""
    assert reader.http.post("/login", data={"secret": "a long token of ada"}).status_code == 403
    reader.log_in("ada")
    assert reader.http.post("/logout", data={"token": "x"}).status_code == 403
    assert reader.get("/incidents").status_code == 200


def test_bearer(house: Context) -> None:
    """A program orders with its token and no form; a wrong one gets 401 and is told how."""
    program = Reader(create(house))
    good = {"Authorization": "Bearer a long token of ada"}
    said = program.http.post("/incidents/waiting/approve", data=ORDERS["approve"], headers=good)
    assert (said.status_code, said.json()["order"]) == (202, house.inbox.orders("waiting")[0].id)
    wrong = program.get("/incidents", Authorization="Bearer nobody")
    assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, 'Bearer realm="hemostat"')


@pytest.mark.parametrize(
    ("peer", "headers", "who"),
    [
        ("192.0.2.80", {"X-User": "petra", "X-Role": "approver"}, ("petra", "approver")),
        ("::ffff:192.0.2.80", {"X-User": "petra", "X-Role": "viewer"}, ("petra", "viewer")),
        ("192.0.2.80", {"X-User": "petra", "X-Role": "root"}, None),
        ("192.0.2.80", {"X-User": "petra"}, None),
        ("192.0.2.80", {"X-User": "<b>", "X-Role": "viewer"}, None),
        ("192.0.2.81", {"X-User": "petra", "X-Role": "approver"}, None),
    ],
)
def test_the_proxys_word(house: Context, peer: str, headers: dict[str, str], who: tuple[str, str] | None) -> None:
    """The headers count from the proxy's own address alone, and only with a role that there is."""
    served = replace(house.serve, behind_proxy="192.0.2.80", user_header="X-User", role_header="X-Role")
    said = Reader(create(replace(house, serve=served)), peer).http.get("/incidents", headers=headers)
    assert said.status_code == (200 if who else 303)
    assert all(word in said.text for word in who or ())


def test_a_header_that_comes_twice_is_nobodys(house: Context) -> None:
    """Somebody added a second one before the proxy did."""
    served = replace(house.serve, behind_proxy="192.0.2.80", user_header="X-User", role_header="X-Role")
    twice = [("X-User", "petra"), ("X-User", "ada"), ("X-Role", "approver")]
    assert (
        Reader(create(replace(house, serve=served)), "192.0.2.80").http.get("/incidents", headers=twice).status_code
        == 303
    )


def test_behind_a_proxy_forms_are_guarded_too(house: Context) -> None:
    """The browser is let in by the proxy without asking: only the form's token tells our page from another's."""
    served = replace(house.serve, behind_proxy="192.0.2.80", user_header="X-User", role_header="X-Role")
    reader = Reader(create(replace(house, serve=served)), "192.0.2.80")
    reader.http.headers.update({"X-User": "petra", "X-Role": "approver"})
    assert reader.http.post("/incidents/waiting/approve", data=ORDERS["approve"]).status_code == 403
    assert reader.send("/incidents/waiting", "/incidents/waiting/approve", **ORDERS["approve"]).status_code == 303
    assert house.inbox.orders("waiting")[0].who == "petra"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a=1" for _ in range(500)), "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe=1", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
        (b"", "", 415),
    ],
)
def test_forms_are_bounded(reader: Reader, body: bytes, kind: str, status: int) -> None:
    """Too large, too many fields, no text, no form: a plain page with a reason."""
    reader.log_in("ada")
    said = reader.http.post("/incidents/waiting/approve", content=body, headers={"Content-Type": kind})
    assert (said.status_code, "Nothing was done" in said.text) == (status, True)


def test_a_session_is_over_in_time_and_with_its_token(tmp_path: Path) -> None:
    """Twelve hours on, or once the person's token is another, the cookie is worth nothing; a restart changes nothing."""
    now = [1000.0]
    kept = Sessions(tmp_path, lambda: now[0])
    proof = kept.digest("secret")
    cookie = kept.begin("ada", proof)
    again = Sessions(tmp_path, lambda: now[0])
    found = again.read(cookie, lambda _: proof)
    assert found is not None
    assert found.name == "ada"
    assert again.read(cookie, lambda _: again.digest("other")) is None
    assert again.read(cookie, lambda _: None) is None
    again.end(found)
    assert Sessions(tmp_path, lambda: now[0]).read(cookie, lambda _: proof) is None
    with (tmp_path / "pages.ended").open("ab") as file:
        file.write(b"a b\n\xff\0\0 1\nc nan")
    assert Sessions(tmp_path, lambda: now[0]).read(cookie, lambda _: proof) is None, "a torn line lets it in again"
    other = kept.begin("ada", proof)
    now[0] += sessions.HOURS * 3600 + 1
    assert kept.read(other, lambda _: proof) is None


@pytest.mark.parametrize("cookie", ["", ".", "a.b", "e30.x", "W10.x", "bnVsbA.x", "é.é", "=" * 5000, "A" * 5000 + ".A"])
def test_a_made_up_cookie_is_nobodys(tmp_path: Path, cookie: str) -> None:
    """Whatever stands in it, it is read as data and fits nobody."""
    assert Sessions(tmp_path).read(cookie, lambda _: b"x") is None


def test_a_changed_body_is_nobodys(tmp_path: Path) -> None:
    """A session signed for one cannot be made another's."""
    kept = Sessions(tmp_path)
    vera, ada = kept.begin("vera", b"p"), kept.begin("ada", b"p")
    mixed = f"{ada.partition('.')[0]}.{vera.partition('.')[2]}"
    assert kept.read(mixed, lambda _: b"p") is None


def test_the_key_is_the_owners_alone(tmp_path: Path) -> None:
    """Readable by nobody else, and a cut one is said."""
    Sessions(tmp_path)
    assert (tmp_path / "pages.key").stat().st_mode & 0o077 == 0
    (tmp_path / "pages.key").write_bytes(b"short")
    with pytest.raises(Exception, match="cut short"):
        Sessions(tmp_path)


def test_a_token_that_cannot_be_found_lets_nobody_in(tmp_path: Path) -> None:
    """One person's missing secret keeps nobody else out; a changed one counts within half a minute."""
    now, tokens = [1000.0], {"env:ADA": "one", "env:VERA": "v"}

    def find(reference: str) -> Secret:
        if reference not in tokens:
            from tasks.model import ConfigError

            raise ConfigError("not there")
        return Secret(tokens[reference])

    gate = Gate(Serve(people=PEOPLE), tmp_path, find, lambda: now[0])
    assert gate.log_in("one", "192.0.2.1") is not None
    tokens["env:ADA"] = "two"
    now[0] += auth.FRESH + 1
    assert gate.log_in("one", "192.0.2.1") is None
    assert gate.log_in("two", "192.0.2.1") is not None
    tokens["env:ADA"] = "three"
    now[0] -= 3600  # and so it does where the clock is put back
    assert gate.log_in("two", "192.0.2.1") is None


def test_a_fault_of_our_own_leaves_a_way(house: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that cannot be made says what to do instead, to nobody's harm; the traceback is the log's."""
    app = create(house)
    cookies = Reader(app).log_in("ada").http.cookies
    monkeypatch.setattr(views_incident, "sheet", lambda *_: {}["the fault"])
    transport = InProcess(app, "198.51.100.7", raises=False)
    with httpx.Client(transport=transport, base_url="http://pages.example", cookies=cookies) as browser:
        said = browser.get("/incidents/waiting")
    assert (said.status_code, "the fault" in said.text) == (500, False)
    assert "hemostat approve ID" in said.text and "default-src 'none'" in said.headers["content-security-policy"]


def test_a_no_is_chinese_too(reader: Reader) -> None:
    """Roles and steps within it have their Chinese names."""
    reader.log_in("vera").get("/language/zh")
    said = reader.send("/incidents", "/incidents/waiting/approve", step="cleanup", digest="c1ea" * 16)
    assert said.status_code == 403
    assert "您是 查看者，此操作需要 审批人。" in said.text
    other = Reader(reader.app).log_in("ada")
    other.get("/language/zh")
    said = other.send("/incidents", "/incidents/waiting/approve", step="cleanup", digest="0" * 64)
    assert "清除 的方案已变更" in said.text
