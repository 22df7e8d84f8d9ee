"""What the server does is what its description in OpenAPI says, for requests drawn from that description."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.killing import FULL
from tests.support.serving import Serving, serving
from tests.support.stores import store_run
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.http.openapi import description
from themis_vcs.transfer.http.routes import PACK, ROUTES, Route

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 300 if FULL else 25
DRAWN = [(route, mode) for route in ROUTES for mode in GenerationMode if route.takes or mode is GenerationMode.POSITIVE]


@schemathesis.serializer(PACK)
def as_bytes(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    store = tmp_path_factory.mktemp("described") / "store"
    with Repository.init(store) as repository:
        store_run(repository, 3)
    with serving(store) as served:
        yield served


@pytest.mark.parametrize(("route", "mode"), DRAWN, ids=lambda each: getattr(each, "question", None) or each.value)
def test_requests_drawn_from_the_description(server: Serving, route: Route, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_dict(description())[route.path][route.method]
    kept = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @seed(1)
    @kept
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        response = case.call(base_url=server.url, timeout=30)
        # What is too long is refused before it is looked at.
        checks = [check for check in CHECKS if response.status_code != 413 or check is not negative_data_rejection]
        case.validate_response(response, checks=checks)

    holds()


def test_the_description_is_served(server: Serving, tmp_path: Path) -> None:
    assert schemathesis.openapi.from_url(server.url + "/openapi.json").raw_schema == description()
