"""Many processes on one PostgreSQL and one Redis: each takes everything, and any of them may end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from bridge import outbox
from bridge.api import feed
from bridge.api.sockets import SIGN_IN_AGAIN
from bridge.sandbox.vendors import Vendors
from bridge.store import engine
from tests import servers
from tests.api.visitor import Visitor
from tests.bridges import Bridge
from tests.clusters import ONLY_SMS, Cluster, Node, cluster, more, traffic
from tests.faults.test_servers import becomes, status
from tests.gateways import Desk, Json, running, sign_up, until
from tests.processes import setup_link
from tests.webhooks import post_form, sms

# Several processes each: `make faults` runs them.
pytestmark = pytest.mark.slow

Page = aiohttp.ClientWebSocketResponse
SENDER = "+39 333 123 4567"


@pytest.fixture
async def three(
    tmp_path: Path, postgresql_url: str, redis_url: str, vendors: Vendors
) -> AsyncIterator[Cluster]:
    """Three processes, with Redis."""
    async with cluster(tmp_path, postgresql_url, vendors, {**ONLY_SMS, "REDIS_URL": redis_url}) as made:
        yield made


async def heard(page: Page, wanted: Callable[[Json], bool]) -> Json:
    """The next frame of that kind on an open page."""
    async with asyncio.timeout(30):
        while True:
            frame: Json = await page.receive_json()
            if wanted(frame):
                return frame


def says(text: str) -> Callable[[Json], bool]:
    """Whether a frame brings this message."""
    return lambda frame: frame["type"] == "message" and frame["message"]["text"] == text


def write(made: Cluster, node: Node, number: int, text: str) -> Awaitable[int]:
    """A customer's SMS, delivered to one process."""
    return post_form(node.desk.http, made.vendors, made.url, sms(made.vendors, f"SM{number:032}", text))


# ── one at work beside the other ────────────────────────────────────────────────────────────────


