"""Each page, as pictures to be looked at, in `test-results/`; and what a glance would show is checked."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.conftest import Complaints, context_of

expect.set_options(timeout=30_000)

PICTURES = Path(__file__).parents[2] / "test-results"
Look = Callable[[Page], Awaitable[None]]


async def sign_in(page: Page) -> None:
    await page.goto("/inbox/")
    await expect(page.get_by_label("Password", exact=True)).to_be_visible()


async def set_up(page: Page) -> None:
    await page.goto("/inbox/#/setup/a-token")
    await expect(page.get_by_label("Your name")).to_be_visible()


async def listed(page: Page) -> None:
    await page.goto("/inbox/")
    await expect(page.get_by_role("link").filter(has_text="Giulia Ferri").first).to_be_visible()


async def thread(page: Page) -> None:
    await listed(page)
    await page.get_by_role("link").filter(has_text="Giulia Ferri").first.click()
    await expect(page.get_by_role("textbox", name="Reply", exact=True)).to_be_visible()


async def sandbox(page: Page) -> None:
    await page.goto("/sandbox/")
    await expect(page.get_by_role("log", name="Messages on Telegram")).to_be_visible()


async def shop(page: Page) -> None:
    await page.goto("/sandbox/shop")
    await expect(launcher(page)).to_be_visible()


async def chat(page: Page) -> None:
    await shop(page)
    await launcher(page).click()
    await expect(page.get_by_role("textbox")).to_be_visible()


async def plain(page: Page) -> None:
    await page.goto("/widget/demo")
    await expect(launcher(page)).to_be_visible()
    await launcher(page).click()
    await expect(page.get_by_role("textbox")).to_be_visible()


def launcher(page: Page) -> Locator:
    """The widget's button."""
    return page.get_by_role("button", name=re.compile("chat", re.IGNORECASE)).first


STRANGERS: dict[str, Look] = {"sign-in": sign_in, "set-up": set_up}
AGENTS: dict[str, Look] = {
    "list": listed, "thread": thread, "sandbox": sandbox, "shop": shop, "chat": chat, "plain": plain,
}  # fmt: skip


@pytest.mark.parametrize(
    ("width", "theme"), [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark"), (320, "light")]
)
async def test_each_page_looks_right(chromium: Browser, demo: str, width: int, theme: str) -> None:
    """Nothing beyond the edge, nothing cut off, no complaint; the rest is for eyes."""
    complaints = Complaints(demo.removeprefix("http://"))
    size: dict[str, Any] = {
        "viewport": {"width": width, "height": 900 if width > 800 else 740}, "color_scheme": theme,
    }  # fmt: skip
    stranger = await chromium.new_context(locale="en-GB", base_url=demo, **size)
    stranger.set_default_timeout(30_000)
    agent = await context_of(chromium, demo, **size)
    PICTURES.mkdir(exist_ok=True)
    for context, looks in ((stranger, STRANGERS), (agent, AGENTS)):
        for name, look in looks.items():
            page = await context.new_page()
            complaints.watch(page)
            await look(page)
            await page.wait_for_load_state("networkidle")
            await page.evaluate("document.fonts.ready")
            await page.screenshot(path=PICTURES / f"{name}-{width}-{theme}.png", animations="disabled")
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, name
            await page.close()
    assert complaints.found == []
