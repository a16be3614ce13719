"""What browsers load: pages under a strict policy, scripts kept for ever, and who is healthy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.house import House, get, house

INDEX = "<!doctype html><title>Inbox</title>" + "<p>" * 500
SCRIPT = "export const answer = 42;" * 50


@pytest.fixture
def static(home: House) -> Path:
    """Pages as the build leaves them, in a folder of this test's own."""
    folder = home.context.static
    for name, text in {
        "inbox/index.html": INDEX, "assets/main-B1a_C2d3.js": SCRIPT, "plain.txt": "short", "../secret": "s",
    }.items():  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


async def test_every_path_of_the_inbox_is_the_inbox(home: House, static: Path) -> None:
    """The page reads its address itself, so that reload and Back work."""
    client, policy = home.client(), ""
    for path in ("/", "/inbox", "/inbox/", "/inbox/c/01a2/x", "/inbox/c/..%2f..%2fx"):
        async with client.get(path) as response:
            assert (response.status, response.content_type) == (200, "text/html"), path
            assert await response.text() == INDEX
            assert response.headers["Cache-Control"] == "no-cache"
            policy = response.headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == "'self'"
    assert "unsafe" not in policy


async def test_hashed_scripts_are_kept_for_ever(home: House, static: Path) -> None:
    """Another content has another name, so a browser never asks again."""
    async with home.client().get("/static/assets/main-B1a_C2d3.js") as response:
        assert "immutable" in response.headers["Cache-Control"]
        assert response.content_type == "text/javascript"
        assert response.headers["Content-Encoding"] == "gzip"
        assert await response.text() == SCRIPT
        tag = response.headers["ETag"]
    async with home.client().get("/static/plain.txt") as response:
        assert response.headers["Cache-Control"] == "no-cache"
    same = {"If-None-Match": tag}
    async with home.client().get("/static/assets/main-B1a_C2d3.js", headers=same) as response:
        assert (response.status, await response.read()) == (304, b"")
    plain = {"Accept-Encoding": "identity"}
    async with home.client().get("/static/assets/main-B1a_C2d3.js", headers=plain) as response:
        assert "Content-Encoding" not in response.headers


async def test_new_build_is_served_without_a_restart(home: House, static: Path) -> None:
    """Whoever works on the page sees the last build."""
    async with home.client().get("/inbox/") as response:
        assert await response.text() == INDEX
    (static / "inbox/index.html").write_text("new")
    async with home.client().get("/inbox/") as response:
        assert await response.text() == "new"


async def test_nothing_beside_the_pages_is_served(home: House, static: Path) -> None:
    """No path leads out of the folder."""
    for path in (
        "../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "assets/../../secret",
        "nothing.js",
        "assets",
        "\x00",
    ):
        await get(home.client(), f"/static/{path}", expect=404)


async def test_alive_ready_and_measured_without_a_token(home: House) -> None:
    """What balancers and Prometheus ask."""
    assert await get(home.client(), "/healthz") == {"status": "ok"}
    assert await get(home.client(), "/readyz") == {"status": "ready"}
    home.context.metrics.watch("bridge_test_waiting", "A figure of the tests.", "gauge", lambda: 7)
    async with home.client().get("/metrics") as response:
        assert response.content_type == "text/plain"
        assert "bridge_test_waiting 7.0" in await response.text()


async def test_stopping_process_is_not_ready(home: House) -> None:
    """A balancer sends nothing new while what is under way is finished."""
    home.context.stopping.set()
    problem = await get(home.client(), "/readyz", expect=503)
    assert "stopping" in problem["detail"]
    await get(home.client(), "/healthz")


async def test_metrics_can_be_closed(database_url: str, tmp_path: Path) -> None:
    """Where the port is open to the world."""
    async with house(database_url, tmp_path, metrics=False) as home:
        await get(home.client(), "/metrics", expect=404)
