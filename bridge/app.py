"""The only wiring: settings → store, bus, channels, inbox, outboxes, routes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from bridge import bus as buses
from bridge import channels as channel_files
from bridge import data_folder
from bridge.api import routes
from bridge.api.context import Context
from bridge.api.feed import Feed
from bridge.api.problems import problem
from bridge.channels.base import Channel, Loads, Polls, SetsUp, SetUpError, Site
from bridge.channels.live import UNREACHED, LiveChannel, State
from bridge.duty import Duty
from bridge.errors import SendError, SettingsError, Unavailable
from bridge.housekeeping import Housekeeper
from bridge.ids import new_id
from bridge.inbox import Inbox
from bridge.media import MediaFetcher
from bridge.models import File
from bridge.outbox import Outbox
from bridge.polling import Poller
from bridge.settings import Settings
from bridge.signing import signed_link
from bridge.store import channels as channel_rows
from bridge.store import duties, engine, schema, tokens
from bridge.store.files import Files
from bridge.store.sqlite import SqliteDatabase
from bridge.store.writer import Writer

log = structlog.get_logger()

# A link in an MMS is fetched at once, but may wait in the vendor's queue.
_LINK_LIFETIME = 24 * 3600.0
_SHUTDOWN = 15.0
# A request's first line: up to here a query that is too long is refused in our words.
_LONGEST_LINE = 65_536
# Seconds for which a busy interpreter lets a thread wait that comes back from SQLite (Python: 0.005).
_TURN = 0.001

Extend = Callable[[web.Application, "Gateway"], None]


@dataclass(slots=True)
class Gateway:
    """All parts of one running process."""

    settings: Settings
    site: Site
    database: engine.Database
    writer: Writer
    bus: buses.Bus
    channels: dict[int, LiveChannel]
    inbox: Inbox
    files: Files
    context: Context
    outboxes: list[Outbox]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Begin to send, poll, fetch and keep house. HTTP is served by the caller."""
        await self.bus.start()
        if self.database.engine == "sqlite":
            await self.database.write(duties.forget)
        node = f"{socket.gethostname()}:{os.getpid()}:{new_id()[-6:]}"
        self.outboxes += [
            self._outbox(live, node) for live in self.channels.values() if not live.channel.pulled
        ]
        media = MediaFetcher(self.database, self.bus, self.files, self.channels, self.settings.upload_limit)
        housekeeper = Housekeeper(self.database, self.files, Duty(self.database, "housekeeping", node))
        jobs = [outbox.run for outbox in self.outboxes]
        jobs += [partial(self._set_up, live, node) for live in self.channels.values()]
        jobs.append(self._settle_in)
        self.tasks = [asyncio.create_task(_keep_going(job)) for job in [*jobs, media.run, housekeeper.run]]
        self._show_figures()

    async def stop(self) -> None:
        """Start nothing new, finish what is on its way, write what waits, let everything go."""
        await self.inbox.close(_SHUTDOWN)
        await asyncio.gather(*(outbox.close(_SHUTDOWN) for outbox in self.outboxes))
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.writer.close()
        await self.bus.close()
        await asyncio.gather(
            *(live.channel.close() for live in self.channels.values()), return_exceptions=True
        )
        await self.database.close()

    def _show_figures(self) -> None:
        watch = self.context.metrics.watch
        watch("bridge_writes_waiting", "Hot writes that wait for their commit.", "gauge",
              lambda: self.writer.waiting)  # fmt: skip
        watch("bridge_events_received", "Events of customers that were new.", "counter",
              lambda: self.inbox.received)  # fmt: skip
        watch("bridge_replies_accepted", "Replies and notes of agents that were new.", "counter",
              lambda: self.inbox.replied)  # fmt: skip
        watch("bridge_sends_under_way", "Lanes with a message on the wire.", "gauge",
              lambda: sum(outbox.busy for outbox in self.outboxes))  # fmt: skip

    def _outbox(self, live: LiveChannel, node: str) -> Outbox:
        return Outbox(
            live, database=self.database, writer=self.writer, bus=self.bus, node=node, file_of=self.file_of,
            send_timeout=self.settings.send_timeout,
        )  # fmt: skip

    def file_of(self, row: Any) -> File:
        """An attachment's row as a channel needs it to send."""
        path = f"/media/{row.id}"
        return File(
            id=row.id, name=row.name, mime=row.mime, kind=row.kind, size=row.size,
            path=str(self.files.path(row.sha256)),
            url=self.site.public_url + signed_link(self.site.secrets, path, _LINK_LIFETIME),
        )  # fmt: skip

    async def _settle_in(self) -> None:
        """What is loaded by now stays: the collector shall not go through it again and again.

        A full round over a vendor's SDK would halt everything for a sixth of a second.
        """
        for live in self.channels.values():
            if isinstance(live.channel, Loads):
                await live.channel.load()
        gc.freeze()
        gc.set_threshold(10_000, 20, 100)

    async def _set_up(self, live: LiveChannel, node: str) -> None:
        """Tell the vendor what it must know, until it listens; then poll where polling is set."""
        while isinstance(live.channel, SetsUp):
            try:
                for finding in await live.channel.set_up():
                    log.warning(finding.what, channel=live.channel.type, todo=finding.todo)
            except SetUpError as error:
                await self._say(live, "setup", str(error))
                log.error("channel needs you", channel=live.channel.type, what=str(error))
                await asyncio.sleep(60)
            except SendError as error:
                await self._say(live, "degraded", UNREACHED)
                log.warning("vendor not reached", channel=live.channel.type, reason=error.reason)
                await asyncio.sleep(error.retry_after or 5)
            else:
                break
        await self._say(live, "up", "")
        log.info("channel is on", channel=live.channel.type, identity=live.channel.identity)
        if isinstance(live.channel, Polls) and live.channel.polling:
            duty = Duty(self.database, f"poll:{live.id}", node)
            await Poller(live, self.inbox, duty, partial(self._say, live)).run()

    async def _say(self, live: LiveChannel, state: State, detail: str) -> None:
        changed = (live.state, live.detail) != (state, detail)
        live.state, live.detail = state, detail
        if changed:
            with contextlib.suppress(Unavailable):
                await self.database.write(lambda tx: channel_rows.say_state(tx, live.id, state, detail))
                self.bus.ring("changes")


