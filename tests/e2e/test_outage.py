"""What agents see of an outage: the banner over the panes, from its start to its end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from tests.e2e.conftest import Complaints, context_of
from tests.e2e.test_walks import inbox

expect.set_options(timeout=30_000)

Treat = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def sms(context: BrowserContext, demo: str) -> AsyncIterator[Treat]:
    """The administrator's switch of the SMS channel; in the end it is as it is found."""
    items = (await (await context.request.get("/api/channels")).json())["items"]
    number = next(item["id"] for item in items if item["type"] == "sms")

    async def treat(to: str) -> None:
        path, body = f"/api/channels/{number}/switch", {"treat_as": to}
        answer = await context.request.put(path, data=body, headers={"Origin": demo})
        assert answer.ok, await answer.text()

    try:
        yield treat
    finally:
        await treat("automatic")


@pytest.mark.parametrize("width", [1440, 360])
async def test_banner_tells_what_is_down_and_when_it_works_again(
    chromium: Browser, demo: str, width: int
) -> None:
    """One line over the panes; its button shows the channel's conversations; it ends with good news."""
    complaints = Complaints(demo.removeprefix("http://"))
    context = await context_of(chromium, demo, viewport={"width": width, "height": 800})
    desk = await context.new_page()
    complaints.watch(desk)
    await desk.goto("/inbox/")
    banner = desk.get_by_role("status").filter(has_text="SMS")
    async with sms(context, demo) as treat:
        await treat("down")
        await expect(banner).to_contain_text(re.compile(r"^SMS is down since \d\d:\d\d\."))
        await banner.get_by_role("link", name="Show conversations").click()
        await expect(desk).to_have_url(re.compile("channel=sms"))
        await treat("automatic")
        await expect(banner).to_have_text("SMS works again.")
    await expect(banner).to_have_count(0)
    assert await desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints.found == []


async def test_hidden_banner_stays_away_until_something_changes(chromium: Browser, demo: str) -> None:
    """Over a reload too: who has read it needs it no more. The next outage is news again."""
    context = await context_of(chromium, demo)
    desk = await inbox(await context.new_page())
    banner = desk.get_by_role("status").filter(has_text="SMS is down")
    async with sms(context, demo) as treat:
        await treat("down")
        await banner.get_by_role("button", name="Hide until the next change").click()
        await expect(banner).to_have_count(0)
        await desk.reload()
        await expect(desk.get_by_role("link", name=re.compile("SMS.*down"))).to_be_visible()
        await expect(banner).to_have_count(0)
        await treat("automatic")
        await treat("down")
        await expect(banner).to_be_visible()
