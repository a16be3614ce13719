"""Who may come in: passwords, sessions, tokens, and pages of other sites."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa

from bridge.ids import now_ms
from bridge.store import tokens
from bridge.store.tables import agents
from bridge.store.tables import tokens as token_table
from tests.api.house import PASSWORD, House, house


async def attempt(home: House, email: str, password: str) -> tuple[int, dict[str, Any]]:
    """The status and body of a sign-in."""
    async with home.client().post("/api/session", json={"email": email, "password": password}) as response:
        return response.status, await response.json()


async def status(client: aiohttp.ClientSession, path: str = "/api/me", **headers: str) -> int:
    """The status of a GET."""
    async with client.get(path, headers=headers) as response:
        return response.status


async def test_right_password_opens_a_session(home: House) -> None:
    """The cookie that sign-in hands out is all that the page needs from then on."""
    await home.add_agent("Anna")
    client = home.client()
    body = {"email": " ANNA@example.com ", "password": PASSWORD}
    async with client.post("/api/session", json=body) as response:
        assert response.status == 200
        assert (await response.json())["agent"]["name"] == "Anna"
        cookie = response.cookies["bridge_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["secure"]
    async with client.get("/api/me") as response:
        assert (await response.json())["email"] == "anna@example.com"


async def test_cookie_is_secure_where_the_public_url_is(database_url: str, tmp_path: Path) -> None:
    """Over TLS the session never travels in the clear."""
    async with house(database_url, tmp_path, public_url_setting="https://chat.example.com") as home:
        await home.add_agent("Anna")
        body = {"email": "anna@example.com", "password": PASSWORD}
        async with home.client(Origin="https://chat.example.com").post("/api/session", json=body) as response:
            assert response.cookies["bridge_session"]["secure"]


async def test_wrong_password_and_unknown_email_look_the_same(home: House) -> None:
    """Nobody learns here who is an agent."""
    await home.add_agent("Anna")
    wrong = await attempt(home, "anna@example.com", "wrong")
    unknown = await attempt(home, "nobody@example.com", "wrong")
    assert wrong == unknown
    assert wrong[0] == 401
    assert wrong[1]["detail"] == "Email or password is not right"


async def test_agent_without_a_password_cannot_sign_in(home: House) -> None:
    """An empty hash is no password, and not the empty one."""
    await home.add_agent("Anna")
    await home.database.write(lambda tx: tx.run(sa.update(agents).values(password_hash="")))
    assert (await attempt(home, "anna@example.com", ""))[0] == 401


async def test_guessing_is_stopped_per_email(home: House) -> None:
    """Ten wrong passwords, then even the right one has to wait, and is told how long."""
    await home.add_agent("Anna")
    await home.add_agent("Bea")
    for _ in range(10):
        assert (await attempt(home, "anna@example.com", "wrong"))[0] == 401
    code, body = await attempt(home, "anna@example.com", PASSWORD)
    assert code == 429
    assert 0 < body["retry_after"] <= 301
    assert (await attempt(home, "bea@example.com", PASSWORD))[0] == 200


async def test_right_password_clears_the_count(home: House) -> None:
    """Whoever mistypes a few times a day is never locked out."""
    await home.add_agent("Anna")
    for _ in range(2):
        for _ in range(9):
            assert (await attempt(home, "anna@example.com", "wrong"))[0] == 401
        assert (await attempt(home, "anna@example.com", PASSWORD))[0] == 200


async def test_signing_out_ends_the_session_for_good(home: House, anna: aiohttp.ClientSession) -> None:
    """A cookie that somebody kept is worthless after sign-out."""
    (cookie,) = [one.value for one in anna.cookie_jar if one.key == "bridge_session"]
    async with anna.delete("/api/session") as response:
        assert response.status == 204
    assert await status(anna) == 401
    assert await status(home.client(Cookie=f"bridge_session={cookie}")) == 401


async def test_only_the_hash_of_a_session_is_kept(home: House, anna: aiohttp.ClientSession) -> None:
    """A stolen backup opens no session."""
    (cookie,) = [one.value for one in anna.cookie_jar if one.key == "bridge_session"]
    (row,) = await home.database.read(lambda tx: tx.run(sa.select(token_table)))
    assert cookie not in row
    assert row.hash == tokens.digest(cookie)


async def test_disabled_agent_is_out_at_once(home: House, anna: aiohttp.ClientSession) -> None:
    """Who leaves the company leaves the inbox with the next click."""
    await home.database.write(lambda tx: tx.run(sa.update(agents).values(disabled_at=now_ms())))
    assert await status(anna) == 401
    assert (await attempt(home, "anna@example.com", PASSWORD))[0] == 401


async def test_session_in_use_lives_on_and_expires_unused(home: House, anna: aiohttp.ClientSession) -> None:
    """Thirty days from the last use, not from the sign-in."""
    long_ago = now_ms() - 2 * 3600 * 1000
    await home.database.write(
        lambda tx: tx.run(sa.update(token_table).values(used_at=long_ago, expires_at=now_ms() + 60_000))
    )
    async with anna.get("/api/me") as response:
        assert response.cookies["bridge_session"]["max-age"] == str(30 * 24 * 3600)
    (row,) = await home.database.read(lambda tx: tx.run(sa.select(token_table)))
    assert row.expires_at > now_ms() + 29 * 24 * 3600 * 1000
    await home.database.write(lambda tx: tx.run(sa.update(token_table).values(expires_at=now_ms() - 1)))
    assert await status(anna) == 401


async def test_api_token_is_good_at_once_and_needs_no_origin(home: House) -> None:
    """Scripts carry a token: no page can make a browser send it."""
    agent = await home.add_agent("Anna")
    token = await home.database.write(lambda tx: tokens.issue(tx, "api", agent.id))
    async with aiohttp.ClientSession(home.url, headers={"Authorization": f"Bearer {token}"}) as script:
        assert await status(script) == 200
        async with script.patch("/api/me", json={"name": "Anna B."}) as response:
            assert (await response.json())["name"] == "Anna B."


async def test_wrong_token_is_refused(home: House) -> None:
    """Whatever stands after Bearer, it is a token of ours or it is nothing."""
    for token in ["", "x", "é", "x" * 5000]:
        async with aiohttp.ClientSession(home.url, headers={"Authorization": f"Bearer {token}"}) as script:
            assert await status(script) == 401


async def test_session_is_no_api_token(home: House, anna: aiohttp.ClientSession) -> None:
    """The two kinds of token do not stand in for each other."""
    (cookie,) = [one.value for one in anna.cookie_jar if one.key == "bridge_session"]
    assert await status(home.client(Authorization=f"Bearer {cookie}")) == 401


async def test_page_of_another_site_changes_nothing(anna: aiohttp.ClientSession) -> None:
    """A browser sends the cookie along whoever asks; the Origin says who did."""
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        "file://",
        "http://127.0.0.1:1@x",
        "::",
    ]:
        async with anna.patch("/api/me", json={"name": "Mallory"}, headers={"Origin": origin}) as response:
            assert response.status == 403
            assert response.content_type == "application/problem+json"
        async with anna.get("/api/me") as response:
            assert (await response.json())["name"] == "Anna"


async def test_cookie_without_an_origin_changes_nothing(home: House, anna: aiohttp.ClientSession) -> None:
    """Browsers name the origin of every change by themselves: without one it is no page of ours."""
    (cookie,) = [one.value for one in anna.cookie_jar if one.key == "bridge_session"]
    async with aiohttp.ClientSession(home.url, headers={"Cookie": f"bridge_session={cookie}"}) as bare:
        async with bare.patch("/api/me", json={"name": "Mallory"}) as response:
            assert response.status == 403
        assert await status(bare) == 200


async def test_foreign_page_cannot_sign_anybody_in(home: House) -> None:
    """Signing a victim into the attacker's account would show the attacker what they write."""
    await home.add_agent("Anna")
    body = {"email": "anna@example.com", "password": PASSWORD}
    async with home.client(Origin="https://evil.example").post("/api/session", json=body) as response:
        assert response.status == 403


