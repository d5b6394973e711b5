"""The published schema: every source and every answer is in it with an example, and no request that it allows ends in a 500."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tasks import alerts
from tasks.serving import Serve
from tests.serve.hookdesk import BEARER, SENDERS, HookDesk, write_site

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HookDesk]:
    folder = write_site(tmp_path_factory.mktemp("schema"))
    serve = Serve(senders={name: replace(s, per_minute=100_000) for name, s in SENDERS.items()})
    with HookDesk(folder, serve) as made:
        yield made


@pytest.fixture(scope="module")
def api(desk: HookDesk) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", desk.app).include(path_regex="^/alerts/")


def test_every_source_and_every_answer_is_published(desk: HookDesk) -> None:
    """One path a source; each answer has a description, a schema and an example; each body, too; and the three credentials."""
    published = desk.app.openapi()
    paths = {path: item["post"] for path, item in published["paths"].items() if path.startswith("/alerts/")}
    assert set(paths) == {f"/alerts/{source}" for source in alerts.sources()}
    for path, post in paths.items():
        assert set(post["responses"]) >= {
            "202",
            "400",
            "401",
            "404",
            "408",
            "409",
            "413",
            "415",
            "422",
            "429",
            "503",
            "507",
        }, path
        for status, answer in post["responses"].items():
            assert answer["description"] and answer["content"]["application/json"]["example"], (path, status)
        assert post["requestBody"]["content"]["application/json"]["examples"], path
    kinds = {(scheme["type"], scheme.get("in")) for scheme in published["components"]["securitySchemes"].values()}
    assert kinds >= {("http", None), ("apiKey", "query"), ("apiKey", "header")}


@pytest.mark.parametrize("source", alerts.sources())
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.name.lower())
def test_no_request_ends_in_a_500(api: Any, source: str, mode: GenerationMode) -> None:
    """Whatever the schema allows, and what it does not: an answer that the schema names, and never a server error."""
    seen: set[int] = set()

    @given(api[f"/alerts/{source}"]["POST"].as_strategy(generation_mode=mode))
    @settings(max_examples=20, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
    def each(case: Any) -> None:
        case.headers = {**dict(case.headers or {}), **BEARER}
        seen.add(case.call_and_validate(checks=CHECKS).status_code)

    each()
    assert seen & {202, 415, 422}, f"no request came past the door: {seen}"
