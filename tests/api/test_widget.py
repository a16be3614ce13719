"""The site chat over HTTP: who may speak, what is stored, and what the visitor sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from bridge.channels import webchat
from tests.api.house import House, get, house, send
from tests.api.visitor import Visitor, visit

SHOP = "https://shop.example.com"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + bytes(64)


@pytest.fixture
async def elena(home: House) -> Visitor:
    """A visitor who has just come."""
    return await visit(home)


async def conversation(anna: aiohttp.ClientSession) -> dict[str, object]:
    """The only conversation there is."""
    (item,) = (await get(anna, "/api/conversations"))["items"]
    return dict(item)


async def test_what_a_visitor_writes_is_in_the_inbox(elena: Visitor, anna: aiohttp.ClientSession) -> None:
    """A 201 means that the agents already have it."""
    made = await elena.write("Buongiorno!", client_id="c1")
    assert (made["mine"], made["text"], made["status"], made["client_id"]) == (
        True,
        "Buongiorno!",
        "sent",
        "c1",
    )
    item = await conversation(anna)
    (message,) = (await get(anna, f"/api/conversations/{item['id']}/messages"))["items"]
    assert (message["id"], message["channel"], message["text"]) == (made["id"], "webchat", "Buongiorno!")
    assert (message["direction"], item["unread"]) == ("inbound", 1)


async def test_the_same_client_id_is_the_same_message(elena: Visitor) -> None:
    """A page that got no answer sends again: that must never be two messages."""
    first = await elena.write("one", client_id="c1")
    again = await elena.write("one", 200, client_id="c1")
    assert again == first
    assert len(await elena.thread()) == 1


async def test_the_same_message_at_the_same_moment_is_one(elena: Visitor) -> None:
    """Two tabs empty the same outbox."""
    body = {"client_id": "c1", "text": "one"}
    headers = {"Authorization": f"Bearer {elena.token}"}

    async def post() -> int:
        async with elena.client.post("/widget/messages", json=body, headers=headers) as response:
            return response.status

    assert set(await asyncio.gather(*(post() for _ in range(8)))) <= {200, 201}
    assert [item["text"] for item in await elena.thread()] == ["one"]


async def test_a_reply_reaches_the_visitor_and_notes_do_not(
    elena: Visitor, anna: aiohttp.ClientSession
) -> None:
    """What only agents may see never leaves."""
    await elena.write("Ciao")
    path = f"/api/conversations/{(await conversation(anna))['id']}/messages"
    await send(anna, "POST", path, {"text": "she is nice", "kind": "note", "client_id": "n"}, 201)
    reply = await send(anna, "POST", path, {"text": "Ciao Elena", "client_id": "r"}, 201)
    assert reply["status"] == "sent"
    _, shown = await elena.thread()
    assert (shown["id"], shown["mine"], shown["author"], shown["status"]) == (
        reply["id"],
        False,
        "Anna",
        "sent",
    )
    assert shown["client_id"] is None
    assert set(shown) == {
        "id", "seq", "mine", "kind", "text", "attachments", "status", "author", "client_id", "created_at",
    }  # fmt: skip


async def test_visitors_see_only_their_own_thread(home: House, elena: Visitor) -> None:
    """The token decides, and there is one thread behind each."""
    await elena.write("mine")
    other = await visit(home)
    assert other.id != elena.id
    assert await other.thread() == []
    await other.write("theirs")
    assert [item["text"] for item in await elena.thread()] == ["mine"]


async def test_a_visitor_who_comes_back_is_the_same(home: House, elena: Visitor) -> None:
    """The token brings back the conversation; one that is not ours makes a new visitor."""
    await elena.write("hello again?")
    back = await visit(home, elena.token)
    assert (back.id, len(await back.thread())) == (elena.id, 1)
    forged = await visit(home, webchat.token_for(["x" * 32], elena.id))
    assert forged.id != elena.id


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer nonsense", "Basic {token}", "Bearer {id}", "Bearer \udcff"]
)
async def test_without_a_good_token_nothing_is_told(elena: Visitor, header: str) -> None:
    """Knowing a visitor's id is not being that visitor."""
    given = {"Authorization": header.format(token=elena.token, id=elena.id)}
    for method, path in [("GET", "messages"), ("POST", "messages"), ("POST", "files"), ("POST", "seen")]:
        refused = await elena.ask(method, path, 401, headers=given)
        assert refused["title"] == "Sign in first"


# ── sites ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_foreign_site_is_refused_and_reads_nothing(home: House) -> None:
    """A page that is not allowed cannot open a chat in the business's name, nor read why."""
    for origin in ("https://evil.example", "null", "http://127.0.0.1", f"{home.url}.evil.example"):
        async with home.client(Origin=origin).post("/widget/session", json={}) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers
        async with home.client(Origin=origin).options("/widget/messages") as response:
            assert response.status == 403


