"""Takes the pictures of the documentation, of the running thing: .venv/bin/python docs/pictures/take.py

Starts the demo in a folder of its own, lets customers and agents of a small shop write, and looks.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import APIRequestContext, BrowserContext, ViewportSize, sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

from bridge.ids import new_id  # noqa: E402  # the project is found by the line above
from tests import browser  # noqa: E402
from tests.processes import serving  # noqa: E402

SIZE: ViewportSize = {"width": 1440, "height": 900}
Json = dict[str, Any]


class Shop:
    """The shop's day, by HTTP."""

    def __init__(self, http: APIRequestContext, url: str) -> None:
        self._http, self._url = http, url

    def call(self, method: str, path: str, body: Json | None = None, **headers: str) -> Any:
        """A call that must succeed; its JSON, or nothing."""
        headers["Origin"] = self._url
        answer = self._http.fetch(self._url + path, method=method, data=body, headers=headers)
        assert answer.ok, f"{method} {path}: {answer.status} {answer.text()}"
        return answer.json() if answer.body() else None

    def telegram(self, chat_id: int, text: str, **more: Any) -> None:
        """A customer writes to the bot."""
        self.call("POST", "/sandbox/api/telegram/say", {"chat_id": chat_id, "text": text, **more})

    def sms(self, number: str, text: str) -> None:
        """A customer writes to the number."""
        self.call("POST", "/sandbox/api/sms/say", {"from": number, "text": text})

    def site(self, *texts: str) -> None:
        """A visitor of the shop's page writes."""
        visitor = self.call("POST", "/widget/session", {})
        for text in texts:
            body = {"client_id": new_id(), "text": text}
            self.call("POST", "/widget/messages", body, Authorization=f"Bearer {visitor['token']}")

    def of(self, name: str) -> Json:
        """The conversation with a contact of this name or number, once it is there."""
        found: Json = until(lambda: next((c for c in self._recent() if c["contact"]["name"] == name), None))
        return found

    def say(self, conversation: Json, text: str, kind: str = "reply") -> None:
        """An agent replies, or leaves a note; waits until it went out."""
        path = f"/api/conversations/{conversation['id']}/messages"
        self.call("POST", path, {"text": text, "kind": kind, "client_id": new_id()})
        until(lambda: self._went(path))

    def _went(self, path: str) -> bool:
        items = self.call("GET", f"{path}?limit=1")["items"]
        return items[-1]["status"] not in ("queued", "sending")

    def _recent(self) -> list[Json]:
        items: list[Json] = self.call("GET", "/api/conversations")["items"]
        return items


def until(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + 30
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


def live_a_day(shop: Shop) -> str:
    """Four customers on three channels; returns the conversation to look at."""
    shop.telegram(1003, "Do you also ship to Switzerland?")
    sara = shop.of("Sara Conti")
    shop.say(sara, "We do! It takes four days and costs 14 €.")
    shop.telegram(1003, "Perfect, thank you 🙏")

    shop.sms("+393331234567", "Hello, is the big vase still there in sage green?")
    marco = shop.of("+39 333 123 4567")
    shop.call("PATCH", f"/api/contacts/{marco['contact']['id']}", {"name": "Marco Bianchi"})
    shop.say(marco, "One is left. Shall we put it aside for you?")
    shop.sms("+393331234567", "Yes please, I come by on Saturday")

    shop.site("Hi! Which bulb fits the Aurora lamp?", "Mine says E14, is that right?")

    shop.telegram(1001, "Good morning! My lamp has just arrived, but the shade is cracked")
    shop.telegram(1001, "", kind="photo")
    giulia = shop.of("Giulia Ferri")
    me = shop.call("GET", "/api/me")
    shop.call("PATCH", f"/api/conversations/{giulia['id']}", {"assignee_id": me["id"]})
    shop.say(giulia, "Oh no, I am sorry! We send you a new shade today, you need not return anything.")
    shop.say(giulia, "Shade for Aurora 30, shelf B4. Goes out with the 16:00 pick-up.", kind="note")
    shop.telegram(1001, "That is so kind, thank you! Will it come before Friday?")
    return str(giulia["id"])


def take(context: BrowserContext, url: str, conversation: str, name: str) -> None:
    """A picture of the inbox with a conversation open, once it is drawn."""
    page = context.new_page()
    page.goto(f"{url}/inbox/#/all/open/c/{conversation}")
    page.get_by_text("before Friday").last.wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=HERE / f"{name}.png")
    page.close()


def main() -> None:
    """The inbox, light and dark."""
    with (
        tempfile.TemporaryDirectory() as place,
        serving(folder=Path(place), verb="demo") as url,
        sync_playwright() as p,
    ):
        chromium = p.chromium.launch(executable_path=str(browser.find()), args=browser.flags())
        context = chromium.new_context(viewport=SIZE, locale="en-GB", reduced_motion="reduce")
        shop = Shop(context.request, url)
        shop.call("POST", "/sandbox/api/sign-in", {"agent": "anna"})
        shop.of("Giulia Ferri")  # the last of the demo's own customers to speak
        shop.call("POST", "/sandbox/api/clear")
        conversation = live_a_day(shop)
        take(context, url, conversation, "inbox")
        context.close()
        chromium.close()


if __name__ == "__main__":
    main()
