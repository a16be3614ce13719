"""The chat as a visitor uses it: the built script in a real browser, against a gateway that runs."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import (
    Browser,
    BrowserContext,
    FilePayload,
    Locator,
    Page,
    expect,
)

import bridge
from tests.api.house import House, get, house, send
from tests.servers import free_port

CHAT = re.compile("chat", re.IGNORECASE)


@pytest_asyncio.fixture(loop_scope="session")
async def home(sqlite_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """A gateway that runs, with the pages as they are built."""
    async with house(sqlite_url, _with_pages(tmp_path), business="Bottega Lume") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def anna(home: House) -> aiohttp.ClientSession:
    """An agent who has signed in."""
    return await home.agent("Anna")


@pytest_asyncio.fixture(loop_scope="session")
async def device(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """A visitor's browser. It must have nothing to complain about, but what a test does to it."""
    context = await chromium.new_context(locale="en-US")
    complaints: list[str] = []
    context.on(
        "console",
        lambda said: (
            complaints.append(said.text)
            if said.type == "error" and not re.search(r" 503 |ERR_INTERNET_DISCONNECTED", said.text)
            else None
        ),
    )
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context
    await context.close()
    assert complaints == []


async def come(device: BrowserContext, home: House) -> Page:
    """Open the demo page."""
    page = await device.new_page()
    await page.goto(f"{home.url}/widget/demo")
    return page


async def open_chat(page: Page) -> Locator:
    """Open the chat; the field to write in."""
    await page.get_by_role("button", name=CHAT).click()
    return page.get_by_role("textbox")


async def say(page: Page, text: str) -> None:
    """Write and press Enter."""
    await page.get_by_role("textbox").fill(text)
    await page.get_by_role("textbox").press("Enter")
    await expect(page.get_by_text(text, exact=True)).to_be_visible()


async def messages(anna: aiohttp.ClientSession) -> list[dict[str, Any]]:
    """The messages of the newest conversation, as the team sees them."""
    items = (await get(anna, "/api/conversations"))["items"]
    if not items:
        return []
    return list((await get(anna, f"/api/conversations/{items[0]['id']}/messages", limit=100))["items"])


async def stored(anna: aiohttp.ClientSession, *texts: str) -> None:
    """Wait until the team has exactly these messages."""
    found: list[str] = []
    for _ in range(200):
        found = [message["text"] for message in await messages(anna)]
        if found == list(texts):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(found)


async def reply(anna: aiohttp.ClientSession, text: str, **more: Any) -> None:
    """Answer the newest conversation."""
    (item, *_) = (await get(anna, "/api/conversations"))["items"]
    body = {"text": text, "client_id": text} | more
    await send(anna, "POST", f"/api/conversations/{item['id']}/messages", body, 201)


async def test_a_visitor_and_an_agent_talk(
    device: BrowserContext, home: House, anna: aiohttp.ClientSession
) -> None:
    """The whole way there and back, by keyboard, with every state said in words."""
    page = await come(device, home)
    launcher = page.get_by_role("button", name=CHAT)
    await expect(launcher).to_have_attribute("aria-expanded", "false")
    field = await open_chat(page)
    await expect(page.get_by_role("dialog", name="Bottega Lume")).to_be_visible()
    await expect(field).to_be_focused()
    assert await page.get_by_role("textbox").count() == 1
    await say(page, "Buongiorno!")
    await expect(page.get_by_text("Sent", exact=True)).to_be_visible()
    await reply(anna, "Ciao Elena")
    await expect(page.get_by_role("log").get_by_text("Ciao Elena")).to_be_visible()
    await expect(page.get_by_text("Read", exact=True)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Open chat")).to_be_focused()
    await stored(anna, "Buongiorno!", "Ciao Elena")
    await reply(anna, "Are you there?")
    await expect(page.get_by_role("button", name="Open chat, 1 unread")).to_be_visible()


async def test_nothing_is_asked_before_the_visitor_opens_the_chat(
    device: BrowserContext, home: House
) -> None:
    """A shop's page pays for the script, and for nothing else."""
    page = await device.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(home.url)))
    page.on("websocket", lambda socket: asked.append(socket.url))
    await page.goto(f"{home.url}/widget/demo")
    await expect(page.get_by_role("button", name=CHAT)).to_be_visible()
    assert asked == ["/widget/demo", "/widget/demo.css", "/widget.js"]


