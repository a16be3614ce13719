"""What an agent writes goes to whom it was written, when it was finished, and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from playwright.async_api import Browser, Error, FilePayload, Page, Route, expect

from tests.e2e.conftest import context_of
from tests.e2e.test_keyboard import ask, open_thread
from tests.e2e.test_walks import inbox, unique

expect.set_options(timeout=30_000)

FILE = FilePayload(name="scaffale.txt", mimeType="text/plain", buffer=b"scaffale B4")


async def desk_before(chromium: Browser, demo: str, *questions: str) -> Page:
    """An agent's inbox with these questions of different visitors in it."""
    desk = await inbox(await (await context_of(chromium, demo)).new_page())
    for question in questions:
        await ask(chromium, demo, question)
        await expect(desk.get_by_role("link").filter(has_text=question)).to_be_visible()
    return desk


@asynccontextmanager
async def slow_uploads(page: Page) -> AsyncIterator[asyncio.Event]:
    """No file arrives before the event is set."""
    arrive = asyncio.Event()

    async def hold(route: Route) -> None:
        await arrive.wait()
        with suppress(Error):  # the page has given this one up
            await route.continue_()

    await page.route("**/api/files?name=*", hold)
    try:
        yield arrive
    finally:
        arrive.set()
        await page.unroute("**/api/files?name=*", hold)


async def write(page: Page, kind: str, text: str) -> None:
    """Write into the reply or the note."""
    await page.get_by_role("tab", name=kind).click()
    await page.get_by_role("textbox", name=kind, exact=True).fill(text)


async def test_note_that_waits_for_its_file_sends_no_unfinished_reply(chromium: Browser, demo: str) -> None:
    """Each has its own text and files; what is half written stays where it is."""
    question, half, note = unique("Lo avete?"), unique("Credo di"), unique("Vedi scaffale")
    desk = await desk_before(chromium, demo, question)
    await open_thread(desk, question)
    async with slow_uploads(desk) as arrive:
        await write(desk, "Reply", half)
        await write(desk, "Note", note)
        await desk.locator("[data-attach]").set_input_files(FILE)
        await desk.get_by_role("textbox", name="Note", exact=True).press("Enter")
        await expect(desk.get_by_role("status").filter(has_text="Sends when")).to_be_visible()
        await desk.get_by_role("tab", name="Reply").click()
        arrive.set()
        thread = desk.get_by_role("log", name="Messages")
        await expect(thread).to_contain_text(note)
        await expect(desk.get_by_role("textbox", name="Reply", exact=True)).to_have_value(half)
        await expect(thread).not_to_contain_text(half)


async def test_reply_leaves_with_its_file_wherever_the_agent_is_by_then(chromium: Browser, demo: str) -> None:
    """It was sent when Enter was pressed: it does not wait until somebody looks at it again."""
    first, second, reply = unique("Ha una foto?"), unique("Chi è?"), unique("Eccola")
    desk = await desk_before(chromium, demo, first, second)
    await open_thread(desk, first)
    async with slow_uploads(desk) as arrive:
        await write(desk, "Reply", reply)
        await desk.locator("[data-attach]").set_input_files(FILE)
        await desk.get_by_role("textbox", name="Reply", exact=True).press("Enter")
        await open_thread(desk, second)
        arrive.set()
        await expect(desk.get_by_role("link").filter(has_text=f"You: File {reply}")).to_be_visible()
    await expect(desk.get_by_role("log", name="Messages")).not_to_contain_text(reply)
    await expect(desk.get_by_role("log", name="Messages")).to_contain_text(second)


async def test_reply_that_is_changed_while_it_waits_is_not_finished(chromium: Browser, demo: str) -> None:
    """Whoever writes on, or takes a wrong file away, has not sent it."""
    question, reply = unique("A che ora?"), unique("Alle nove")
    desk = await desk_before(chromium, demo, question)
    await open_thread(desk, question)
    box = desk.get_by_role("textbox", name="Reply", exact=True)
    waiting = desk.get_by_role("status").filter(has_text="Sends when")
    async with slow_uploads(desk):
        await write(desk, "Reply", reply)
        await desk.locator("[data-attach]").set_input_files(FILE)
        await box.press("Enter")
        await expect(waiting).to_be_visible()
        await desk.keyboard.type(" e mezza")
        await expect(waiting).to_have_count(0)
        await box.press("Enter")
        await expect(waiting).to_be_visible()
        await desk.get_by_role("button", name="Remove scaffale.txt").click()
        await expect(box).to_be_focused()
        await expect(box).to_have_value(f"{reply} e mezza")
    await box.press("Enter")
    thread = desk.get_by_role("log", name="Messages")
    await expect(thread).to_contain_text(f"{reply} e mezza")
    assert (await thread.inner_text()).count(reply) == 1


async def test_who_goes_on_typing_after_a_click_on_send_gives_no_command(
    chromium: Browser, demo: str
) -> None:
    """`e` would resolve the conversation, and `r` open the next customer's reply."""
    question, reply = unique("Spedite?"), unique("Certo")
    desk = await desk_before(chromium, demo, unique("Altro"), question)
    await open_thread(desk, question)
    await write(desk, "Reply", reply)
    await desk.get_by_role("button", name="Send").click()
    await desk.keyboard.type("there, e qui")
    await expect(desk.get_by_role("textbox", name="Reply", exact=True)).to_have_value("there, e qui")
    await desk.get_by_role("button", name="Attach").focus()
    await desk.keyboard.type("er")
    await expect(desk.get_by_role("log", name="Messages")).to_contain_text(question)
    await expect(desk.get_by_role("button", name="Resolve")).to_be_visible()


async def test_key_that_is_held_down_resolves_one_conversation(chromium: Browser, demo: str) -> None:
    """It repeats thirty times a second, and Undo brings one back."""
    first, second = unique("Uno?"), unique("Due?")
    desk = await desk_before(chromium, demo, first, second)
    await open_thread(desk, second)
    await desk.get_by_role("log", name="Messages").focus()
    for _ in range(4):  # the second and all that follow are repeats
        await desk.keyboard.down("e")
    await desk.keyboard.up("e")
    await expect(desk.get_by_role("link").filter(has_text=second)).to_have_count(0)
    await expect(desk.get_by_role("link").filter(has_text=first)).to_be_visible()
