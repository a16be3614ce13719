"""Without a mouse: the focus is always where the work goes on."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import context_of
from tests.e2e.test_walks import inbox, unique, visitor_writes

expect.set_options(timeout=30_000)


async def ask(chromium: Browser, demo: str, *questions: str) -> None:
    """A visitor of the shop asks."""
    shop = await (await chromium.new_context(base_url=demo)).new_page()
    await shop.goto("/sandbox/shop")
    for question in questions:
        await visitor_writes(shop, question)


async def open_thread(page: Page, question: str) -> None:
    """The conversation that ends with this question."""
    await page.get_by_role("link").filter(has_text=question).click()
    await expect(page.get_by_role("log", name="Messages")).to_contain_text(question)


async def test_escape_keeps_the_text_when_a_colleague_replied_meanwhile(chromium: Browser, demo: str) -> None:
    """The question takes the focus: Esc goes back to the text, and nothing was sent."""
    anna = await inbox(await (await context_of(chromium, demo)).new_page())
    paolo = await inbox(await (await context_of(chromium, demo, "paolo")).new_page())
    question, theirs, mine = unique("Avete tazze?"), unique("Sì, otto"), unique("Ne abbiamo otto")
    await ask(chromium, demo, question)
    for page in (anna, paolo):
        await open_thread(page, question)
    box = anna.get_by_role("textbox", name="Reply", exact=True)
    await box.fill(mine)
    await paolo.get_by_role("textbox", name="Reply", exact=True).fill(theirs)
    await paolo.keyboard.press("Enter")
    await expect(anna.get_by_role("log", name="Messages")).to_contain_text(theirs)
    await box.press("Enter")
    await expect(anna.get_by_role("button", name="Keep writing")).to_be_focused()
    await anna.keyboard.type("er")  # she goes on typing: that is no command
    await expect(anna.get_by_role("button", name="Keep writing")).to_be_focused()
    await anna.keyboard.press("Escape")
    await expect(anna.get_by_role("alertdialog")).to_have_count(0)
    await expect(box).to_be_focused()
    await expect(box).to_have_value(mine)
    await expect(anna.get_by_role("log", name="Messages")).not_to_contain_text(mine)
    for key in ("Enter", "Tab", "Enter"):
        await anna.keyboard.press(key)
    await expect(anna.get_by_role("log", name="Messages")).to_contain_text(mine)
    await expect(box).to_be_focused()


async def test_what_is_typed_right_after_n_is_the_note(chromium: Browser, demo: str) -> None:
    """Quick fingers lose no letter, and none of them is taken for another command."""
    desk = await inbox(await (await context_of(chromium, demo)).new_page())
    question = unique("Fate resi?")
    await ask(chromium, demo, question)
    await open_thread(desk, question)
    await desk.keyboard.press("n")
    await desk.keyboard.type("entro trenta giorni")
    await expect(desk.get_by_role("textbox", name="Note", exact=True)).to_have_value("entro trenta giorni")


async def test_who_clicks_another_row_and_types_at_once_writes_to_that_customer(
    chromium: Browser, demo: str
) -> None:
    """The thread before is gone when the click is over: no key can reach its reply box any more."""
    desk = await inbox(await (await context_of(chromium, demo)).new_page())
    before, question = unique("Chi siete?"), unique("Dove siete?")
    await ask(chromium, demo, before)
    await ask(chromium, demo, question)
    row = desk.get_by_role("link").filter(has_text=question)
    await expect(row).to_be_visible()
    await open_thread(desk, before)
    there = await row.evaluate("""async (link) => {
        document.getElementById("compose").dataset.of = "the one before";
        link.click();
        await Promise.resolve();  // sooner than any event
        return document.getElementById("compose").dataset.of ?? "";
    }""")
    assert there == ""
    await desk.get_by_role("textbox", name="Reply", exact=True).fill("A Faenza")
    await desk.keyboard.press("Enter")
    thread = desk.get_by_role("log", name="Messages")
    await expect(thread).to_contain_text("A Faenza")
    await expect(thread).to_contain_text(question)


async def test_after_resolving_the_focus_is_on_the_next_conversation(chromium: Browser, demo: str) -> None:
    """The conversation goes, with what had the focus in it: the next one's row takes over."""
    desk = await inbox(await (await context_of(chromium, demo)).new_page())
    first, second = unique("Siete a Faenza?"), unique("Spedite in Francia?")
    for question in (first, second):
        await ask(chromium, demo, question)
    await open_thread(desk, second)
    await desk.get_by_role("log", name="Messages").focus()
    await desk.keyboard.press("e")
    await expect(desk.get_by_role("link").filter(has_text=first)).to_be_focused()


