"""Menus: they open on every width, and a number in them is read in one go."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import context_of

expect.set_options(timeout=30_000)


async def thread_of(page: Page, name: str) -> None:
    """Open a conversation by the customer's name."""
    await page.goto("/inbox/")
    await page.get_by_role("link").filter(has_text=name).first.click()
    await expect(page.get_by_role("textbox", name="Reply", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [360, 768, 1440])
async def test_addresses_of_the_customer_open_on_every_width(
    chromium: Browser, demo: str, width: int
) -> None:
    """Where the reply goes can be looked up on a phone, too, and its number is not broken in two."""
    context = await context_of(chromium, demo, viewport={"width": width, "height": 740})
    page = await context.new_page()
    await thread_of(page, "+39 333 123 4567")
    await page.get_by_role("button", name="Reply by SMS").click()
    menu = page.get_by_role("menu", name="Address for the next reply")
    await expect(menu.get_by_role("menuitemradio")).to_be_visible()
    number = menu.get_by_text("+39 333 123 4567")
    assert await number.evaluate("(element) => element.getClientRects().length") == 1
