"""Phones, and windows that zoom made small: everything can be seen, reached and hit."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, Locator, Route, ViewportSize, expect

from bridge.ids import new_id
from tests.e2e.conftest import context_of

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


async def test_search_of_the_rail_opens_in_one_piece(chromium: Browser, demo: str) -> None:
    """Where the side bar is a rail the field grows over the list, its glass and its cross inside it."""
    context = await context_of(chromium, demo, viewport={"width": 1100, "height": 800})
    page = await context.new_page()
    await page.goto("/inbox/")
    await expect(page.get_by_role("link", name=re.compile(r"^Mine( \d+)?$"))).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type("vaso")
    search = page.get_by_role("search")
    field, cross = search.get_by_role("searchbox"), search.get_by_role("button", name="Clear the search")
    for inside in (search.locator("svg").first, cross):
        await expect(inside).to_be_visible()
        assert await is_inside(inside, field)
    await cross.click()
    await expect(field).to_have_value("")
    await expect(field).to_be_focused()


async def is_inside(inner: Locator, outer: Locator) -> bool:
    """Whether one box lies in the other."""
    small, large = await inner.bounding_box(), await outer.bounding_box()
    assert small
    assert large
    return (
        small["x"] >= large["x"]
        and small["y"] >= large["y"]
        and small["x"] + small["width"] <= large["x"] + large["width"]
        and small["y"] + small["height"] <= large["y"] + large["height"]
    )


PHONE: ViewportSize = {"width": 360, "height": 740}


async def test_phone_leads_back_from_a_conversation_that_is_gone(chromium: Browser, demo: str) -> None:
    """An old link ends nowhere, but not in a dead end."""
    page = await (await context_of(chromium, demo, viewport=PHONE)).new_page()
    await page.goto(f"/inbox/#/all/open/c/{new_id()}")
    await expect(page.get_by_text("This conversation does not exist")).to_be_visible()
    await page.get_by_role("link", name="Back to the list").click()
    await expect(page.get_by_role("link").filter(has_text="Giulia Ferri").first).to_be_visible()


async def test_phone_has_everything_once(chromium: Browser, demo: str) -> None:
    """What the side bar has on a wide page stands in the list: no hidden second copy takes the keys."""
    page = await (await context_of(chromium, demo, viewport=PHONE)).new_page()
    await page.goto("/inbox/")
    await expect(page.get_by_role("link").filter(has_text="Giulia Ferri").first).to_be_visible()
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    assert await page.locator("#search").count() == 1


async def test_thread_stays_at_its_end_when_the_composer_grows(chromium: Browser, demo: str) -> None:
    """A scroll that the browser tells after the composer grew is not the reader's: the end stays in sight."""
    context = await context_of(chromium, demo, viewport=PHONE)
    for number in range(12):
        said = {"chat_id": 2001, "name": "Ada Neri", "text": f"Riga {number}"}
        assert (await context.request.post("/sandbox/api/telegram/say", data=said)).ok
    page = await context.new_page()
    await page.goto("/inbox/")
    await page.get_by_role("link").filter(has_text="Ada Neri").click()
    log = page.get_by_role("log", name="Messages")
    await expect(log).to_contain_text("Riga 11")
    await log.evaluate("log => (log.scrollTop = log.scrollHeight)")
    left = await log.evaluate("""async (log) => {
        const frame = () => new Promise(requestAnimationFrame);
        await frame();
        await frame();
        document.getElementById("compose").style.minHeight = "160px";
        log.dispatchEvent(new Event("scroll"));
        await frame();
        await frame();
        return log.scrollHeight - log.scrollTop - log.clientHeight;
    }""")
    assert left < 2


@pytest.mark.parametrize("width", [720, 768, 1080, 1279])
async def test_list_keeps_its_width_when_a_thread_opens(chromium: Browser, demo: str, width: int) -> None:
    """What the eye is on does not jump, and the thread has the room that it needs."""
    context = await context_of(chromium, demo, viewport={"width": width, "height": 800})
    page = await context.new_page()
    await page.goto("/inbox/")
    listed, thread = page.get_by_role("region", name="Conversations"), page.get_by_role("main")
    await expect(page.get_by_role("link").filter(has_text="Giulia Ferri").first).to_be_visible()
    before = await listed.bounding_box()
    await page.get_by_role("link").filter(has_text="Giulia Ferri").first.click()
    await expect(page.get_by_role("textbox", name="Reply", exact=True)).to_be_visible()
    assert await listed.bounding_box() == before
    box = await thread.bounding_box()
    assert box
    assert box["width"] >= 420


