"""Networks go away and come back: what was typed survives, what was missed is shown, nothing is twice."""

from __future__ import annotations

import re
from typing import Self

from playwright.async_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from tests.e2e.conftest import Complaints, context_of
from tests.e2e.test_walks import answer, inbox, unique, visitor_writes

expect.set_options(timeout=30_000)


class Line:
    """The network of one browser profile: cut, it takes open WebSockets with it, as in real life."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self._open: list[WebSocketRoute] = []
        self._is_cut = False

    async def watch(self) -> Self:
        """Call before the first page is opened."""
        await self._context.route_web_socket(re.compile(""), self._connect)
        return self

    async def cut(self) -> None:
        """From now on nothing gets through."""
        self._is_cut = True
        await self._context.set_offline(True)
        for socket in self._open:
            await socket.close(code=1001)
        self._open.clear()

    async def mend(self) -> None:
        """The network is back."""
        self._is_cut = False
        await self._context.set_offline(False)

    async def _connect(self, socket: WebSocketRoute) -> None:
        if self._is_cut:
            await socket.close(code=1001)
        else:
            socket.connect_to_server()
            self._open.append(socket)


def serious(complaints: Complaints) -> list[str]:
    """What is no mere sign of the network that this test took away."""
    return [one for one in complaints.found if not re.search(r"net::ERR_|WebSocket connection", one)]


async def test_f26_what_a_visitor_types_without_a_network_arrives_once(chromium: Browser, demo: str) -> None:
    """Offline in earnest: two messages wait, say so, and leave once each, in order, when the net is back."""
    complaints = Complaints(demo.removeprefix("http://"))
    desk = await inbox(await (await context_of(chromium, demo)).new_page())
    phone = await chromium.new_context(base_url=demo)
    line, shop = await Line(phone).watch(), await phone.new_page()
    complaints.watch(shop)
    hello, one, two = unique("Buongiorno"), unique("Siete aperti?"), unique("Anche domenica?")
    await shop.goto("/sandbox/shop")
    await visitor_writes(shop, hello)
    await desk.get_by_role("link").filter(has_text=hello).click()
    await line.cut()
    for text in (one, two):
        await visitor_writes(shop, text)
        await expect(shop.get_by_role("log")).to_contain_text(text)
    await line.mend()
    thread = desk.get_by_role("log", name="Messages")
    await expect(thread).to_contain_text(two)
    await shop.reload()
    last = unique("Grazie")
    await visitor_writes(shop, last)
    await expect(thread).to_contain_text(last)
    shown = await thread.inner_text()
    assert [shown.count(text) for text in (hello, one, two, last)] == [1, 1, 1, 1]
    assert shown.index(hello) < shown.index(one) < shown.index(two) < shown.index(last)
    assert serious(complaints) == []


async def test_f26_visitor_who_was_away_sees_the_answer(chromium: Browser, demo: str) -> None:
    """The answer came while the phone slept; it is there when it wakes, without a reload."""
    desk = await inbox(await (await context_of(chromium, demo)).new_page())
    phone = await chromium.new_context(base_url=demo)
    line, shop = await Line(phone).watch(), await phone.new_page()
    question, reply = unique("Fate spedizioni?"), unique("In tutta Italia")
    await shop.goto("/sandbox/shop")
    await visitor_writes(shop, question)
    await expect(desk.get_by_role("link").filter(has_text=question)).to_be_visible()
    await line.cut()
    await answer(desk, question, reply)
    await line.mend()
    await expect(shop.get_by_role("log")).to_contain_text(reply)
    assert (await shop.get_by_role("log").inner_text()).count(reply) == 1


async def test_f25_agent_who_was_offline_misses_nothing_and_need_not_reload(
    chromium: Browser, demo: str
) -> None:
    """Messages that came meanwhile appear by themselves, and what the agent had typed is still there."""
    complaints = Complaints(demo.removeprefix("http://"))
    context = await context_of(chromium, demo)
    line, desk = await Line(context).watch(), await inbox(await context.new_page())
    complaints.watch(desk)
    shop = await (await chromium.new_context(base_url=demo)).new_page()
    first, missed = unique("C'è qualcuno?"), unique("Pronto?")
    await shop.goto("/sandbox/shop")
    await visitor_writes(shop, first)
    await desk.get_by_role("link").filter(has_text=first).click()
    box = desk.get_by_role("textbox", name="Reply", exact=True)
    await box.fill("Un momento, gua")
    await mark(desk)
    await line.cut()
    await visitor_writes(shop, missed)
    await expect(shop.get_by_role("log")).to_contain_text(missed)
    await line.mend()
    await expect(desk.get_by_role("log", name="Messages")).to_contain_text(missed)
    await expect(box).to_have_value("Un momento, gua")
    assert await is_marked(desk)
    assert serious(complaints) == []


async def test_agents_reply_that_was_written_offline_leaves_once(chromium: Browser, demo: str) -> None:
    """Enter was pressed in the tunnel: the reply waits in sight and reaches the visitor once."""
    context = await context_of(chromium, demo)
    line, desk = await Line(context).watch(), await inbox(await context.new_page())
    shop = await (await chromium.new_context(base_url=demo)).new_page()
    question, reply = unique("Quanto costa?"), unique("Ottantanove euro")
    await shop.goto("/sandbox/shop")
    await visitor_writes(shop, question)
    await desk.get_by_role("link").filter(has_text=question).click()
    box = desk.get_by_role("textbox", name="Reply", exact=True)
    await box.fill(reply)
    await line.cut()
    await box.press("Enter")
    await expect(desk.get_by_role("log", name="Messages")).to_contain_text(reply)
    await line.mend()
    await expect(shop.get_by_role("log")).to_contain_text(reply)
    await expect(desk.get_by_role("group").filter(has_text=reply).last).to_contain_text(
        re.compile("Sent|Delivered|Read")
    )
    assert (await shop.get_by_role("log").inner_text()).count(reply) == 1


async def mark(page: Page) -> None:
    """Leave a mark that a reload would wipe away."""
    await page.evaluate("window.sameDocument = true")


async def is_marked(page: Page) -> bool:
    """Whether the page is still the same document."""
    return bool(await page.evaluate("window.sameDocument === true"))