async def _keep_going(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """No part may end in silence: one that stumbles says so and begins anew."""
    while True:
        try:
            return await job()
        except Exception:
            log.exception("a part stumbled and begins anew")
            await asyncio.sleep(1)


async def build(settings: Settings) -> Gateway:
    """Everything wired and nothing started. Waits for the database. `SettingsError` says what to do."""
    data_folder.prepare(settings.data_dir)
    site = Site(
        public_url=settings.public_url, secrets=data_folder.the_secrets(settings),
        send_timeout=settings.send_timeout,
    )  # fmt: skip
    configured, off = channel_files.configured(site)
    for line in off:
        log.info(line)
    database = engine.connect(settings.database)
    await engine.wait_until_up(database, log.warning)
    await schema.prepare(database)
    live = await _register(database, configured)
    bus = buses.connect(settings.redis_url)
    writer = Writer(database)
    files = Files(settings.data_dir / "files")
    inbox = Inbox(database, writer, bus, live, settings.reply_deadline)
    context = Context(
        settings=settings, site=site, database=database, inbox=inbox, channels=live, bus=bus, files=files,
        feed=Feed(database, bus, live),
    )  # fmt: skip
    return Gateway(settings, site, database, writer, bus, live, inbox, files, context, [])


async def _register(database: engine.Database, configured: Sequence[Channel]) -> dict[int, LiveChannel]:
    live: dict[int, LiveChannel] = {}
    for channel in configured:
        kind, identity, label = channel.type, channel.identity, channel.label
        row = await database.write(lambda tx: channel_rows.register(tx, kind, identity, label))  # noqa: B023  # awaited at once
        live[row] = LiveChannel(row, channel, state="up")
    await database.write(lambda tx: channel_rows.switch_off_others(tx, live))
    return live


# ── serving ─────────────────────────────────────────────────────────────────────────────────────


async def serve(settings: Settings, extend: Extend | None = None) -> None:
    """Serve until SIGTERM or SIGINT. `extend` adds routes of its own (the sandbox)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    data_folder.prepare(settings.data_dir)  # before the lock, which lies in it
    door = _listen(settings)
    settings = settings.model_copy(update={"port": door.getsockname()[1]})
    lock = _lock(settings)
    if lock:  # it is SQLite's
        sys.setswitchinterval(_TURN)
    waiting = await _serve_on(door, _waiting_app())
    try:
        gateway = await _unless(stop, build(settings))
        if gateway is None:
            return
        runner = await _open(gateway, door, extend, waiting)
        try:
            await stop.wait()
        finally:
            gateway.context.stopping.set()
            log.info("stopping")
            await runner.cleanup()
            await gateway.stop()
    finally:
        await waiting.cleanup()
        door.close()
        if lock:
            lock.release()


async def _open(
    gateway: Gateway, door: socket.socket, extend: Extend | None, waiting: web.AppRunner
) -> web.AppRunner:
    app = routes.build(gateway.context)
    if extend:
        extend(app, gateway)
    await gateway.start()
    # Whoever knocks in between stands in the door's queue; nobody who was let in is thrown out.
    await asyncio.gather(*(site.stop() for site in waiting.sites))
    runner = await _serve_on(door, app)
    await _welcome(gateway)
    return runner


async def _welcome(gateway: Gateway) -> None:
    """Say where the inbox is; to a new installation, how its first administrator comes in."""
    url = gateway.settings.public_url
    log.info("ready", inbox=f"{url}/inbox/")
    setup = await gateway.database.write(tokens.issue_setup)
    if setup:
        link = f"{url}/inbox/#/setup/{setup}"
        sys.stdout.write(f"\n  Make the first administrator (once, within a day):\n  {link}\n\n")
        sys.stdout.flush()


def _listen(settings: Settings) -> socket.socket:
    """The listening socket, open before the database is: whoever asks early is told 503."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:
        door.close()
        raise SettingsError([_no_door(settings, error)]) from None
    door.listen(1024)
    door.setblocking(False)
    return door


def _no_door(settings: Settings, error: OSError | UnicodeError) -> str:
    """Which setting is wrong when there is no listening: a host that is not ours, or a port."""
    why = getattr(error, "strerror", None) or "no such name"
    no_host = isinstance(error, UnicodeError | socket.gaierror)
    if no_host or getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
        return f"BRIDGE_HOST: {settings.host} is not of this machine ({why}). Example: BRIDGE_HOST=0.0.0.0"
    return f"BRIDGE_PORT: {settings.host}:{settings.port} cannot be used ({why}). Example: BRIDGE_PORT=8081"


async def _serve_on(door: socket.socket, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=5.0, max_line_size=_LONGEST_LINE
    )
    await runner.setup()
    await web.SockSite(runner, door.dup(), backlog=1024).start()
    return runner


def _waiting_app() -> web.Application:
    """What is served until the database is there: alive, and not ready."""

    async def answer(request: web.Request) -> web.Response:
        await request.release()  # who is still writing would not hear the answer
        if request.path == "/healthz":
            response = web.json_response({"status": "ok"})
        else:
            response = problem(503, "Starting", "Waiting for the database", headers={"Retry-After": "2"})
        response.force_close()  # the next request shall reach whoever is at the door by then
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


def _lock(settings: Settings) -> data_folder.Lock | None:
    if not settings.database.startswith("sqlite"):
        return None
    database = engine.connect(settings.database)
    assert isinstance(database, SqliteDatabase)
    lock = data_folder.Lock(Path(database.path))
    lock.take()
    return lock


async def _unless(stop: asyncio.Event, building: Coroutine[Any, Any, Gateway]) -> Gateway | None:
    """What is built, unless the process is told to end before."""
    build_task = asyncio.ensure_future(building)
    stop_task = asyncio.ensure_future(stop.wait())
    await asyncio.wait({build_task, stop_task}, return_when=asyncio.FIRST_COMPLETED)
    stop_task.cancel()
    if build_task.done():
        return await build_task
    build_task.cancel()
    await asyncio.gather(build_task, return_exceptions=True)
    return None
