"""The chat on a site's page: what visitors read, and what the page keeps."""

from __future__ import annotations

import re

from playwright.async_api import Browser, expect

from tests.e2e.conftest import context_of
from tests.e2e.test_walks import answer, inbox, unique, visitor_writes

expect.set_options(timeout=30_000)


async def test_chat_adds_no_second_banner_to_the_page(chromium: Browser, demo: str) -> None:
    """A site has one banner, its own: who moves by landmarks must not meet the chat's."""
    page = await (await chromium.new_context(base_url=demo)).new_page()
    await page.goto("/sandbox/shop")
    await page.get_by_role("button", name="Apri la chat").click()
    await expect(page.get_by_role("dialog", name="Bottega Lume")).to_be_visible()
    assert await page.get_by_role("banner").count() == 1


async def test_visitor_reads_the_first_name_and_the_time_of_their_region(
    chromium: Browser, demo: str
) -> None:
    """A shop's people go by their first names; an English browser of Britain says 14:05, not 2:05 PM."""
    desk = await inbox(await (await context_of(chromium, demo)).new_page())
    visitor = await chromium.new_context(base_url=demo, locale="en-GB")
    page = await visitor.new_page()
    question, reply = unique("Do you open on Sunday?"), unique("We do")
    await page.goto("/widget/demo")
    await visitor_writes(page, question)
    await answer(desk, question, reply)
    log = page.get_by_role("log")
    await expect(log).to_contain_text(reply)
    await expect(log).to_contain_text("Anna ·")
    await expect(log).not_to_contain_text("Colombo")
    await expect(log).not_to_contain_text(re.compile("[AP]M"))


async def test_snippet_is_read_whole_on_a_phone(chromium: Browser, demo: str) -> None:
    """What is to be copied breaks into lines instead of running out of its box."""
    context = await chromium.new_context(base_url=demo, viewport={"width": 320, "height": 640})
    page = await context.new_page()
    await page.goto("/widget/demo")
    box = page.locator("pre")
    assert await box.evaluate("box => box.scrollWidth <= box.clientWidth")


async def test_wire_opens_what_the_visitor_said(chromium: Browser, demo: str) -> None:
    """The site chat has no vendor; its calls show their words all the same."""
    shop = await (await chromium.new_context(base_url=demo)).new_page()
    sandbox = await (await context_of(chromium, demo, viewport={"width": 1440, "height": 900})).new_page()
    question = unique("Quanto pesa?")
    await sandbox.goto("/sandbox/")
    await expect(sandbox.get_by_role("button", name="POST /webhooks/twilio").first).to_be_visible()
    calls = sandbox.get_by_role("button", name="POST /widget/messages, 201")
    before = await calls.count()
    await shop.goto("/sandbox/shop")
    await visitor_writes(shop, question)
    await expect(calls).to_have_count(before + 1)
    await calls.first.click()
    dialog = sandbox.get_by_role("dialog", name="POST /widget/messages")
    await expect(dialog).to_contain_text(question)
    await expect(dialog.get_by_role("heading", name="Answer")).to_be_visible()
    await expect(dialog).not_to_contain_text("No answer")
