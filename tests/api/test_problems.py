"""Refusals: one shape for all of them, whatever went wrong."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import aiohttp

from bridge.api.routes import api
from tests.api.house import House


async def refusal(
    client: aiohttp.ClientSession, method: str, path: str, expect: int, **more: Any
) -> dict[str, Any]:
    """The problem that a request gets."""
    async with client.request(method, path, **more) as response:
        assert response.status == expect, await response.text()
        assert response.content_type == "application/problem+json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        body: dict[str, Any] = await response.json()
    assert (body["type"], body["status"]) == ("about:blank", expect)
    assert body["title"]
    return body


async def test_unknown_paths_and_methods(home: House) -> None:
    """A typing error in a script is told as plainly as anything else."""
    client = home.client()
    for path in ("/api", "/api/", "/api/nothing", "/api/me/", "/api//me", "/api/conversations/"):
        await refusal(client, "GET", path, 404)
    for method, path in (("DELETE", "/api/me"), ("PUT", "/api/conversations"), ("TRACE", "/api/me")):
        async with client.request(method, path) as response:
            assert "GET" in response.headers["Allow"]
        await refusal(client, method, path, 405)


async def test_everything_but_the_door_needs_a_sign_in(home: House) -> None:
    """The route table decides; what it does not open to anybody is closed."""
    client = home.client()
    client.headers.popall("Origin")
    for route in api():
        if route.access != "anybody":
            path = route.path.replace("{", "").replace("}", "")
            body = await refusal(client, route.method, path, 401)
            assert body["title"] == "Sign in first"


async def test_broken_json_is_400(anna: aiohttp.ClientSession) -> None:
    """What cannot be read is told apart from what is wrong."""
    for body in [
        b"",
        b"{",
        b"nope",
        b'{"name": NaN}',
        b"\xff\xfe{",
        b"[" * 5000,
        b'{"name": "\x01"}',
        b"{} {}",
    ]:
        await refusal(anna, "PATCH", "/api/me", 400, data=body, headers={"Content-Type": "application/json"})


async def test_wrong_body_is_422_with_its_fields(anna: aiohttp.ClientSession) -> None:
    """Each problem names where it is."""
    for body in [[], "x", 1, {"theme": "pink"}, {"name": "x" * 201}, {"name": 1}]:
        problem = await refusal(anna, "PATCH", "/api/me", 422, json=body)
        assert problem["fields"]
        assert all(set(field) == {"field", "problem"} for field in problem["fields"])


async def test_other_types_than_json_are_415(anna: aiohttp.ClientSession) -> None:
    """A form, which any page can send, is never taken for JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        headers = {"Content-Type": kind}
        await refusal(anna, "PATCH", "/api/me", 415, data=b'{"name":"x"}', headers=headers)


async def test_large_body_is_413(anna: aiohttp.ClientSession) -> None:
    """Ten megabytes of emoji are too much for any field."""
    body = BytesIO(f'{{"name": "{"🦊" * 2_500_000}"}}'.encode())
    headers = {"Content-Type": "application/json"}
    problem = await refusal(anna, "PATCH", "/api/me", 413, data=body, headers=headers)
    assert problem["limit"] == 1_000_000


async def test_profile_changes_only_what_is_given(anna: aiohttp.ClientSession) -> None:
    """A page that knows fewer fields does not clear the others."""
    async with anna.patch("/api/me", json={"language": "it"}) as response:
        assert (await response.json())["language"] == "it"
    async with anna.patch("/api/me", json={"theme": "dark", "unknown": 1}) as response:
        me = await response.json()
    assert (me["name"], me["language"], me["theme"]) == ("Anna", "it", "dark")
