"""The OpenAPI 3.1 document, made from the handlers' own signatures and models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, Field
from pydantic.json_schema import JsonSchemaMode, models_json_schema

import bridge
from bridge.api.endpoint import Route, Shape, shape_of
from bridge.api.problems import PLAIN_HEADERS
from bridge.views import View

_REF = "#/components/schemas/{model}"
# What an id in a path is.
_UUID = {"type": "string", "format": "uuid"}
_NUMBER = {"type": "integer", "minimum": 0}


class FieldProblem(View):
    """What is wrong with a field."""

    field: str
    problem: str


class Problem(View):
    """A refusal (RFC 9457). Some carry more members, such as `limit` or `retry_after`."""

    type: str
    title: str
    status: int
    detail: str = ""
    fields: list[FieldProblem] = Field(default=[], description="with 422: what is wrong, and where")


def document(routes: Sequence[Route], url: str) -> dict[str, Any]:
    """The document that describes these routes, as served at `url`."""
    shapes = {(route.method, route.path): shape_of(route.handler) for route in routes}
    references, components = _schemas(shapes.values())
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, shapes[route.method, route.path], references, components)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bridge",
            "version": bridge.__version__,
            "description": "The agents' API. Times are RFC 3339 UTC, ids are UUIDv7.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "bridge_session"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def handler(routes: Sequence[Route], url: str) -> Handler:
    """Serves the document, made when it is first asked for."""
    made = cache(lambda: orjson.dumps(document(routes, url)))

    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=made(), content_type="application/json", headers=PLAIN_HEADERS)

    return serve


_References = Mapping[tuple[Any, JsonSchemaMode], dict[str, Any]]


def _schemas(shapes: Iterable[Shape]) -> tuple[_References, dict[str, Any]]:
    """Where each model's schema is, and all schemas by name."""
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for shape in shapes:
        for model in (shape.body, shape.query):
            if model:
                wanted[model, "validation"] = None
        if shape.answer:
            wanted[shape.answer, "serialization"] = None
    references, definitions = models_json_schema(list(wanted), ref_template=_REF)
    return references, definitions["$defs"]


def _operation(
    route: Route, shape: Shape, references: _References, components: dict[str, Any]
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": references[Problem, "serialization"]}}
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}",
        "summary": route.summary,
        "description": _text(route.handler.__doc__) + " For administrators." * (route.access == "admin"),
        "tags": [route.path.split("/")[2]],
        "security": [] if route.access == "anybody" else [{"session": []}, {"token": []}],
        "parameters": _parameters(shape, references, components),
        "responses": {
            **_answer(route, shape, references),
            "4XX": {"description": "Refused", "content": problem},
            "5XX": {"description": "Not now", "content": problem},
        },
    }
    if shape.body:
        schema = references[shape.body, "validation"]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif route.takes:
        operation["requestBody"] = {"required": True, "content": {route.takes: {"schema": {}}}}
    return operation


def _answer(route: Route, shape: Shape, references: _References) -> dict[str, Any]:
    if shape.answer is None and shape.status == 204:
        return {"204": {"description": "Done"}}
    if shape.answer is None:
        return {str(status): {"description": text} for status, text in route.gives.items()}
    schema = references[shape.answer, "serialization"]
    found = {"description": _text(shape.answer.__doc__), "content": {"application/json": {"schema": schema}}}
    answers = {str(shape.status): found}
    if shape.status == 201 and route.repeats:
        answers["200"] = {**found, "description": "The same request was done before: what it made"}
    return answers


def _parameters(shape: Shape, references: _References, components: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _NUMBER if kind is int else _UUID}
        for name, kind in shape.path.items()
    ]
    if shape.query:
        schema = components[references[shape.query, "validation"]["$ref"].rpartition("/")[2]]
        required = schema.get("required", [])
        for name, inner in schema["properties"].items():
            found.append({"name": name, "in": "query", "required": name in required, "schema": inner})
    return found


def _text(doc: str | None) -> str:
    return re.sub(r"\s+", " ", (doc or "").strip())