async def test_message_and_reply_at_one_process_ring_at_the_others(
    tmp_path: Path, postgresql_url: str, redis_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages and the sender are woken over Redis. Here nobody looks by themselves, so only bells are heard."""
    monkeypatch.setattr(outbox, "SWEEP", 3600.0)
    monkeypatch.setattr(feed, "_SWEEP", 3600.0)
    settings = {**ONLY_SMS, "REDIS_URL": redis_url}
    async with (
        running(tmp_path / "first", postgresql_url, vendors, monkeypatch, settings) as first,
        first.http.ws_connect("/api/live") as page,
    ):
        assert await post_form(first.http, vendors, first.url, sms(vendors, f"SM{1:032}", "Salve")) == 200
        thread = (await heard(page, says("Salve")))["conversation"]["id"]
        await first.becomes(await first.reply(thread, "first"), "delivered")  # so it holds the duty
        async with running(
            tmp_path / "second", postgresql_url, vendors, monkeypatch, settings, agent="Bea"
        ) as second:
            await until(partial(typing_crosses, second, page, thread))
            form = sms(vendors, f"SM{2:032}", "Ci siete?")
            assert await post_form(second.http, vendors, second.url, form) == 200
            await heard(page, says("Ci siete?"))
            await second.becomes(await second.reply(thread, "second"), "delivered")
    assert [entry["body"] for entry in vendors.sms.sent] == ["first", "second"]


async def typing_crosses(desk: Desk, page: Page, thread: str) -> bool:
    """Whether a page hears that an agent types at a desk of another process."""
    async with desk.http.post(f"/api/conversations/{thread}/typing") as answer:
        assert answer.status == 204
    try:
        async with asyncio.timeout(0.5):
            while (await page.receive_json())["type"] != "typing":
                pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("redis", ["with Redis", "without Redis"])
async def test_everybody_sees_what_happens_at_any_process(
    tmp_path: Path, postgresql_url: str, redis_url: str, vendors: Vendors, redis: str
) -> None:
    """A balancer sends each webhook, agent and visitor to whichever process it likes."""
    settings = {**ONLY_SMS, "REDIS_URL": redis_url if redis == "with Redis" else ""}
    async with cluster(tmp_path, postgresql_url, vendors, settings) as made, AsyncExitStack() as opened:
        pages = [await opened.enter_async_context(node.desk.http.ws_connect("/api/live")) for node in made]
        assert await write(made, made[0], 1, "an SMS") == 200
        for page in pages:
            await heard(page, says("an SMS"))
        clients = [await opened.enter_async_context(site(made, node)) for node in made]
        async with clients[1].post("/widget/session", json={}) as answer:
            visitor = Visitor(clients[1], await answer.json())
        tab = await opened.enter_async_context(visitor.page())
        visitor.client = clients[2]  # where the balancer sends what their page posts
        await visitor.write("a question")
        frames = [await heard(page, says("a question")) for page in pages]
        await tab.news("a question")
        thread = frames[0]["conversation"]["id"]
        await made[0].desk.reply(thread, "an answer")
        await tab.news("an answer")
        if redis == "with Redis":
            await tab.ws.send_json({"type": "typing"})
            assert (await heard(pages[0], is_typing))["who"]["kind"] == "customer"
            assert await typing_crosses(made[2].desk, pages[0], thread)
            assert (await tab.next("typing"))["name"] == "Anna"


def is_typing(frame: Json) -> bool:
    """Whether somebody is writing."""
    return bool(frame["type"] == "typing")


def site(made: Cluster, node: Node) -> aiohttp.ClientSession:
    """The browser of a visitor, whose requests this process gets."""
    return aiohttp.ClientSession(node.bridge.url, headers={"Origin": made.url})


async def test_presence_is_of_all_processes_and_ends_with_them(three: Cluster, postgresql_url: str) -> None:
    """Who has the inbox open, and what they look at, whichever process they are connected to."""
    database = engine.connect(postgresql_url)
    bea = {"Authorization": f"Bearer {await sign_up(database, 'Bea')}"}
    await database.close()
    assert await write(three, three[0], 1, "Salve") == 200
    thread = await three[0].desk.conversation(SENDER)
    async with (
        three[0].desk.http.ws_connect("/api/live") as page,
        aiohttp.ClientSession(three[1].bridge.url, headers=bea) as http,
        http.ws_connect("/api/live") as theirs,
    ):
        await theirs.send_json({"type": "viewing", "conversation_id": thread})
        both = await heard(page, lambda frame: frame["type"] == "presence" and len(frame["viewing"]) == 1)
        assert {agent["name"] for agent in both["agents"]} == {"Anna", "Bea"}
        three[1].bridge.kill()  # without a word
        await heard(page, lambda frame: frame["type"] == "presence" and len(frame["agents"]) == 1)


async def test_agent_is_signed_in_at_every_process(
    tmp_path: Path, empty_postgresql_url: str, redis_url: str, vendors: Vendors
) -> None:
    """Three starts on an empty database: one schema, links that all take, and one session for all."""
    settings = {**ONLY_SMS, "REDIS_URL": redis_url}
    async with cluster(tmp_path, empty_postgresql_url, vendors, settings, sign_in=False) as made:
        tokens = [setup_link(partial(read_log, node.bridge)).rpartition("/")[2] for node in made]
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(headers={"Origin": made.url}, cookie_jar=jar) as browser:
            urls = [node.bridge.url for node in made]
            anna = {"email": "anna@example.com", "name": "Anna", "password": "a long enough password"}
            assert await posted(browser, f"{urls[1]}/api/setup", {**anna, "token": tokens[0]}) == 201
            assert await posted(browser, f"{urls[0]}/api/setup", {**anna, "token": tokens[2]}) == 403
            for url in urls:
                assert await status(browser, f"{url}/api/me") == 200
            async with browser.ws_connect(f"{urls[2]}/api/live") as page:
                assert (await heard(page, lambda _: True))["type"] == "hello"
                async with browser.delete(f"{urls[0]}/api/session") as answer:
                    assert answer.status == 204
                while (await page.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
                assert page.close_code == SIGN_IN_AGAIN


def read_log(bridge: Bridge) -> str:
    """What a process has written."""
    return bridge.log


async def posted(browser: aiohttp.ClientSession, url: str, body: Json) -> int:
    """What a POST answers."""
    async with browser.post(url, json=body) as answer:
        return answer.status


async def test_file_that_was_uploaded_at_one_process_is_sent_by_another(three: Cluster) -> None:
    """The folder is shared: who shows a file, and who sends it, need not be who took it."""
    assert await write(three, three[0], 1, "Salve") == 200
    thread = await three[0].desk.conversation(SENDER)
    async with three[0].desk.http.post("/api/files", params={"name": "price.txt"}, data=b"42") as answer:
        file = await answer.json()
    reply = await three[1].desk.reply(thread, "the price", attachments=[file["id"]])
    await three[2].desk.becomes(reply, "delivered")
    for node in three:
        async with node.desk.http.get(file["url"]) as answer:
            assert await answer.read() == b"42"
    (sent,) = three.vendors.sms.sent
    assert len(sent["media"]) == 1


# ── one of them ends ────────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(300)
async def test_duties_spread_and_outlive_a_process_that_holds_some(
    tmp_path: Path, postgresql: servers.PostgreSQL, postgresql_url: str, redis_url: str, vendors: Vendors
) -> None:
    """Messages flow in both directions meanwhile: others take over, nothing is lost or sent twice."""
    async with cluster(tmp_path, postgresql_url, vendors, {"REDIS_URL": redis_url}, nodes=1) as made:
        await until(partial(holds, postgresql, postgresql_url, 4), within=60)
        async with traffic(made) as phones:
            await made.join(2)
            for number in range(20):
                await vendors.telegram.say(f"{number}", chat_id=1001, name="Giulia")
            await until(partial(have_spread, made.bridges, postgresql, postgresql_url), within=60)
            made[0].bridge.kill()
            for number in range(20, 40):
                await vendors.telegram.say(f"{number}", chat_id=1001, name="Giulia")
            await more(phones)
            await vendors.telegram.settled(within=60)
            await until(partial(have_spread, made.bridges[1:], postgresql, postgresql_url), within=60)
            thread = await made[1].desk.conversation("Giulia")
            await made[1].desk.becomes(await made[2].desk.reply(thread, "to the chat"), "sent", within=60)
            texts = [m["text"] for m in await made[1].desk.messages(thread) if m["direction"] == "inbound"]
            assert texts == [f"{number}" for number in range(40)]


async def have_spread(bridges: Sequence[Bridge], postgresql: servers.PostgreSQL, url: str) -> bool:
    """Whether each of these processes, and no other, has some of the duties."""
    return set(owners(postgresql, url)) == {bridge.process.pid for bridge in bridges}


async def holds(postgresql: servers.PostgreSQL, url: str, count: int) -> bool:
    """Whether so many duties are held."""
    return len(owners(postgresql, url)) == count


def owners(postgresql: servers.PostgreSQL, url: str) -> list[int]:
    """The processes that hold duties now, one for each duty."""
    query = "SELECT split_part(owner, ':', 2) FROM duties WHERE until > extract(epoch FROM now()) * 1000"
    return [int(pid) for pid in postgresql.run(query, url.rpartition("/")[2]).split()]


# ── what they share goes away ───────────────────────────────────────────────────────────────────


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", ["stopped", "hung", "started last"])
async def test_redis_is_missed_by_nobody_for_long(
    tmp_path: Path, postgresql_url: str, vendors: Vendors, fault: str
) -> None:
    """Each process looks by itself; when Redis is there (again) they ring for each other (again)."""
    with servers.valkey() as redis, ExitStack() as fault_lasts:
        settings = {**ONLY_SMS, "REDIS_URL": redis.url}
        if fault == "started last":
            redis.stop()
        async with cluster(tmp_path, postgresql_url, vendors, settings) as made, traffic(made) as phones:
            if fault == "stopped":
                await asyncio.to_thread(redis.stop)
            elif fault == "hung":
                fault_lasts.enter_context(redis.frozen())
            await more(phones)
            for node in made:
                assert await status(node.desk.http, "/readyz") == 200
            fault_lasts.close()
            if fault != "hung":
                await asyncio.to_thread(redis.start)
            thread = await made[0].desk.conversation(phones[0].name)
            async with made[0].desk.http.ws_connect("/api/live") as page:
                await until(partial(typing_crosses, made[1].desk, page, thread))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", ["restarted", "hung"])
async def test_postgresql_that_goes_and_comes_back_under_load(
    tmp_path: Path, redis_url: str, vendors: Vendors, fault: str
) -> None:
    """Every process says 503 meanwhile and heals by itself; nothing is lost or sent twice."""
    with servers.postgresql() as server, ExitStack() as fault_lasts:
        settings = {**ONLY_SMS, "REDIS_URL": redis_url}
        url = server.url(server.create())
        async with cluster(tmp_path, url, vendors, settings) as made, traffic(made) as phones:
            if fault == "restarted":
                await asyncio.to_thread(server.stop)
            else:
                fault_lasts.enter_context(server.frozen())
            await asyncio.gather(*(is_away(made, node, number) for number, node in enumerate(made, 1)))
            fault_lasts.close()
            if fault == "restarted":
                await asyncio.to_thread(server.start)
            await asyncio.gather(*(becomes(node.desk.http, "/readyz", 200, within=30) for node in made))
            await more(phones)


async def is_away(made: Cluster, node: Node, number: int) -> None:
    """A process without its database says so, to vendors and agents, and lives."""
    http = node.desk.http
    await becomes(http, "/readyz", 503, within=15)
    assert await write(made, node, 90 + number, "meanwhile") == 503
    assert await status(http, "/api/conversations") == 503
    assert await status(http, "/healthz") == 200
