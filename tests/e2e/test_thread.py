"""What a thread looks like."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.e2e.conftest import context_of

expect.set_options(timeout=30_000)


async def test_pictures_sent_as_one_stand_side_by_side(chromium: Browser, demo: str) -> None:
    """An album of three is one glance: two beside each other, the third across below them."""
    context = await context_of(
        chromium, demo, viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
    )
    said = {"chat_id": 2004, "name": "Nadia Album", "kind": "album", "text": "Eccole"}
    assert (await context.request.post("/sandbox/api/telegram/say", data=said)).ok
    page = await context.new_page()
    await page.goto("/inbox/")
    await page.get_by_role("link").filter(has_text="Nadia Album").click()
    pictures = page.get_by_role("button", name="Open the picture")
    await expect(pictures).to_have_count(3)
    first, second, third = [await picture.bounding_box() for picture in await pictures.all()]
    assert first
    assert second
    assert third
    assert first["y"] == second["y"] < third["y"]
    assert first["width"] == first["height"] < third["width"]