async def test_sending_again_is_never_the_default(chromium: Browser, demo: str) -> None:
    """Nobody knows whether it arrived: Enter on the question sends nothing a second time."""
    context = await context_of(chromium, demo)
    lose = {"mode": "lose", "times": 1}
    assert (
        await context.request.post("/sandbox/api/telegram/say", data={"chat_id": 1002, "text": "Ci siete?"})
    ).ok
    desk = await inbox(await context.new_page())
    await open_thread(desk, "Ci siete?")
    assert (await context.request.put("/sandbox/api/vendor/telegram", data=lose)).ok
    reply = unique("Sì, fino alle 19")
    await desk.get_by_role("textbox", name="Reply", exact=True).fill(reply)
    await desk.keyboard.press("Enter")
    unknown = desk.get_by_role("group", name="We don't know if it arrived")
    await unknown.get_by_role("button", name="Send again").click()
    dialog = desk.get_by_role("dialog", name="Send it again?")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await expect(dialog.get_by_role("button", name="Send again")).not_to_contain_class("primary")
    await desk.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(unknown).to_be_visible()
    await unknown.get_by_role("button", name="It arrived").click()
    await expect(unknown).to_have_count(0)


async def test_reply_that_was_given_up_and_may_have_arrived_asks_before_it_is_sent_again(
    chromium: Browser, demo: str
) -> None:
    """The operator cleared the list; the agent still learns that the customer may have it."""
    context = await context_of(chromium, demo)
    lose = {"mode": "lose", "times": 1}
    said = unique("Avete ancora posto?")
    say = await context.request.post("/sandbox/api/telegram/say", data={"chat_id": 1003, "text": said})
    assert say.ok
    desk = await inbox(await context.new_page())
    await open_thread(desk, said)
    assert (await context.request.put("/sandbox/api/vendor/telegram", data=lose)).ok
    await desk.get_by_role("textbox", name="Reply", exact=True).fill(unique("Per due, sì"))
    await desk.keyboard.press("Enter")
    unknown = desk.get_by_role("group", name="We don't know if it arrived")
    await expect(unknown).to_be_visible()
    waiting = await (await context.request.get("/api/deliveries?state=unknown")).json()
    lost = max(waiting["items"], key=lambda one: one["since"])
    give_up = await context.request.post(f"/api/messages/{lost['id']}/give-up", headers={"Origin": demo})
    assert give_up.ok
    await expect(unknown).to_have_count(0)
    await expect(desk.get_by_text("Given up. It may have arrived, in part at least.")).to_be_visible()
    await desk.get_by_role("button", name="Try again").click()
    dialog = desk.get_by_role("dialog", name="Send it again?")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await desk.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    await desk.get_by_role("button", name="Try again").click()
    await dialog.get_by_role("button", name="Send again").click()
    await expect(desk.get_by_text("Given up. It may have arrived, in part at least.")).to_have_count(0)


async def test_system_colours_show_where_the_focus_is_and_what_is_chosen(
    chromium: Browser, demo: str
) -> None:
    """High contrast takes grounds and shadows away: lines say what they said."""
    context = await context_of(chromium, demo, forced_colors="active")
    desk = await inbox(await context.new_page())
    field = desk.get_by_role("searchbox", name="Search")
    await expect(field).to_have_css("border-top-style", "solid")
    await field.focus()
    await expect(field).to_have_css("outline-style", "solid")
    await expect(desk.get_by_role("link", name="All", exact=False).first).to_have_css(
        "outline-style", "solid"
    )
    page = await (await chromium.new_context(base_url=demo, forced_colors="active")).new_page()
    await page.goto("/widget/demo")
    await page.get_by_role("button", name="Open chat").click()
    await expect(page.get_by_role("textbox")).to_have_css("outline-style", "solid")
