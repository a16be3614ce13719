"""Phones, and windows that zoom made small: everything can be seen, reached and hit."""

from __future__ import annotations

from playwright.async_api import Browser, expect

expect.set_options(timeout=30_000)


async def test_door_scrolls_where_it_is_higher_than_the_window(chromium: Browser, demo: str) -> None:
    """A laptop at 200 % has 450 px: the button that makes the first administrator lies below."""
    context = await chromium.new_context(
        base_url=demo, locale="en-GB", viewport={"width": 720, "height": 450}
    )
    page = await context.new_page()
    await page.goto("/inbox/#/setup/a-token")
    await expect(page.get_by_role("heading", name="Make the first administrator")).to_be_in_viewport()
    await page.mouse.move(360, 300)
    await page.mouse.wheel(0, 600)
    await expect(page.get_by_role("button", name="Create and open the inbox")).to_be_in_viewport(ratio=1)
