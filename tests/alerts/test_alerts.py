"""Alerts of every source: the right end is the remote, and no bytes are more than a ConfigError."""

from __future__ import annotations

import hashlib
import json
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.alerts import Batch, parse, read, sources
from tasks.alerts.input import MAX_BYTES, MAX_RECORDS
from tasks.model import Alert, ConfigError
from tasks.settings import ALWAYS_INTERNAL
from tests.alerts.twins import CASES, TWINS, at, base, body, changed, swapped

INTERNAL = (*ALWAYS_INTERNAL, ip_network("198.51.100.0/24"), ip_network("2001:db8:1::/48"))
SWAPPING = [source for source, twin in TWINS.items() if "swap" in twin]


def line(source: str, **changes: Any) -> bytes:
    return json.dumps(changed(base(source), changes)).encode()


def told(alert: Alert, names: Any) -> dict[str, str]:
    seen = {name: getattr(alert, name) for name in names}
    return {name: value.isoformat() if name == "at" else str(value) for name, value in seen.items()}


def test_every_source_has_cases() -> None:
    """A new source without cases is not done: add tests/alerts/NAME/cases.yaml."""
    assert set(sources()) == set(TWINS)


@pytest.mark.parametrize(("source", "case"), CASES.values(), ids=CASES.keys())
def test_a_body_is_read_or_told(source: str, case: dict[str, Any]) -> None:
    """One body: its alerts' fields, why nothing is to be done, or an error that names the field."""
    raw = body(source, case)
    if "says" in case:
        with pytest.raises(ConfigError) as caught:
            parse(source, raw, INTERNAL)
        assert all(word in str(caught.value) for word in case["says"]), str(caught.value)
        return
    batch = read(source, raw, INTERNAL)
    assert not batch.faults, str(batch.faults[0])
    wanted = case.get("are") or [case["is"]] if "over" not in case else []
    assert [told(alert, fields) for alert, fields in zip(batch.alerts, wanted, strict=True)] == [
        {name: str(value) for name, value in fields.items()} for fields in wanted
    ]
    assert [word for word in case.get("over", ()) if not any(word in over.why for over in batch.over)] == []
    for alert in batch.alerts:
        assert (alert.source, alert.sha256) == (source, hashlib.sha256(raw).hexdigest())


@pytest.mark.parametrize("source", SWAPPING)
def test_who_opened_the_connection_does_not_make_the_victim(source: str) -> None:
    """With the two ends in each other's place, the internal one is still the victim."""
    (straight,) = parse(source, body(source, {"base": TWINS[source].get("swap_base", "")}), INTERNAL)
    (alert,) = parse(source, swapped(source), INTERNAL)
    assert (alert.host, alert.remote.address) == (straight.host, straight.remote.address)


def test_lines_are_records_and_a_pretty_object_is_one() -> None:
    """NDJSON with blank lines and other events; one object over many lines; CRLF; a list of objects."""
    raw = b"\r\n".join([line("suricata", event_type="flow"), b"", line("suricata"), line("suricata", flow_id=2), b""])
    assert [a.id[:2] for a in parse("suricata", raw, INTERNAL)] == ["12", "2/"]
    assert len(parse("plain", json.dumps(base("plain"), indent=2).encode(), INTERNAL)) == 1
    listed = json.dumps([base("plain"), changed(base("plain"), {"id": "a-2"})], indent=2).encode()
    assert [a.id for a in parse("plain", listed, INTERNAL)] == ["a-1", "a-2"]


def test_lines_of_csv_are_records() -> None:
    """Two threat logs and a traffic log in one body."""
    one = base("paloalto", "csv")
    raw = "\n".join([one, one.replace("THREAT", "TRAFFIC"), one.replace(",7001,", ",7002,")]).encode()
    assert [a.id for a in parse("paloalto", raw, INTERNAL)] == ["007200001234/threat/7001", "007200001234/threat/7002"]


def test_a_second_delivery_has_the_same_id() -> None:
    """Also when its bytes differ: spaces, another order, the offset written another way."""
    again = json.dumps(dict(reversed(base("suricata").items())), indent=1).replace("+0100", "+01:00").encode()
    assert parse("suricata", again, INTERNAL)[0].id == parse("suricata", line("suricata"), INTERNAL)[0].id


@pytest.mark.parametrize("source", sources())
def test_one_event_has_one_id(source: str) -> None:
    """The same body gives the same id, whatever the source gives to make it from."""
    assert parse(source, body(source, {}), INTERNAL)[0].id == parse(source, body(source, {}), INTERNAL)[0].id


def test_the_second_bad_record_is_named() -> None:
    """In a batch, the person must find the line."""
    with pytest.raises(ConfigError, match="plain record 2"):
        parse("plain", line("plain") + b"\n" + line("plain", host=None), INTERNAL)


def test_a_bad_record_takes_no_other_with_it() -> None:
    """A line that is torn, one without a host, one that is right: the last one counts, the others are told."""
    batch = read(
        "plain", b"\n".join([line("plain"), b'{"host": "we', line("plain", host=None), line("plain", id=3)]), INTERNAL
    )
    assert [a.id for a in batch.alerts] == ["a-1", "3"]
    assert [fault.tried for fault in batch.faults] == ["read plain record 2", "read the field host of plain record 3"]


@pytest.mark.parametrize("count", [1, 2])
def test_a_byte_order_mark_is_passed_over(count: int) -> None:
    """Windows writes one before its JSON; no alert is lost for it."""
    raw = "\ufeff".encode() + b"\n".join([line("plain")] * count)
    assert len(parse("plain", raw, INTERNAL)) == count


