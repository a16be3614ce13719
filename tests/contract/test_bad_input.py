"""What is refused, how, and what is stored as it is and shown inert."""

from __future__ import annotations

import contextlib
import json
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from bridge.ids import new_id
from tests.bridges import Bridge
from tests.gateways import Desk
from tests.webhooks import TELEGRAM_SECRET, post_update, update

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Two characters that text must not hold; everything else is a customer's own business.
ODD = {
    "..": "..",
    "../../../etc/passwd\x00.png": "../../../etc/passwd\ufffd.png",
    "a\x00b": "a\ufffdb",
    "half \ud83d a face": "half \ufffd a face",
    "\u202egnirts\u202c \u200f\u2067rtl\u2069": "\u202egnirts\u202c \u200f\u2067rtl\u2069",
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>": "<img src=x onerror=alert(2)>",
    "'; DROP TABLE messages; --": "'; DROP TABLE messages; --",
    "{{7*7}} ${7*7} %s %(a)s {0}": "{{7*7}} ${7*7} %s %(a)s {0}",
    "e\u0301 \u0000": "e\u0301 \ufffd",
    "👩‍👩‍👧‍👦 🏳️‍🌈": "👩‍👩‍👧‍👦 🏳️‍🌈",
}  # fmt: skip


async def problem(http: aiohttp.ClientSession, method: str, path: str, status: int, **more: Any) -> Any:
    """The refusal that a request gets."""
    async with http.request(method, path, **more) as answer:
        body = await answer.json()
        assert (answer.status, answer.content_type) == (status, "application/problem+json"), body
    assert body["title"]
    assert body["status"] == status
    return body


async def too_large(http: aiohttp.ClientSession, path: str, body: bytes) -> None:
    """413; where the gateway hung up before we had sent all of it, that is as plain."""
    headers = {"Content-Type": "application/json"}
    with contextlib.suppress(aiohttp.ClientOSError):
        await problem(http, "POST", path, 413, data=BytesIO(body), headers=headers)


async def begin(desk: Desk, chat: int) -> str:
    """The messages of a conversation of this test's own, as a path."""
    assert (
        await post_update(desk.http, update(chat * 1000, "Ciao", chat=chat, name=f"Customer {chat}")) == 200
    )
    return f"/api/conversations/{await desk.conversation(f'Customer {chat}')}/messages"


@pytest.mark.parametrize("path", ["/api", "/api/nothing", "/api/conversations/", "/api/me/x"])
async def test_unknown_path_is_404(desk: Desk, stranger: aiohttp.ClientSession, path: str) -> None:
    """As a problem, signed in or not."""
    await problem(desk.http, "GET", path, 404)
    await problem(stranger, "GET", path, 404)


@pytest.mark.parametrize(
    "unknown", ["01890000-0000-7000-8000-000000000000", "1", "null", "..%2f..%2fetc", "'%20OR%201=1", "%00"]
)
async def test_unknown_id_is_404(desk: Desk, unknown: str) -> None:
    """Ids that are none are no ids either, and no path leads elsewhere."""
    for path in ("conversations/{}", "conversations/{}/messages", "contacts/{}", "files/{}"):
        await problem(desk.http, "GET", f"/api/{path.format(unknown)}", 404)


async def test_wrong_queries_are_told_with_their_field(desk: Desk, chat: int) -> None:
    """A cursor of another list is 400; a limit out of bounds 422."""
    messages = await begin(desk, chat)
    for cursor in ("bm9uc2Vuc2U", "x" * 500, "é"):
        await problem(desk.http, "GET", "/api/conversations", 400, params={"cursor": cursor})
    for query in ({"limit": "0"}, {"limit": "101"}, {"limit": "many"}, {"status": "lost"}):
        body = await problem(desk.http, "GET", "/api/conversations", 422, params=query)
        assert body["fields"][0]["field"] in query
    for query in ({"after": "-1"}, {"after": "1", "before": "2"}, {"limit": "1000"}, {"after": "9" * 30}):
        await problem(desk.http, "GET", messages, 422, params=query)
    for size in (201, 20_000):
        body = await problem(desk.http, "GET", "/api/conversations", 422, params={"q": "x" * size})
        assert body["fields"][0]["field"] == "q"


async def test_empty_value_in_a_query_is_a_missing_one(desk: Desk, chat: int) -> None:
    """A form sends all its fields."""
    messages = await begin(desk, chat)
    every = "status=&channel=&assignee=&label=&q=&cursor=&limit="
    assert (await desk.get(f"/api/conversations?{every}"))["items"]
    assert len((await desk.get(f"{messages}?after=&before=&limit="))["items"]) == 1


async def test_body_that_is_not_encoded_as_it_says_is_400(desk: Desk, bridge: Bridge, chat: int) -> None:
    """Wherever a body is read; the next request goes by another connection, and it is no fault of ours."""
    messages, before = await begin(desk, chat), bridge.log.count("Traceback")
    for path in (messages, "/api/session", "/api/files", "/webhooks/telegram", "/webhooks/twilio"):
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        await problem(desk.http, "POST", path, 400, data=b'{"a": 1}', headers=headers)
    assert bridge.log.count("Traceback") == before