async def test_phone_names_the_channel_and_what_went_wrong(chromium: Browser, demo: str) -> None:
    """There is no room for half a number, nor for a dot at the end of a line."""
    context = await context_of(chromium, demo, viewport=PHONE)
    number = "+393487654321"
    for path, body in (
        ("sms/say", {"from": number, "text": "Avete ancora il vaso?"}),
        ("sms/phone", {"number": number, "error": 30003}),
    ):
        verb = "POST" if path == "sms/say" else "PUT"
        assert (await context.request.fetch(f"/sandbox/api/{path}", method=verb, data=body)).ok
    page = await context.new_page()
    await page.goto("/inbox/")
    await page.get_by_role("link").filter(has_text="+39 348 765 4321").click()
    await expect(page.get_by_role("main").get_by_role("paragraph").first).to_have_text("SMS")
    await page.get_by_role("textbox", name="Reply", exact=True).fill("Ne abbiamo due")
    await page.get_by_role("button", name="Send", exact=True).click()
    state = page.get_by_text("Not sent: the phone is off or out of reach")
    await expect(state).to_be_visible()
    dot = "state => getComputedStyle(state.previousElementSibling, '::after').display"
    assert await state.evaluate(dot) == "none"
    red = await state.evaluate("state => getComputedStyle(state).color")
    await page.get_by_role("textbox", name="Reply", exact=True).fill("Anche in verde")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(state).to_have_count(2)
    await expect(state.first).to_have_css("color", red)


@pytest.mark.parametrize("tab", ["telegram", "sms", "whatsapp", "shop", "inbox", "wire"])
async def test_sandbox_says_on_every_tab_that_nothing_leaves(chromium: Browser, demo: str, tab: str) -> None:
    """The promise is permanent, and each tab is the page's main part."""
    page = await (await context_of(chromium, demo, viewport=PHONE)).new_page()
    await page.goto(f"/sandbox/#{tab}")
    await expect(page.get_by_title("Nothing leaves this machine")).to_be_in_viewport(ratio=1)
    await expect(page.get_by_role("main")).to_have_count(1)
    assert await page.get_by_role("main").evaluate("main => [...main.children].some(one => one.offsetHeight)")


async def test_dialog_that_empties_the_sandbox_is_read_whole_on_a_phone(chromium: Browser, demo: str) -> None:
    """It asks about all data: its two buttons show their words."""
    page = await (await context_of(chromium, demo, viewport=PHONE)).new_page()
    await page.goto("/sandbox/")
    await page.get_by_role("button", name="Clear").click()
    for name in ("Cancel", "Empty it"):
        button = page.get_by_role("dialog").get_by_role("button", name=name)
        assert await button.evaluate("button => button.scrollWidth <= button.clientWidth"), name


async def test_film_stands_still_where_motion_is_reduced(chromium: Browser, demo: str) -> None:
    """An animation on the phone waits to be started by those who want nothing to move."""
    context = await context_of(chromium, demo, reduced_motion="reduce")
    said = {"chat_id": 1001, "kind": "animation"}
    assert (await context.request.post("/sandbox/api/telegram/say", data=said)).ok
    page = await context.new_page()
    await page.goto("/sandbox/")
    film = page.get_by_role("log", name="Messages on Telegram").locator("video").last
    await expect(film).to_have_js_property("autoplay", False)
    await expect(film).to_have_js_property("controls", True)


async def test_contact_does_not_jump_when_it_is_loaded(chromium: Browser, demo: str) -> None:
    """A name of two lines stays where it is when the rest arrives."""
    context = await context_of(chromium, demo, viewport={"width": 1440, "height": 900})
    said = {"chat_id": 2002, "name": "Maria Antonietta Cavalieri Rossi", "text": "Buonasera"}
    assert (await context.request.post("/sandbox/api/telegram/say", data=said)).ok
    page = await context.new_page()
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/api/contacts/*", hold)
    await page.goto("/inbox/")
    await page.get_by_role("link").filter(has_text="Maria Antonietta").click()
    addresses = page.get_by_role("heading", name="Addresses")
    await expect(addresses).to_be_visible()
    before = await addresses.bounding_box()
    held.set()
    await expect(page.get_by_text("Customer since")).to_be_visible()
    assert await addresses.bounding_box() == before
