"""What can be pressed is large enough to hit: 44 px for a thumb, 24 px for a pointer."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.e2e.conftest import context_of

expect.set_options(timeout=30_000)

SARA = 1003
# Links inside sentences are as high as their line: WCAG 2.2, 2.5.8 leaves them out.
TOO_SMALL = """
([size]) => {
  const roots = [document, ...[...document.querySelectorAll("*")].flatMap((one) => one.shadowRoot ?? [])];
  const controls = "button, a[href], input, textarea, select";
  const found = [];
  for (const root of roots)
    for (const one of root.querySelectorAll(controls)) {
      const { x, y, width, height } = one.getBoundingClientRect();
      const [midX, midY, far] = [x + width / 2, y + height / 2, size / 2 - 1];
      const inside = x >= 0 && y >= 0 && x + width <= innerWidth && y + height <= innerHeight;
      const cut = (box) => {  // by the edge of what scrolls around it
        if (!box) return false;
        const { top, bottom } = box.getBoundingClientRect();
        const scrolls = /auto|scroll|hidden/.test(getComputedStyle(box).overflowY);
        return (scrolls && (y < top || y + height > bottom)) || cut(box.parentElement);
      };
      const shown = inside && one.checkVisibility({ visibilityProperty: true }) && !cut(one.parentElement);
      if (!shown || one.closest(".bubble, .text, .sr")) continue;
      const hit = (dx, dy) => {
        const [px, py] = [midX + dx, midY + dy];
        if (px < 0 || py < 0 || px >= innerWidth || py >= innerHeight) return true;
        const there = root.elementFromPoint(px, py);
        return one.contains(there) || !!there?.closest("label")?.contains(one);
      };
      if (!hit(0, 0)) continue; // something lies over it
      if (![[0, far], [0, -far], [far, 0], [-far, 0]].every(([dx, dy]) => hit(dx, dy)))
        found.push(`${one.outerHTML.slice(0, 60)} ${Math.round(width)}x${Math.round(height)}`);
    }
  return found;
}
"""


async def thread_of_every_kind(context: BrowserContext, demo: str) -> Page:
    """Sara sent one of each kind; the inbox shows her last messages."""
    kinds = [{"kind": kind} for kind in ("voice", "document", "location", "contact", "photo")]
    words = [{"text": "Buongiorno"}, {"text": "Buonasera", "kind": "edit"}]
    for said in [*kinds, *words]:
        answer = await context.request.post(
            "/sandbox/api/telegram/say", data={"chat_id": SARA, **said}, headers={"Origin": demo}
        )
        assert answer.ok
    page = await context.new_page()
    await page.goto("/inbox/")
    await page.get_by_role("link").filter(has_text="Sara Conti").first.click()
    await expect(page.get_by_role("button", name="Edited").last).to_be_visible()
    return page


@pytest.mark.parametrize(("width", "size"), [(360, 44), (1440, 24)])
async def test_every_control_of_the_inbox_can_be_hit(
    chromium: Browser, demo: str, width: int, size: int
) -> None:
    """List, thread with each kind of message, contact and menus."""
    context = await context_of(
        chromium, demo, viewport={"width": width, "height": 1400}, reduced_motion="reduce"
    )
    page = await thread_of_every_kind(context, demo)
    assert await page.evaluate(TOO_SMALL, [size]) == []
    await page.get_by_role("button", name="Reply by Telegram").click()
    assert await page.evaluate(TOO_SMALL, [size]) == []
    await page.goto(page.url + "/contact")
    await expect(page.get_by_role("heading", name="Addresses")).to_be_visible()
    assert await page.evaluate(TOO_SMALL, [size]) == []
    await page.goto("/inbox/?list")
    await expect(page.get_by_role("link").filter(has_text="Giulia Ferri").first).to_be_visible()
    assert await page.evaluate(TOO_SMALL, [size]) == []


@pytest.mark.parametrize(("width", "size"), [(360, 44), (1440, 24)])
async def test_every_control_of_the_chat_can_be_hit(
    chromium: Browser, demo: str, width: int, size: int
) -> None:
    """The shop with its greeting, the open panel, and a message that was refused."""
    context = await chromium.new_context(
        base_url=demo, viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    page = await context.new_page()
    await page.goto("/widget/demo")
    await expect(page.get_by_role("button", name="Open chat")).to_be_visible()
    assert await page.evaluate(TOO_SMALL, [size]) == []
    await page.goto("/sandbox/shop")
    await expect(page.get_by_role("button", name="Nascondi")).to_be_visible()
    assert await page.evaluate(TOO_SMALL, [size]) == []
    await page.get_by_role("button", name="Apri la chat").click()
    refuse = {"status": 422, "content_type": "application/problem+json", "body": "{}"}
    await page.route("**/widget/messages", lambda route: route.fulfill(**refuse))
    await page.get_by_role("textbox").fill("Buongiorno")
    await page.get_by_role("button", name="Invia").click()
    await expect(page.get_by_role("button", name="Riprova")).to_be_visible()
    assert await page.evaluate(TOO_SMALL, [size]) == []


@pytest.mark.parametrize(("width", "size"), [(360, 44), (1440, 24)])
async def test_every_control_of_the_sandbox_can_be_hit(
    chromium: Browser, demo: str, width: int, size: int
) -> None:
    """Phones, switches, wire and dialog; side by side, or one after another."""
    context = await context_of(
        chromium, demo, viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    page = await context.new_page()
    for name in ("telegram", "sms", "whatsapp", "shop", "wire"):
        await page.goto(f"/sandbox/?{name}#{name}")
        await expect(page.get_by_role("button", name="Restore all")).to_be_visible()
        await expect(page.get_by_role("heading", name="Sandbox")).to_be_attached()
        assert await page.evaluate(TOO_SMALL, [size]) == [], name
    await page.get_by_role("button", name="Clear").click()
    await expect(page.get_by_role("button", name="Empty it")).to_be_visible()
    assert await page.evaluate(TOO_SMALL, [size]) == []


@pytest.mark.parametrize(("width", "size"), [(360, 44), (1440, 24)])
async def test_every_control_of_the_door_can_be_hit(
    chromium: Browser, demo: str, width: int, size: int
) -> None:
    """Signing in and making the first administrator."""
    context = await chromium.new_context(
        base_url=demo, locale="en-GB", viewport={"width": width, "height": 900}
    )
    page = await context.new_page()
    for path, heading in (("", "Sign in"), ("#/setup/a-token", "Make the first administrator")):
        await page.goto(f"/inbox/{path}")
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert await page.evaluate(TOO_SMALL, [size]) == []
