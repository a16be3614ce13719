"""A demo in a process of its own, and a browser that complains about what nobody should see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from tests.processes import serving


@dataclass
class Complaints:
    """What went wrong in pages besides what a test looks at."""

    host: str
    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Note console errors, uncaught errors and requests to other hosts."""
        page.on("console", lambda m: self.found.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("request", lambda request: self._host(request.url))

    def _host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.found.append(f"foreign host: {parts.netloc}")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `bridge demo`, shared by the tests of one process."""
    with serving(folder=tmp_path_factory.mktemp("demo"), verb="demo") as address:
        yield address


async def context_of(chromium: Browser, address: str, who: str = "anna", **more: Any) -> BrowserContext:
    """A browser profile in which this agent is signed in."""
    made = await chromium.new_context(locale="en-GB", base_url=address, **more)
    made.set_default_timeout(30_000)
    answer = await made.request.post("/sandbox/api/sign-in", data={"agent": who}, headers={"Origin": address})
    assert answer.ok
    return made
