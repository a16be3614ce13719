"""The door of the inbox: a password, a mistake, a way out, and a link that works once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.bridges import Bridge
from tests.e2e.conftest import Complaints
from tests.processes import setup_link

expect.set_options(timeout=30_000)
EMAIL, PASSWORD = "irene@example.com", "correct horse battery"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A gateway whose one agent is Irene."""
    with Bridge(tmp_path_factory.mktemp("door")) as bridge:
        bridge.start()
        command = ("agent", "add", EMAIL, "--name", "Irene", "--password-stdin")
        added = bridge.run(*command, stdin=f"{PASSWORD}\n")
        assert added.returncode == 0, added.stderr
        yield bridge
        bridge.stop()


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Bridge]:
    """A gateway that nobody has been to yet."""
    with Bridge(tmp_path) as bridge:
        bridge.start()
        yield bridge


async def new_page(chromium: Browser, served: Bridge) -> tuple[Page, Complaints]:
    """Somebody's browser, who was never here."""
    context = await chromium.new_context(base_url=served.url, locale="en-GB")
    complaints, page = Complaints(served.url.removeprefix("http://")), await context.new_page()
    complaints.watch(page)
    return page, complaints


async def sign_in(page: Page, password: str) -> None:
    """Fill the form and press Enter."""
    await page.get_by_label("Email").fill(EMAIL)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.keyboard.press("Enter")


async def test_link_makes_the_first_administrator_once(chromium: Browser, untouched: Bridge) -> None:
    """The log of the first start has it; the second visitor is told that it is used up."""
    link = setup_link(lambda: untouched.log)
    for first in (True, False):
        page, complaints = await new_page(chromium, untouched)
        await page.goto(link)
        await page.get_by_label("Your name").fill("Irene")
        await sign_in(page, PASSWORD)
        if first:
            await expect(page.get_by_role("region", name="Conversations")).to_be_visible()
            assert complaints.found == []
        else:
            await expect(page.get_by_role("alert").filter(has_text=re.compile(r"\w+"))).to_be_visible()
        await page.context.close()


async def test_mistake_is_told_below_its_field_in_the_page_s_language(
    chromium: Browser, untouched: Bridge
) -> None:
    """A name of blanks is refused by the server; the page says so in Italian and goes to the field."""
    context = await chromium.new_context(base_url=untouched.url, locale="it-IT")
    page = await context.new_page()
    await page.goto(setup_link(lambda: untouched.log))
    name = page.get_by_label("Il tuo nome")
    await name.fill("   ")
    await sign_in(page, PASSWORD)
    await expect(name).to_have_accessible_description("Scrivi il tuo nome.")
    await expect(name).to_be_focused()


async def test_password_lets_in_and_signing_out_lets_out(chromium: Browser, served: Bridge) -> None:
    """A wrong one is told calmly; after the way out the way back shows nothing."""
    page, complaints = await new_page(chromium, served)
    await page.goto("/inbox/")
    await sign_in(page, "wrong horse")
    await expect(page.get_by_role("alert")).to_contain_text("not right")
    await sign_in(page, PASSWORD)
    region = page.get_by_role("region", name="Conversations")
    await expect(region).to_be_visible()
    await page.reload()
    await expect(region).to_be_visible()
    await page.get_by_role("button", name=re.compile("Irene")).click()
    await page.get_by_role("menuitem", name=re.compile("Sign out", re.IGNORECASE)).click()
    await expect(page.get_by_label("Password", exact=True)).to_be_visible()
    await page.go_back()
    await expect(region).to_be_hidden()
    # The browser itself reports the one refusal of the wrong password.
    assert [one for one in complaints.found if "401" not in one] == []


async def test_session_that_ends_elsewhere_asks_for_the_password_again(
    chromium: Browser, served: Bridge
) -> None:
    """Signed out in one tab, the other says so at once instead of failing at every click."""
    page, _ = await new_page(chromium, served)
    await page.goto("/inbox/")
    await sign_in(page, PASSWORD)
    await expect(page.get_by_role("region", name="Conversations")).to_be_visible()
    gone = await page.context.request.delete("/api/session", headers={"Origin": served.url})
    assert gone.status == 204
    await expect(page.get_by_label("Password", exact=True)).to_be_visible()