async def test_what_is_written_offline_leaves_once_and_in_order(
    device: BrowserContext, home: House, anna: aiohttp.ClientSession
) -> None:
    """The train comes out of the tunnel; what was being typed is there after a reload."""
    page = await come(device, home)
    field = await open_chat(page)
    await say(page, "one")
    await stored(anna, "one")
    await device.set_offline(True)
    await say(page, "two")
    await say(page, "three")
    await field.fill("and ano")
    await expect(page.get_by_text("Waiting", exact=True)).to_be_visible()
    await expect(page.get_by_text("You are offline.")).to_be_visible()
    await device.set_offline(False)
    await stored(anna, "one", "two", "three")
    await page.reload()
    await expect(await open_chat(page)).to_have_value("and ano")
    await expect(page.get_by_text("three", exact=True)).to_have_count(1)
    await stored(anna, "one", "two", "three")


async def test_what_waits_survives_a_reload(
    device: BrowserContext, home: House, anna: aiohttp.ClientSession
) -> None:
    """The gateway was away, the visitor closed the page; the next page of the site sends it."""
    page = await come(device, home)
    await open_chat(page)
    await say(page, "one")
    await stored(anna, "one")
    await page.route("**/widget/messages", lambda route: route.fulfill(status=503, json={"title": "away"}))
    await page.get_by_role("textbox").fill("two")
    async with page.expect_response("**/widget/messages"):
        await page.get_by_role("textbox").press("Enter")
    await page.close()
    page = await come(device, home)  # and the chat stays closed
    await stored(anna, "one", "two")
    await open_chat(page)
    await expect(page.get_by_text("two", exact=True)).to_have_count(1)


async def test_tabs_share_one_chat(device: BrowserContext, home: House, anna: aiohttp.ClientSession) -> None:
    """Two pages of the shop are one visitor: the same draft, the same messages, the same unread."""
    one, two = await come(device, home), await come(device, home)
    await open_chat(one)
    await say(one, "from one")
    field = await open_chat(two)
    await expect(two.get_by_text("from one", exact=True)).to_be_visible()
    await field.fill("shared draft")
    await expect(one.get_by_role("textbox")).to_have_value("shared draft")
    await say(two, "from two")
    await expect(one.get_by_text("from two", exact=True)).to_be_visible()
    await stored(anna, "from one", "from two")
    for page in (one, two):
        await page.get_by_role("textbox").press("Escape")
    await reply(anna, "hello both")
    for page in (one, two):
        await expect(page.get_by_role("button", name="Open chat, 1 unread")).to_be_visible()
    await open_chat(two)
    await expect(one.get_by_role("button", name="Open chat", exact=True)).to_be_visible()


async def test_without_sockets_the_chat_works(
    device: BrowserContext, home: House, anna: aiohttp.ClientSession
) -> None:
    """Some companies' proxies let no WebSocket through."""
    page = await device.new_page()
    await page.route_web_socket("**/widget/socket", lambda socket: socket.close())
    await page.goto(f"{home.url}/widget/demo")
    await open_chat(page)
    await say(page, "anybody?")
    await stored(anna, "anybody?")
    await reply(anna, "here we are")
    await expect(page.get_by_text("here we are")).to_be_visible(timeout=15_000)


async def test_a_picture_is_shown_at_once_and_arrives(
    device: BrowserContext, home: House, anna: aiohttp.ClientSession
) -> None:
    """The visitor sees their own picture without waiting; the team gets the file."""
    page = await come(device, home)
    await open_chat(page)
    picture = await page.screenshot()
    chosen = FilePayload(name="lamp.png", mimeType="image/png", buffer=picture)
    await page.locator("input[type=file]").set_input_files(chosen)
    await expect(page.get_by_role("img", name="lamp.png")).to_be_visible()
    await expect(page.get_by_text("Sent", exact=True)).to_be_visible()
    ((file,),) = [message["attachments"] for message in await messages(anna)]
    assert (file["name"], file["kind"], file["size"]) == ("lamp.png", "image", len(picture))
    await page.reload()
    await open_chat(page)
    image = page.get_by_role("img", name="lamp.png")
    await expect(image).to_be_visible()
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