async def test_a_request_that_changes_something_needs_an_origin(home: House) -> None:
    """Every browser sends it with a POST; what does not is no page of an allowed site."""
    async with aiohttp.ClientSession() as bare, bare.post(f"{home.url}/widget/session", json={}) as response:
        assert response.status == 403


async def test_an_allowed_site_may_ask_and_read(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CORS for the sites in the list, refusals included: the page must see that it is refused."""
    monkeypatch.setenv("WIDGET_ALLOWED_ORIGINS", f"https://other.example.com, {SHOP}/")
    async with house(sqlite_url, tmp_path) as home:
        async with home.client(Origin=SHOP).options("/widget/messages") as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == SHOP
            assert response.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
            assert "POST" in response.headers["Access-Control-Allow-Methods"]
        shopper = await visit(home, origin=SHOP)
        await shopper.write("from the shop")
        async with shopper.client.get("/widget/messages") as response:
            assert response.status == 401
            assert response.headers["Access-Control-Allow-Origin"] == SHOP
            assert "Origin" in response.headers["Vary"]
        assert await (await visit(home)).thread() == []  # the gateway's own pages may, too


# ── what is taken ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("body", "field"), [
    ({"client_id": "c", "text": ""}, "text"),
    ({"client_id": "c", "text": " \n "}, "text"),
    ({"client_id": "c", "text": "x" * 4001}, "text"),
    ({"client_id": "c", "text": "🙂" * 2001}, "text"),
    ({"client_id": "c", "text": "x" * 900_000}, "text"),
    ({"client_id": "", "text": "x"}, "client_id"),
    ({"client_id": "c/../d", "text": "x"}, "client_id"),
    ({"client_id": 5, "text": "x"}, "client_id"),
    ({"text": "x"}, "client_id"),
    ({"client_id": "c", "text": "x", "attachments": ["01a20537-fd02-7302-9841-f3e200ae340c"]}, "attachments"),
    ({"client_id": "c", "text": "x", "attachments": ["../../etc/passwd"]}, "attachments.0"),
])  # fmt: skip
async def test_a_wrong_message_is_refused_with_its_field(
    elena: Visitor, body: dict[str, object], field: str
) -> None:
    """The page shows that it was not sent, and why; nothing is stored."""
    refused = await elena.ask("POST", "messages", 422, json=body)
    assert refused["fields"][0]["field"] == field
    assert refused.get("limit") == (4000 if len(str(body)) > 2000 else None)
    assert await elena.thread() == []


async def test_the_longest_text_fits(elena: Visitor) -> None:
    """The limit is what the session says, counted as a browser counts."""
    text = "🙂" * 2000
    assert (await elena.write(text))["text"] == text
    refused = await elena.write(text + "x", 422)
    assert refused["limit"] == 4000


async def test_text_is_stored_as_it_is(elena: Visitor) -> None:
    """HTML, SQL and marks that turn the direction of text are text; what cannot be stored is replaced."""
    text = "<script>alert(1)</script> '; DROP TABLE messages; -- \u202e\u200f مرحبا"
    assert (await elena.write(text))["text"] == text
    assert (await elena.write("a\x00b\ud800c"))["text"] == "a\ufffdb\ufffdc"


async def test_where_the_visitor_is_comes_without_what_may_be_private(
    elena: Visitor, anna: aiohttp.ClientSession
) -> None:
    """Addresses carry names, mails and tokens behind the question mark."""
    await elena.write("one", page="https://u:p@shop.example/lamps?mail=a@b.c#x")
    await elena.write("two", page="javascript:alert(1)")
    path = f"/api/conversations/{(await conversation(anna))['id']}/messages"
    items = (await get(anna, path))["items"]
    assert [item["data"] for item in items] == [{"page": "https://shop.example/lamps"}, {}]


# ── files ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_picture_travels_both_ways(home: House, elena: Visitor, anna: aiohttp.ClientSession) -> None:
    """Uploaded by one, seen by the other, and the bytes are the same."""
    file = await elena.upload(PNG, "lamp.png", "image/png")
    made = await elena.write("", attachments=[file["id"]])
    assert (made["kind"], made["attachments"][0]["name"]) == ("image", "lamp.png")
    item = await conversation(anna)
    path = f"/api/conversations/{item['id']}/messages"
    (message,) = (await get(anna, path))["items"]
    async with anna.get(message["attachments"][0]["url"]) as response:
        assert await response.read() == PNG
    async with anna.post(
        "/api/files?name=cord.png", data=PNG, headers={"Content-Type": "image/png"}
    ) as response:
        uploaded = (await response.json())["id"]
    await send(anna, "POST", path, {"text": "", "client_id": "r", "attachments": [uploaded]}, 201)
    _, shown = await elena.thread()
    url = shown["attachments"][0]["url"]
    assert url.startswith("/widget/files/")
    async with aiohttp.ClientSession() as anybody, anybody.get(URL(home.url + url, encoded=True)) as got:
        assert (got.status, await got.read()) == (200, PNG)
        assert got.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_a_link_to_a_file_is_good_only_as_it_was_signed(elena: Visitor) -> None:
    """Files have no other lock than this."""
    file = await elena.upload(PNG, "lamp.png", "image/png")
    for broken in (file["url"].split("?")[0], file["url"][:-2], file["url"].replace("e=1", "e=2")):
        async with elena.client.get(broken) as response:
            assert response.status == 403
    again = await elena.upload(PNG, "lamp.png", "image/png")
    other = file["url"].replace(file["id"], again["id"])
    async with elena.client.get(other) as response:
        assert response.status == 403


async def test_links_stay_the_same_all_day(elena: Visitor) -> None:
    """A page that gets a message again must not load its picture again."""
    file = await elena.upload(PNG, "lamp.png", "image/png")
    made = await elena.write("", attachments=[file["id"]])
    assert made["attachments"][0]["url"] == file["url"]
    assert (await elena.thread())[0]["attachments"][0]["url"] == file["url"]


async def test_a_file_of_somebody_else_cannot_be_sent(home: House, elena: Visitor) -> None:
    """Naming an id is not owning the file."""
    file = await (await visit(home)).upload(PNG, "lamp.png", "image/png")
    refused = await elena.write("", 422, attachments=[file["id"]])
    assert refused["fields"][0]["field"] == "attachments"


async def test_a_file_is_sent_once_and_a_repeat_is_the_same_message(elena: Visitor) -> None:
    """The second try of a message finds its file taken, by itself."""
    file = await elena.upload(PNG, "lamp.png", "image/png")
    first = await elena.write("", client_id="c1", attachments=[file["id"]])
    assert await elena.write("", 200, client_id="c1", attachments=[file["id"]]) == first
    await elena.write("", 422, client_id="c2", attachments=[file["id"]])


async def test_a_file_over_the_limit_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    """The session says the limit, and the gateway keeps it."""
    async with house(sqlite_url, tmp_path, upload_limit=100) as home:
        elena = await visit(home)
        async with elena.client.post("/widget/session", json={}) as response:
            assert (await response.json())["limits"] == {"text": 4000, "file_size": 100, "files": 10}
        await elena.ask("POST", "files", 413, data=bytes(101))
        await elena.upload(bytes(100), "x", "application/octet-stream")


# ── limits ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def strict(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A gateway behind a proxy, with low limits."""
    limits = {"WIDGET_VISITOR_RATE": "2", "WIDGET_ADDRESS_RATE": "12", "WIDGET_NEW_VISITORS": "3"}
    for name, value in limits.items():
        monkeypatch.setenv(name, value)
    async with house(sqlite_url, tmp_path, trusted_proxies=1) as home:
        yield home


async def test_a_visitor_who_writes_too_much_waits(strict: House) -> None:
    """One visitor cannot flood the inbox; the page keeps the rest and is told when to come back."""
    elena = await visit(strict, address="203.0.113.7")
    await elena.write("one")
    await elena.write("two")
    refused = await elena.write("three", 429)
    assert 0 < refused["retry_after"] <= 61
    assert [item["text"] for item in await elena.thread()] == ["one", "two"]
    other = await visit(strict, address="203.0.113.8")
    await other.write("not me")


async def test_an_address_that_makes_visitors_waits(strict: House) -> None:
    """Who throws the token away to write more is counted by address, an IPv6 network as one."""
    for last in range(3):
        await visit(strict, address=f"2001:db8::{last}")
    same_network = strict.client(**{"X-Forwarded-For": "2001:db8::9"})
    async with same_network.post("/widget/session", json={}) as response:
        assert response.status == 429
        assert response.headers["Access-Control-Allow-Origin"] == strict.url
    await visit(strict, address="2001:db8:0:1::1")


async def test_an_address_that_asks_too_much_waits(strict: House) -> None:
    """Reading is counted too."""
    elena = await visit(strict, address="203.0.113.7")
    for _ in range(11):
        await elena.thread()
    await elena.ask("GET", "messages", 429)


async def test_on_the_machine_itself_limits_are_generous(strict: House) -> None:
    """Demos and tests are in a hurry."""
    elena = await visit(strict)
    for number in range(30):
        await elena.write(f"message {number}")


# ── the pages ───────────────────────────────────────────────────────────────────────────────────


async def test_the_demo_page_is_plain_and_speaks_the_browsers_language(home: House) -> None:
    """No form before the chat, nothing inline, nothing from elsewhere."""
    for language, title in (("it-IT,it;q=0.9", "La chat sul tuo sito"), ("de", "The chat on your site")):
        async with home.client(**{"Accept-Language": language}).get("/widget/demo") as response:
            page = await response.text()
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert f"<title>{title}</title>" in page
        assert '<script async src="../widget.js"></script>' in page
        assert "<form" not in page
        assert "<style" not in page
    async with home.client().get("/widget/demo.css") as response:
        assert (response.status, response.content_type) == (200, "text/css")
