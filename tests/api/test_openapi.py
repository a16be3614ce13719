"""The OpenAPI document: it describes what is served, because it is made from it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bridge.store import tokens
from tests.api.house import House, get, send

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip
FEW = settings(
    max_examples=12, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.fixture
async def document(home: House) -> dict[str, Any]:
    """The document as anybody can read it."""
    found: dict[str, Any] = await get(home.client(), "/api/openapi.json")
    return found


async def test_every_route_is_described(home: House, document: dict[str, Any]) -> None:
    """A route that is served is in the document, and the other way round."""
    served = {
        (route.method, route.resource.canonical)
        for route in home.app.router.routes()
        if route.resource and route.resource.canonical.startswith("/api/") and route.method != "HEAD"
    }
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert served - {("GET", "/api/openapi.json")} == described
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)


async def test_document_is_valid(document: dict[str, Any]) -> None:
    """Generators of clients and documentation read it as it is."""
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()


async def test_gateway_answers_as_described(home: House, document: dict[str, Any]) -> None:
    """Whatever fits the description is answered by what it describes, and never by a server error."""
    agent = await home.add_agent("Robot", "admin")
    token = await home.database.write(lambda tx: tokens.issue(tx, "api", agent.id))
    await home.write("ciao")
    await home.write("", kind="unsupported", raw="{}", parked="A letter of tomorrow")
    robot = home.client(Authorization=f"Bearer {token}")
    (item,) = (await get(robot, "/api/conversations"))["items"]
    body = {"text": "Salve", "client_id": "1"}
    made = await send(robot, "POST", f"/api/conversations/{item['id']}/messages", body, expect=201)
    known = {"conversation_id": item["id"], "message_id": made["id"], "contact_id": item["contact"]["id"]}
    schema = schemathesis.openapi.from_dict(document)

    def examine(operation: Any) -> None:
        @FEW
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            for name in case.path_parameters or {}:
                case.path_parameters[name] = known.get(name, case.path_parameters[name])
            headers = {"Authorization": f"Bearer {token}"}
            case.call_and_validate(base_url=home.url, headers=headers, checks=CHECKS)

        run()

    for operation in [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]:
        if operation.path not in ("/api/live", "/api/session", "/api/setup"):
            await asyncio.to_thread(examine, operation)