async def test_a_picture_that_could_not_leave_survives_a_reload(
    device: BrowserContext, home: House, anna: aiohttp.ClientSession
) -> None:
    """Words are not all that must not get lost; and what follows the picture stays behind it."""
    page = await come(device, home)
    await open_chat(page)
    await page.route("**/widget/files?*", lambda route: route.fulfill(status=503, json={"title": "away"}))
    chosen = FilePayload(name="lamp.png", mimeType="image/png", buffer=await page.screenshot())
    async with page.expect_response("**/widget/files?*"):
        await page.locator("input[type=file]").set_input_files(chosen)
    await say(page, "this lamp")
    await page.close()
    page = await come(device, home)
    await stored(anna, "", "this lamp")
    assert [len(message["attachments"]) for message in await messages(anna)] == [1, 0]


async def test_it_stands_on_a_strict_site_that_styles_everything(
    device: BrowserContext, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy without inline styles, Trusted Types, and a style sheet with !important for all elements."""
    async with _shop() as (shop, say_gateway):
        monkeypatch.setenv("WIDGET_ALLOWED_ORIGINS", shop)
        async with house(sqlite_url, _with_pages(tmp_path)) as home:
            say_gateway(home.url)
            page = await device.new_page()
            await page.goto(shop)
            height = await page.evaluate("document.documentElement.scrollHeight")
            await open_chat(page)
            await say(page, "from the shop")
            await expect(page.get_by_text("Inviato", exact=True)).to_be_visible()
            style = "node => [getComputedStyle(node).textTransform, getComputedStyle(node).letterSpacing]"
            assert await page.get_by_text("from the shop").evaluate(style) == ["none", "normal"]
            assert await page.evaluate("document.documentElement.scrollHeight") == height
            button = page.get_by_role("button", name="Invia")
            assert await button.evaluate("node => getComputedStyle(node).borderTopWidth") == "0px"


def _with_pages(folder: Path) -> Path:
    """A data folder in which the gateway of a test finds what `make` builds."""
    (folder / "static").symlink_to(Path(bridge.__file__).parent / "static")
    return folder


@asynccontextmanager
async def _shop() -> AsyncIterator[tuple[str, Any]]:
    """A site of its own, Italian, with rules."""
    port, gateway = free_port(), [""]

    async def page(_: web.Request) -> web.Response:
        host = gateway[0]
        policy = (
            f"default-src 'none'; script-src {host}; connect-src {host} {host.replace('http', 'ws')}; "
            f"style-src 'self'; img-src {host} blob: data:; require-trusted-types-for 'script'"
        )
        body = (
            '<!doctype html><html lang="it"><link rel="icon" href="data:,">'
            '<link rel="stylesheet" href="/s.css"><h1>Shop</h1>'
            f'<script async src="{host}/widget.js" data-color="#a33f1a"></script>'
        )
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=body, content_type="text/html", headers=headers)

    async def style(_: web.Request) -> web.Response:
        rules = """html { font-size: 62.5% }
            * { text-transform: uppercase !important; letter-spacing: 9px !important }
            button { border: 5px solid !important }"""
        return web.Response(text=rules, content_type="text/css")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/s.css", style)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}", lambda url: gateway.__setitem__(0, url)
    finally:
        await runner.cleanup()


def test_the_script_stays_small() -> None:
    """Every visitor of a shop loads it: 15 kB, compressed, is the budget."""
    script = (Path(bridge.__file__).parent / "static" / "widget.js").read_bytes()
    assert len(gzip.compress(script)) <= 15_000
    assert script.startswith(b"(function(){")  # and nothing of it is left in the page's global scope
