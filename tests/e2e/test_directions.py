"""Languages that are written from right to left, in an inbox that is not."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.e2e.conftest import context_of

expect.set_options(timeout=30_000)

ARABIC = "مرحبا، هل الشحن متاح؟ 14:40"


async def test_arabic_is_read_from_right_to_left(chromium: Browser, demo: str) -> None:
    """Text takes its direction from itself, in the bubble and while it is written; the page keeps its own."""
    context = await context_of(chromium, demo, viewport={"width": 1440, "height": 900})
    said = {"chat_id": 2003, "name": "مريم العلي", "text": ARABIC}
    assert (await context.request.post("/sandbox/api/telegram/say", data=said)).ok
    page = await context.new_page()
    await page.goto("/inbox/")
    row = page.get_by_role("link").filter(has_text=ARABIC)
    await expect(row.get_by_text(ARABIC)).to_have_css("direction", "rtl")
    await row.click()
    log = page.get_by_role("log", name="Messages")
    await expect(log.get_by_text(ARABIC)).to_have_css("direction", "rtl")
    await expect(log).to_have_css("direction", "ltr")
    box = page.get_by_role("textbox", name="Reply", exact=True)
    await box.fill("نعم")
    await expect(box).to_have_css("direction", "rtl")
    await box.fill("Yes")
    await expect(box).to_have_css("direction", "ltr")
