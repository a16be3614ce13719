"""The controls by HTTP, the wire log, and the stand-ins as a process of their own."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiogram import Bot
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bridge.sandbox.control import Controls
from bridge.sandbox.vendors import Vendors
from tests.sandbox.conftest import Graph, Receiver, until

Http = TestClient[web.Request, web.Application]


@pytest.fixture
async def http(vendors: Vendors) -> AsyncIterator[Http]:
    app = web.Application()
    app.add_routes(Controls(vendors).routes("/control"))
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_customers_speak_by_http(vendors: Vendors, http: Http, receiver: Receiver) -> None:
    """Tests in other processes and other languages use the same controls as the page."""
    await http.put("/control/sms/webhook", json={"url": f"{receiver.base}/s"})
    said = await http.post("/control/telegram/say", json={"text": "ciao", "chat_id": 5, "name": "Ida Neri"})
    update = await said.json()
    assert update["message"]["from"]["first_name"] == "Ida"
    picture = {"name": "a.png", "mime": "image/png", "data": base64.b64encode(b"png").decode()}
    album = await http.post("/control/telegram/say", json={"kind": "album", "files": [picture, picture]})
    assert len((await album.json())["updates"]) == 2
    words = {"from": "+393330000000", "text": "ciao", "media": [picture]}
    sms = await http.post("/control/sms/say", json=words)
    assert (await sms.json())["media"][0]["mime"] == "image/png"
    assert receiver.hits[0].form["Body"] == "ciao"
    state = await (await http.get("/control/state")).json()
    assert list(state["telegram"]["chats"]) == ["5", "1001"]
    assert list(state["sms"]["phones"]) == ["+393330000000"]


async def test_whatsapp_is_driven_by_http(
    vendors: Vendors, http: Http, graph: Graph, receiver: Receiver
) -> None:
    """A customer writes, is answered, reads, is gone: all that a test in another process needs."""
    marco = {"number": "+393331234567"}
    await http.put("/control/whatsapp/webhook", json={"url": f"{receiver.base}/w"})
    picture = {"name": "a.png", "mime": "image/png", "data": base64.b64encode(b"png").decode()}
    words = {"from": marco["number"], "kind": "image", "file": picture}
    said = await (await http.post("/control/whatsapp/say", json=words)).json()
    file = await http.get(f"/control/whatsapp/files/{said['image']['id']}")
    assert (file.content_type, await file.read()) == ("image/png", b"png")
    await graph.send(marco["number"], type="text", text={"body": "Bello"})
    await until(lambda: [m.status for m in vendors.whatsapp.account][-1] == "delivered")
    assert await (await http.post("/control/whatsapp/look", json=marco)).json() == {"read": 1}
    assert (await http.post("/control/whatsapp/lapse", json=marco)).status == 204
    await http.put("/control/whatsapp/phone", json={**marco, "error": 131026, "on": False})
    await http.put("/control/whatsapp/faults", json={"code": 131016, "times": 1})
    state = (await (await http.get("/control/state")).json())["whatsapp"]
    assert (state["dead"], state["off"], state["faults"]["code"]) == (
        [marco["number"]],
        [marco["number"]],
        131016,
    )
    assert state["phones"][marco["number"]]["open"] is False
    assert (await graph.send(marco["number"], type="text", text={"body": "x"}))[0] == 500
    assert await (await http.get("/control/whatsapp/violations")).json() == {"items": []}
    await http.post("/control/restore")
    assert vendors.whatsapp.faults.code == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "telegram/say", {"kind": "telepathy"}),
        ("POST", "telegram/say", {"colour": "red"}),
        ("POST", "telegram/say", {"file": {"name": "x", "data": "%%%"}}),
        ("POST", "sms/say", {"who": "+39"}),
        ("PUT", "vendor/sms", {"mode": "sleepy"}),
        ("POST", "whatsapp/say", {"kind": "telepathy"}),
        ("POST", "whatsapp/say", {"colour": "red"}),
        ("POST", "whatsapp/lapse", {"number": "+393330000000"}),
        ("POST", "whatsapp/subscribe", {"url": "http://127.0.0.1:9/x"}),
        ("PUT", "whatsapp/faults", {"code": 7}),
    ],
)
async def test_wrong_control_is_422(http: Http, method: str, path: str, body: dict[str, object]) -> None:
    """A mistyped control must not look like a fault that had no effect."""
    response = await http.request(method, f"/control/{path}", json=body)
    assert response.status == 422


async def test_knobs_turn_by_http_and_the_state_says_so(vendors: Vendors, http: Http) -> None:
    """The page shows what is broken, whoever broke it."""
    await http.put("/control/vendor/telegram", json={"mode": "slow", "delay": 0.5})
    state = await (await http.get("/control/state")).json()
    assert (state["telegram"]["mode"], state["telegram"]["knobs"]["delay"]) == ("slow", 0.5)
    await http.post("/control/restore")
    assert vendors.telegram.knobs.mode == "ok"
    assert (await http.put("/control/vendor/fax", json={})).status == 404


async def test_wire_shows_calls_without_secrets(vendors: Vendors, http: Http, bot: Bot) -> None:
    """The wire is for looking at; what would let somebody in is not on it."""
    await bot.set_webhook("http://127.0.0.1:9/x", secret_token="hush-hush")
    state = await (await http.get("/control/state")).text()
    assert "setWebhook" in state
    assert "hush-hush" not in state
    assert bot.token not in state
    [entry] = [e for e in json.loads(state)["wire"] if e["call"] == "setWebhook"]
    assert (entry["channel"], entry["direction"], entry["outcome"]) == ("telegram", "out", "200")


async def test_wire_keeps_the_last_calls_only(bot: Bot) -> None:
    """A day of clicking must not fill the memory; a benchmark keeps none."""
    async with Vendors(quiet=True) as vendors:
        await vendors.telegram.say("x")
        assert vendors.wire.entries() == []


async def test_live_socket_tells_what_happens(vendors: Vendors, http: Http, bot: Bot) -> None:
    """The page follows without asking again."""
    async with http.ws_connect("/control/live") as socket:
        await vendors.telegram.say("ciao")
        await vendors.sms.say("ehi")
        await vendors.whatsapp.say("salve")
        await vendors.telegram.turn("slow")
        frames = [await socket.receive_json(timeout=10) for _ in range(4)]
    assert [frame["type"] for frame in frames] == ["telegram", "sms", "whatsapp", "vendor"]
    assert frames[0]["message"]["text"] == "ciao"
    assert (frames[2]["phone"]["name"], frames[2]["message"]["text"]) == ("Marco Bianchi", "salve")
    assert frames[3]["knobs"]["mode"] == "slow"


async def test_reset_forgets_messages_and_keeps_the_account(vendors: Vendors, http: Http, bot: Bot) -> None:
    """Clearing starts over without setting up again."""
    await bot.set_webhook("http://127.0.0.1:9/x")
    await vendors.sms.say("STOP")
    await vendors.telegram.say("x")
    await vendors.telegram.turn("lose")
    await http.post("/control/reset")
    state = await (await http.get("/control/state")).json()
    assert (state["telegram"]["chats"], state["sms"]["phones"], state["wire"]) == ({}, {}, [])
    assert (state["telegram"]["mode"], state["telegram"]["webhook"]["url"]) == ("ok", "http://127.0.0.1:9/x")


async def test_process_of_its_own_says_where_it_is_and_ends_on_sigterm() -> None:
    """Benchmarks and kill tests run the stand-ins outside of the process they measure."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge.sandbox", "--quiet", "--any-chat", stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert process.stdout
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        token = ready["environment"]["TELEGRAM_BOT_TOKEN"]
        async with aiohttp.ClientSession() as http:
            url = f"{ready['telegram_base']}/bot{token}/sendMessage"
            async with http.post(url, data={"chat_id": "9", "text": "hi"}) as response:
                assert response.status == 200
            async with http.get(f"{ready['control']}/sent/telegram") as response:
                assert len((await response.json())["items"]) == 1
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
