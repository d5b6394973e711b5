"""Alerts of every source: the right end is the remote, and no bytes are more than a ConfigError."""

from __future__ import annotations

import copy
import hashlib
import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.alerts import parse, sources
from tasks.alerts.shape import MAX_BYTES, MAX_RECORDS
from tasks.model import ConfigError
from tasks.settings import ALWAYS_INTERNAL
from tasks.yaml_lines import read

INTERNAL = (*ALWAYS_INTERNAL, ip_network("198.51.100.0/24"), ip_network("2001:db8:1::/48"))
BASES: dict[str, dict[str, Any]] = {
    "suricata": {
        "timestamp": "2027-01-31T12:00:00.123456+0100",
        "flow_id": 1234567890123456,
        "event_type": "alert",
        "src_ip": "10.0.0.7",
        "src_port": 50000,
        "dest_ip": "203.0.113.9",
        "dest_port": 443,
        "proto": "TCP",
        "alert": {"action": "allowed", "signature_id": 2024001, "signature": "ET MALWARE Beacon", "severity": 1},
        "tls": {"sni": "c2.example"},
    },
    "plain": {
        "host": "web-1",
        "remote_ip": "203.0.113.9",
        "remote_port": 8443,
        "domain": "c2.example",
        "rule": "beacon found",
        "severity": "high",
        "time": "2027-01-31T12:00:00+01:00",
        "id": "a-1",
    },
}
CASES: dict[str, Any] = read((Path(__file__).parent / "cases.yaml").read_bytes()).value


def changed(source: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The source's base record with fields put in or (None) taken away, by dotted path."""
    record = copy.deepcopy(BASES[source])
    for path, value in changes.items():
        *parents, last = path.split(".")
        inner = record
        for key in parents:
            inner = inner.setdefault(key, {})
        inner[last] = value
        if value is None:
            del inner[last]
    return record


def line(source: str, **changes: Any) -> bytes:
    return json.dumps(changed(source, changes)).encode()


def test_every_source_has_cases() -> None:
    """A new source without cases is not done: add them to tests/alerts/cases.yaml and a base record here."""
    assert set(sources()) == {case["source"] for case in CASES.values()} == set(BASES)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_record_is_read_or_told(case: dict[str, Any]) -> None:
    """One record: the alert's fields, or an error that names the field."""
    raw = json.dumps(changed(case["source"], case.get("with", {}))).encode()
    if "says" in case:
        with pytest.raises(ConfigError) as caught:
            parse(case["source"], raw, INTERNAL)
        assert all(word in str(caught.value) for word in case["says"]), str(caught.value)
        return
    (alert,) = parse(case["source"], raw, INTERNAL)
    seen = {name: getattr(alert, name) for name in case["is"]}
    told = {name: value.isoformat() if name == "at" else str(value) for name, value in seen.items()}
    assert told == case["is"]
    assert (alert.source, alert.sha256) == (case["source"], hashlib.sha256(raw).hexdigest())


def test_lines_are_records_and_a_pretty_object_is_one() -> None:
    """NDJSON with blank lines and other events; one object over many lines; CRLF."""
    raw = b"\r\n".join([line("suricata", event_type="flow"), b"", line("suricata"), line("suricata", flow_id=2), b""])
    assert [a.id[:2] for a in parse("suricata", raw, INTERNAL)] == ["12", "2/"]
    assert len(parse("plain", json.dumps(BASES["plain"], indent=2).encode(), INTERNAL)) == 1


def test_a_second_delivery_has_the_same_id() -> None:
    """Also when its bytes differ: spaces, another order, the offset written another way."""
    again = json.dumps(dict(reversed(BASES["suricata"].items())), indent=1).replace("+0100", "+01:00").encode()
    assert parse("suricata", again, INTERNAL)[0].id == parse("suricata", line("suricata"), INTERNAL)[0].id


def test_the_second_bad_record_is_named() -> None:
    """In a batch, the person must find the line."""
    with pytest.raises(ConfigError, match="plain record 2"):
        parse("plain", line("plain") + b"\n" + line("plain", host=None), INTERNAL)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no alert"),
        (b" \n \n", "no alert"),
        (b"[" * 10_000, "nested too deeply"),
        (b'{"a":' * 10_000, "nested too deeply"),
        (b'{"event_type":' + b"[" * 900 + b"]" * 900 + b"}", "field event_type"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON"),
        (b'{"event_type": "\xff"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": 1', "not JSON"),
        (b"[]", "no object"),
        (b"null", "no object"),
        (b"{}", "event_type"),
        (b" " * (MAX_BYTES + 1), "at most"),
        (b"{}\n" * (MAX_RECORDS + 1), "records"),
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
    field = {"suricata": "alert.signature", "plain": "rule"}[source]
    raw = json.dumps(changed(source, {field: "\x1b[2J\u202e<script>\ud800" + "x" * 5000})).encode()
    (alert,) = parse(source, raw, INTERNAL)
    assert alert.signature.startswith("\x1b[2J\u202e<script>\\ud800xxx")
    assert len(alert.signature) == 1000
    alert.signature.encode()


def test_an_unknown_source_is_told() -> None:
    """Also one that would name a module outside the folder."""
    for name in ("zeke", "shape", "..model", "\x1b[2J"):
        with pytest.raises(ConfigError, match="suricata"):
            parse(name, b"{}", INTERNAL)


Json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["10.0.0.7", "45.0.0.1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sources()), st.binary(max_size=300))
def test_no_bytes_raise_anything_but_config_error(source: str, raw: bytes) -> None:
    """A webhook's body is never a traceback."""
    try:
        parse(source, raw, INTERNAL)
    except ConfigError:
        return


@given(st.data())
def test_no_field_raises_anything_but_config_error(data: st.DataObject) -> None:
    """A record that is right but for some fields of any JSON value; what is read can be written to the journal."""
    source = data.draw(st.sampled_from(sources()))
    paths = [
        *BASES[source],
        *(["alert.signature", "alert.severity", "alert.target.ip", "tls.sni"] if source == "suricata" else []),
    ]
    changes = data.draw(st.dictionaries(st.sampled_from(paths), Json, max_size=3))
    nested = {path: value for path, value in changes.items() if "." not in path or path.split(".")[0] not in changes}
    try:
        found = parse(source, json.dumps(changed(source, nested)).encode(), INTERNAL)
    except ConfigError as error:
        assert str(error).isprintable(), "an attacker's control characters reached a message"
        return
    for alert in found:
        json.dumps(
            [alert.host, str(alert.remote), alert.signature, alert.id, alert.domain], ensure_ascii=False
        ).encode()