async def test_form_with_a_file_is_415(desk: Desk) -> None:
    """It would be kept with its boundaries in it, and the customer could not open it."""
    form = aiohttp.FormData()
    form.add_field("file", b"%PDF-1.7", filename="a.pdf", content_type="application/pdf")
    await problem(desk.http, "POST", "/api/files", 415, data=form)


async def test_broken_and_wrong_bodies(desk: Desk, chat: int) -> None:
    """Unreadable 400, another type 415, wrong fields 422 with their names, too large 413."""
    messages = await begin(desk, chat)
    for broken in (b"", b"{", b"nope", b"\xff", b'{"text": NaN}'):
        headers = {"Content-Type": "application/json"}
        await problem(desk.http, "POST", messages, 400, data=broken, headers=headers)
    await problem(desk.http, "POST", messages, 415, data={"text": "a", "client_id": "b"})
    wrong: tuple[tuple[Any, str], ...] = (
        ({"text": "a"}, "client_id"), ({"text": 5, "client_id": "b"}, "text"),
        ({"text": "a", "client_id": ""}, "client_id"), ({"text": "  ", "client_id": "b"}, "text"),
        ({"text": "a", "client_id": "b", "kind": "shout"}, "kind"),
        ({"text": "a", "client_id": "b", "attachments": [new_id()]}, "attachments"),
        ({"text": "a", "client_id": "b", "via": new_id()}, "via"), ([], ""),
    )  # fmt: skip
    for body, field in wrong:
        told = await problem(desk.http, "POST", messages, 422, json=body)
        assert told["fields"][0]["field"] == field
    await too_large(desk.http, messages, b'{"text": "' + b"x" * 4_000_000 + b'"}')
    assert len((await desk.get(messages, after=0))["items"]) == 1


async def test_text_over_the_channels_limit_is_422_with_the_limit(desk: Desk, chat: int) -> None:
    """The agent is told how much fits; ten megabytes of faces fit nowhere."""
    messages = await begin(desk, chat)
    limits = {item["type"]: item["limits"] for item in (await desk.get("/api/channels"))["items"]}
    most = limits["telegram"]["text"]
    told = await problem(desk.http, "POST", messages, 422, json={"text": "x" * (most + 1), "client_id": "b"})
    assert told["limit"] == most
    told = await problem(desk.http, "POST", messages, 422, json={"text": "x" * 900_000, "client_id": "b"})
    assert told["limit"] == most
    note = {"text": "x" * 100_001, "kind": "note", "client_id": "b"}
    assert (await problem(desk.http, "POST", messages, 422, json=note))["limit"] == 100_000
    # A face is two UTF-16 units, and Telegram counts those.
    await problem(desk.http, "POST", messages, 422, json={"text": "😀" * (most // 2 + 1), "client_id": "b"})
    await too_large(desk.http, messages, b'{"client_id":"b","text":"' + "😀".encode() * 2_500_000 + b'"}')


@pytest.mark.parametrize("text", ODD)
async def test_odd_text_is_stored_as_it_is(desk: Desk, chat: int, text: str) -> None:
    """From a customer and from an agent: NUL and lone surrogates replaced, all else untouched."""
    body = update(chat * 1000, text, chat=chat, name=f"Customer {chat}")
    headers = {"X-Telegram-Bot-Api-Secret-Token": TELEGRAM_SECRET, "Content-Type": "application/json"}
    async with desk.http.post("/webhooks/telegram", data=json.dumps(body), headers=headers) as answer:
        assert answer.status == 200
    conversation = await desk.conversation(f"Customer {chat}")
    note = json.dumps({"text": text, "kind": "note", "client_id": "odd"})
    path, headers = f"/api/conversations/{conversation}/messages", {"Content-Type": "application/json"}
    async with desk.http.post(path, data=note, headers=headers) as answer:
        assert answer.status == 201
    assert [message["text"] for message in await desk.messages(conversation)] == [ODD[text]] * 2


@pytest.mark.parametrize("name", [*ODD, "con.txt", "a" * 255, "x.svg", "page.html"])
async def test_odd_file_is_handed_out_inert(desk: Desk, name: str) -> None:
    """Whatever it is called and whatever it holds: no path, no script, no guessing of types."""
    params = {"name": name.encode("utf-8", "replace").decode()}
    page = b"<html><script>alert(1)</script></html>"
    async with desk.http.post(
        "/api/files", params=params, data=page, headers={"Content-Type": "text/html"}
    ) as made:
        assert made.status == 201, await made.text()
        file = await made.json()
    async with desk.http.get(file["url"]) as answer:
        assert answer.status == 200
        assert await answer.read() == page
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_file_over_the_limit_is_413(desk: Desk) -> None:
    """And nothing of it is kept."""
    await too_large(desk.http, "/api/files?name=big", bytes(20_000_001))
