"""Agents: made by the command, signed in by cookie or token, and nobody else."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.bridges import Bridge
from tests.contract.conftest import EMAIL, PASSWORD
from tests.gateways import Desk

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAIR = {"email": EMAIL, "password": PASSWORD}


@pytest.mark.usefixtures("token")
async def test_password_opens_a_session_that_the_cookie_keeps(
    stranger: aiohttp.ClientSession, bridge: Bridge
) -> None:
    """The cookie is out of reach of scripts and other sites, and ends with the session."""
    async with stranger.get("/api/me") as answer:
        assert answer.status == 401
    async with stranger.post("/api/session", json=PAIR) as answer:
        assert answer.status == 200
        assert (await answer.json())["agent"]["email"] == EMAIL
        cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite" in cookie
    assert "secure" not in cookie  # the public URL is http
    async with stranger.get("/api/me") as answer:
        assert (await answer.json())["email"] == EMAIL
    async with stranger.delete("/api/session", headers={"Origin": bridge.url}) as answer:
        assert answer.status == 204
    async with stranger.get("/api/me") as answer:
        assert answer.status == 401


@pytest.mark.usefixtures("token")
async def test_wrong_password_is_401_and_says_neither_is_right(stranger: aiohttp.ClientSession) -> None:
    """Whether the email exists, nobody learns."""
    for pair in ({**PAIR, "password": "wrong"}, {**PAIR, "email": "nobody@example.com"}):
        async with stranger.post("/api/session", json=pair) as answer:
            assert answer.status == 401
            assert (await answer.json())["detail"] == "Email or password is not right"


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
async def test_cookie_of_another_sites_page_changes_nothing(
    stranger: aiohttp.ClientSession, bridge: Bridge, origin: str
) -> None:
    """A browser sends the cookie along with any page's request: the Origin tells whose it is."""
    async with stranger.post("/api/session", json=PAIR) as answer:
        assert answer.status == 200
    headers = {"Origin": origin} if origin else {}
    async with stranger.patch("/api/me", json={"name": "Mallory"}, headers=headers) as answer:
        assert answer.status == 403
        assert answer.content_type == "application/problem+json"
    async with stranger.patch("/api/me", json={"name": "Anna"}, headers={"Origin": bridge.url}) as answer:
        assert (answer.status, (await answer.json())["name"]) == (200, "Anna")


async def test_foreign_pages_open_no_live_feed(stranger: aiohttp.ClientSession, bridge: Bridge) -> None:
    """Browsers apply no same-origin rule to WebSockets."""
    headers = {"Origin": "https://evil.example"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await stranger.ws_connect("/api/live", headers=headers)
    assert refused.value.status == 403


async def test_token_is_the_last_word_and_valid_at_once(bridge: Bridge, desk: Desk) -> None:
    """A script reads it with `awk '{print $NF}'` while the gateway serves."""
    made = await asyncio.to_thread(bridge.run, "agent", "token", EMAIL)
    headers = {"Authorization": f"Bearer {made.stdout.split()[-1]}"}
    async with aiohttp.ClientSession(bridge.url, headers=headers) as http, http.get("/api/me") as answer:
        assert await answer.json() == await desk.get("/api/me")


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "x" * 10_000, "\u00fc"])
async def test_wrong_token_is_401_and_is_in_no_log(
    stranger: aiohttp.ClientSession, bridge: Bridge, token: str
) -> None:
    """And no token is no session. One that is too long for a header is refused before it is read."""
    async with stranger.get("/api/me", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status in (400, 401)
    assert "Bearer" not in bridge.log


async def test_agent_that_cannot_be_is_refused(bridge: Bridge, desk: Desk) -> None:
    """With one line that says why, and a code that scripts see."""
    refused = (
        (EMAIL.upper(), "Anna", PASSWORD), ("bruno@example.com", "Bruno", "short"),
        ("bruno", "Bruno", PASSWORD), ("bruno@example.com", " ", PASSWORD),
    )  # fmt: skip
    for email, name, password in refused:
        command = ("agent", "add", email, "--name", name, "--password-stdin")
        done = await asyncio.to_thread(bridge.run, *command, stdin=f"{password}\n")
        assert done.returncode != 0
        assert done.stderr.count("\n") == 1
    assert [agent["email"] for agent in (await desk.get("/api/agents"))["items"]] == [EMAIL]


async def test_without_a_session_the_inbox_shows_the_sign_in(stranger: aiohttp.ClientSession) -> None:
    """The page itself is no secret; what it shows is."""
    async with stranger.get("/inbox/") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