def test_a_bad_alert_of_a_group_takes_no_other_with_it() -> None:
    """Alertmanager sends many alerts in one body: one fires, one is resolved, one names no host."""
    group = base("alertmanager")
    first = group["alerts"][0]
    nameless = changed(json.loads(json.dumps(first)), {"labels.instance": None})
    group["alerts"] = [first, {**first, "status": "resolved"}, nameless]
    batch: Batch = read("alertmanager", json.dumps(group).encode(), INTERNAL)
    assert (len(batch.alerts), [o.record for o in batch.over]) == (1, ["alertmanager record 1, alerts 2"])
    assert [str(fault) for fault in batch.faults if "alertmanager record 1, alerts 3" in str(fault)]


def test_what_is_over_is_told_at_the_command_line() -> None:
    """`hemostat alert` of a resolved alert opens nothing and says why."""
    resolved = json.dumps(changed(base("alertmanager"), {"alerts.0.status": "resolved"})).encode()
    with pytest.raises(ConfigError, match="there is nothing to respond to"):
        parse("alertmanager", resolved, INTERNAL)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no alert"),
        (b" \n \n", "no alert"),
        (b"[" * 10_000, "nested too deeply"),
        (b'{"a":' * 10_000, "nested too deeply"),
        (b'{"event_type":' + b"[" * 900 + b"]" * 900 + b"}", "nested too deeply"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON"),
        (b'{"event_type": "\xff"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": 1', "not JSON"),
        (b"[]", "no alert"),
        (b"[1]", "no object"),
        (b"null", "no object"),
        (b"{}", "event_type"),
        (b" " * (MAX_BYTES + 1), "at most"),
        (b"{}\n" * (MAX_RECORDS + 1), "records"),
        (b"[" + b"{}," * MAX_RECORDS + b"{}]", "records"),
    ],
    ids=lambda value: str(value[:16]),
)
def test_hostile_input_is_a_clean_error(raw: bytes, says: str) -> None:
    """Depth, length, numbers, encodings."""
    with pytest.raises(ConfigError, match=says):
        parse("suricata", raw, INTERNAL)


@pytest.mark.parametrize("source", sources())
def test_text_stays_data_that_can_be_written(source: str) -> None:
    """Controls and bidi overrides are kept; a lone surrogate, which no file can hold, is written out; length is bounded."""
    hostile = "\x1b[2J\u202e<script>\ud800" + "x" * 5000
    raw = json.dumps(changed(base(source), {TWINS[source]["signature"]: hostile})).encode()
    (alert,) = parse(source, raw, INTERNAL)
    assert alert.signature.startswith("\x1b[2J\u202e<script>\\ud800xxx")
    assert len(alert.signature) <= 2010
    alert.signature.encode()


def test_an_unknown_source_is_told() -> None:
    """Also one that would name a module outside the folder, or one that is no source."""
    for name in ("zeke", "shape", "input", "ends", "..model", "\x1b[2J"):
        with pytest.raises(ConfigError, match="suricata"):
            parse(name, b"{}", INTERNAL)


Json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["10.0.0.7", "45.0.0.1", "2027-01-31T12:00:00+01:00", "1801393200", "443"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BASES = [(source, name) for source, twin in TWINS.items() for name in twin["bases"]]


@given(st.sampled_from(sources()), st.binary(max_size=300))
def test_no_bytes_raise_anything_but_config_error(source: str, raw: bytes) -> None:
    """A webhook's body is never a traceback."""
    try:
        parse(source, raw, INTERNAL)
    except ConfigError:
        return


@given(st.sampled_from(sources()), Json)
def test_no_json_raises_anything_but_config_error(source: str, value: Any) -> None:
    """Whatever JSON it is."""
    try:
        parse(source, json.dumps(value).encode(), INTERNAL)
    except ConfigError:
        return


def paths(record: Any, above: str = "") -> list[str]:
    """Every dotted path in the record."""
    items = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    found = [(f"{above}.{key}" if above else str(key), value) for key, value in items]
    return [path for path, value in found for path in (path, *paths(value, path))]


@given(st.data())
def test_no_field_raises_anything_but_config_error(data: st.DataObject) -> None:
    """A body that is right but for some fields of any JSON value; what is read can be written to the journal."""
    source, name = data.draw(st.sampled_from(BASES))
    whole = base(source, name)
    if isinstance(whole, str):
        cut = data.draw(st.integers(0, len(whole)))
        raw = (whole[:cut] + data.draw(st.text(max_size=20)) + whole[cut:]).encode("utf-8", "replace")
    else:
        path = data.draw(st.sampled_from(paths(whole)))
        raw = json.dumps(changed(whole, {path: data.draw(Json)})).encode()
    try:
        batch = read(source, raw, INTERNAL)
    except ConfigError as error:
        assert str(error).isprintable(), "an attacker's control characters reached a message"
        return
    assert all(str(fault).isprintable() for fault in batch.faults), "an attacker's control characters reached a message"
    for alert in batch.alerts:
        json.dumps(told(alert, Alert.__dataclass_fields__), ensure_ascii=False).encode()


@given(st.sampled_from(SWAPPING), st.ip_addresses(), st.ip_addresses())
def test_the_remote_is_never_an_internal_address(source: str, one: Any, other: Any) -> None:
    """Whatever the two ends are: an alert that is taken has an outside remote, and an internal victim."""
    whole = base(source, TWINS[source].get("swap_base", ""))
    first, second = TWINS[source]["swap"][0]
    for path, address in ((first, one), (second, other)):
        was = at(whole, path)
        leaf = next((key for key in ("ip", "ipAddress") if isinstance(was, dict) and key in was), "")
        changed(whole, {f"{path}.{leaf}" if leaf else path: str(address)})
    for alert in read(source, json.dumps(whole).encode(), INTERNAL).alerts:
        assert not any(alert.remote.address in network for network in INTERNAL)
