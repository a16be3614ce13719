"""What a newcomer does in the first minutes, through the real pages."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from playwright.async_api import Browser, FrameLocator, Page, expect

from tests.e2e.conftest import Complaints, context_of
from tests.processes import serving, setup_link

expect.set_options(timeout=30_000)


def unique(text: str) -> str:
    """A text that no other test of this demo writes."""
    return f"{text} {uuid4().hex[:6]}"


async def inbox(page: Page) -> Page:
    """The inbox, with its list."""
    await page.goto("/inbox/")
    await expect(page.get_by_role("region", name="Conversations")).to_be_visible()
    return page


async def answer(page: Page, question: str, reply: str) -> None:
    """Open the conversation that ends with the question, and reply."""
    await page.get_by_role("link").filter(has_text=question).click()
    box = page.get_by_role("textbox", name="Reply", exact=True)
    await box.fill(reply)
    await box.press("Enter")
    await expect(page.get_by_role("log", name="Messages")).to_contain_text(reply)


async def visitor_writes(shop: Page | FrameLocator, text: str) -> None:
    """Open the chat on the shop's page and send a message."""
    launcher = shop.get_by_role("button", name=re.compile("chat", re.IGNORECASE)).first
    if await launcher.get_attribute("aria-expanded") != "true":
        await launcher.click()
    box = shop.get_by_role("textbox")
    await box.fill(text)
    await box.press("Enter")


@pytest.mark.parametrize(
    ("channel", "state"), [("Telegram", "Sent"), ("SMS", "Delivered"), ("WhatsApp", "Read")]
)
async def test_phone_writes_and_gets_its_answer(
    chromium: Browser, demo: str, channel: str, state: str
) -> None:
    """Customer → vendor → inbox → vendor → customer, and the agent sees how far it went."""
    complaints = Complaints(demo.removeprefix("http://"))
    context = await context_of(chromium, demo, viewport={"width": 1440, "height": 900})
    sandbox, desk = await context.new_page(), await context.new_page()
    complaints.watch(sandbox)
    complaints.watch(desk)
    question, reply = unique("Avete il vaso Onda?"), unique("Sì, ne abbiamo due")
    await sandbox.goto("/sandbox/")
    await sandbox.get_by_role("textbox", name=f"Write on {channel}").fill(question)
    await sandbox.get_by_role("button", name=f"Send on {channel}").click()
    await answer(await inbox(desk), question, reply)
    await expect(sandbox.get_by_role("log", name=f"Messages on {channel}")).to_contain_text(reply)
    group = desk.get_by_role("group").filter(has_text=reply)
    await expect(group.last).to_contain_text(state)
    assert complaints.found == []


async def test_visitor_of_the_shop_writes_and_gets_an_answer(chromium: Browser, demo: str) -> None:
    """The site's own channel, with the real widget; the agent sees that the answer was read."""
    complaints = Complaints(demo.removeprefix("http://"))
    context = await context_of(chromium, demo, viewport={"width": 1440, "height": 900})
    shop, desk = await context.new_page(), await context.new_page()
    complaints.watch(shop)
    complaints.watch(desk)
    question, reply = unique("Arriva entro sabato?"), unique("Sì, se ordina oggi")
    await shop.goto("/sandbox/shop")
    await visitor_writes(shop, question)
    await answer(await inbox(desk), question, reply)
    await shop.bring_to_front()
    await expect(shop.get_by_role("log")).to_contain_text(reply)
    await desk.bring_to_front()
    await expect(desk.get_by_role("group").filter(has_text=reply).last).to_contain_text("Read")
    assert complaints.found == []