async def test_public_url_is_an_origin_of_ours(database_url: str, tmp_path: Path) -> None:
    """Behind a proxy the host that is asked is another than the one in the address bar."""
    async with house(database_url, tmp_path, public_url_setting="https://chat.example.com/") as home:
        agent = await home.add_agent("Anna")
        session = await home.database.write(lambda tx: tokens.issue(tx, "session", agent.id))
        anna = home.client(Cookie=f"bridge_session={session}")  # a jar keeps a secure one to itself
        for origin in ("https://chat.example.com", "https://chat.example.com:443", home.url):
            async with anna.patch("/api/me", json={"theme": "dark"}, headers={"Origin": origin}) as response:
                assert response.status == 200


async def test_first_administrator_is_made_once(home: House) -> None:
    """The printed link works once, and only while there is no agent."""
    async with home.client().get("/api/setup") as response:
        assert await response.json() == {"needed": True}
    token = await home.database.write(tokens.issue_setup)
    other = await home.database.write(tokens.issue_setup)
    body = {"token": token, "email": "Irene@example.com", "name": "Irene", "password": PASSWORD}
    client = home.client()
    async with client.post("/api/setup", json=body) as response:
        assert response.status == 201
        assert (await response.json())["agent"]["role"] == "admin"
    assert await status(client) == 200
    for again in (token, other):
        async with home.client().post("/api/setup", json=body | {"token": again}) as response:
            assert response.status == 403
    async with home.client().get("/api/setup") as response:
        assert await response.json() == {"needed": False}
    assert await home.database.write(tokens.issue_setup) is None


async def test_set_up_refuses_what_would_not_work(home: House) -> None:
    """A form that is wrong says which field, and the link stays good."""
    token = await home.database.write(tokens.issue_setup)
    body = {"token": token, "email": "nowhere", "name": " ", "password": "short"}
    async with home.client().post("/api/setup", json=body) as response:
        assert response.status == 422
        problems = await response.json()
    assert [field["field"] for field in problems["fields"]] == ["email", "name", "password"]
    good = {"token": token, "email": "irene@example.com", "name": "Irene", "password": PASSWORD}
    async with home.client().post("/api/setup", json=good) as response:
        assert response.status == 201


async def test_attempts_are_counted_per_address_behind_a_proxy(database_url: str, tmp_path: Path) -> None:
    """The proxy's own entry counts; what a caller writes before it does not."""
    async with house(database_url, tmp_path, trusted_proxies=1) as home:

        async def guess(number: int, forwarded: str) -> int:
            body = {"email": f"agent-{number}@example.com", "password": "wrong"}
            headers = {"X-Forwarded-For": forwarded}
            async with home.client().post("/api/session", json=body, headers=headers) as response:
                return response.status

        for number in range(50):
            assert await guess(number, f"10.0.0.{number}, 192.0.2.1") == 401
        assert await guess(50, "10.1.1.1, 192.0.2.1") == 429
        assert await guess(51, "192.0.2.1, 192.0.2.2") == 401