async def test_what_a_visitor_wrote_offline_arrives_once_after_a_reload(chromium: Browser, demo: str) -> None:
    """The line is cut, the visitor writes, the page is loaded anew, the line comes back: one copy."""
    context = await context_of(chromium, demo)
    shop, desk = await context.new_page(), await inbox(await context.new_page())
    first, text = unique("Buongiorno"), unique("Mi sente?")
    await shop.goto("/sandbox/shop")
    await visitor_writes(shop, first)
    await expect(desk.get_by_role("link").filter(has_text=first)).to_be_visible()
    await context.request.put("/sandbox/api/vendor/webchat", data={"mode": "down"}, headers={"Origin": demo})
    await visitor_writes(shop, text)
    await expect(shop.get_by_role("log")).to_contain_text(text)
    await shop.reload()
    await context.request.put("/sandbox/api/vendor/webchat", data={"mode": "ok"}, headers={"Origin": demo})
    await desk.get_by_role("link").filter(has_text=text).click()
    thread = desk.get_by_role("log", name="Messages")
    await expect(thread).to_contain_text(text)
    # A second copy would come with the widget's next connection: let it reconnect once more.
    await shop.reload()
    await visitor_writes(shop, unique("Grazie"))
    await expect(thread).to_contain_text("Grazie")
    assert (await thread.inner_text()).count(text) == 1


async def test_two_agents_see_each_others_work_at_once(chromium: Browser, demo: str) -> None:
    """A reply, an assignment and a resolve show on the other's screen without a reload."""
    anna = await inbox(await (await context_of(chromium, demo)).new_page())
    paolo = await inbox(await (await context_of(chromium, demo, "paolo")).new_page())
    shop = await (await chromium.new_context(base_url=demo)).new_page()
    question, reply = unique("C'è posto?"), unique("Certo")
    await shop.goto("/sandbox/shop")
    await visitor_writes(shop, question)
    await paolo.get_by_role("link").filter(has_text=question).click()
    await answer(anna, question, reply)
    await expect(paolo.get_by_role("log", name="Messages")).to_contain_text(reply)
    await anna.get_by_role("button", name="Resolve", exact=True).click()
    await expect(paolo.get_by_role("button", name="Reopen", exact=True)).to_be_visible()


async def test_first_administrator_works_without_a_mouse(chromium: Browser, tmp_path: Path) -> None:
    """From the one-time link to a resolved conversation, by keyboard alone."""
    with serving(folder=tmp_path) as address:
        link = setup_link((tmp_path / "log").read_text)
        await _visitor_by_rest(address, "Si può ritirare in negozio?")
        context = await chromium.new_context(base_url=address, locale="en-GB")
        page = await context.new_page()
        await page.goto(link)
        await page.get_by_label("Your name").fill("Irene")
        await page.get_by_label("Email").fill("irene@example.com")
        await page.get_by_label("Password", exact=True).fill("correct horse battery")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("region", name="Conversations")).to_contain_text("ritirare")
        for key in ("j", "r"):
            await page.keyboard.press(key)
        await expect(page.get_by_role("textbox", name="Reply", exact=True)).to_be_focused()
        await page.keyboard.type("Certo, fino alle 19.")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("log", name="Messages")).to_contain_text("Certo, fino alle 19.")
        await page.keyboard.press("Escape")
        await page.keyboard.press("e")
        await expect(page.get_by_role("status").filter(has_text="Resolved")).to_be_visible()


async def _visitor_by_rest(address: str, text: str) -> None:
    async with aiohttp.ClientSession(address, headers={"Origin": address}) as http:
        async with http.post("/widget/session", json={}) as answer:
            token = (await answer.json())["token"]
        headers = {"Authorization": f"Bearer {token}"}
        body = {"client_id": uuid4().hex, "text": text}
        async with http.post("/widget/messages", json=body, headers=headers) as answer:
            assert answer.status == 201


@pytest.mark.parametrize("width", [320, 360, 1024])
async def test_no_page_scrolls_sideways(chromium: Browser, demo: str, width: int) -> None:
    """A phone shows all of every page."""
    context = await context_of(chromium, demo, viewport={"width": width, "height": 740})
    page = await context.new_page()
    for path in ("/inbox/", "/sandbox/", "/sandbox/shop", "/widget/demo"):
        await page.goto(path)
        await expect(page.locator("body")).to_be_visible()
        await page.wait_for_load_state("load")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
