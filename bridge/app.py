"""The only wiring: settings → store, bus, channels, inbox, outboxes, routes."""

from __future__ import annotations

import asyncio
import contextlib
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
from bridge.caretaker import Caretaker
from bridge.channels.base import Channel, Loads, Site, Sweeps
from bridge.channels.live import LiveChannel, State
from bridge.door import Porter, listen, serve_on
from bridge.duty import Duty
from bridge.errors import Unavailable
from bridge.housekeeping import Housekeeper, watch_clock
from bridge.ids import new_id
from bridge.inbox import Inbox
from bridge.media import MediaFetcher
from bridge.models import File
from bridge.outbox import Outbox
from bridge.rota import share
from bridge.settings import Settings
from bridge.signing import signed_link
from bridge.store import channels as channel_rows
from bridge.store import duties, engine, feeds, schema, tokens
from bridge.store.files import Files
from bridge.store.sqlite import SqliteDatabase
from bridge.store.writer import Writer
from bridge.sweeping import Sweeper

log = structlog.get_logger()

# A link in an MMS is fetched at once, but may wait in the vendor's queue.
_LINK_LIFETIME = 24 * 3600.0
_SHUTDOWN = 15.0
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
    sharing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to send, poll, fetch and keep house. HTTP is served by the caller."""
        await self.bus.start()
        if self.database.engine == "sqlite":
            await self.database.write(duties.forget)
        node = f"{socket.gethostname()}:{os.getpid()}:{new_id()[-6:]}"
        ours: list[Duty] = []

        def duty_of(name: str) -> Duty:
            ours.append(Duty(self.database, name, node))
            return ours[-1]

        self.outboxes += [
            self._outbox(live, duty_of(f"send:{live.id}"))
            for live in self.channels.values() if not live.channel.pulled
        ]  # fmt: skip
        media = MediaFetcher(self.database, self.bus, self.files, self.channels, self.settings.upload_limit)
        housekeeper = Housekeeper(
            self.database, self.files, duty_of("housekeeping"), raw_days=self.settings.raw_events_days,
        )  # fmt: skip
        jobs = [outbox.run for outbox in self.outboxes]
        jobs += [self._caretaker(live, duty_of).run for live in self.channels.values()]
        sweeping = [live for live in self.channels.values() if isinstance(live.channel, Sweeps)]
        jobs += [self._sweeper(live, node).run for live in sweeping]
        jobs += [self._settle_in, partial(watch_clock, self.database)]
        self.tasks = [asyncio.create_task(_keep_going(job)) for job in [*jobs, media.run, housekeeper.run]]
        if self.database.engine == "postgresql":  # on SQLite there is no other node
            self.sharing = asyncio.create_task(_keep_going(partial(share, self.database, node, ours)))
        self._show_figures()

    async def stop(self) -> None:
        """Start nothing new, finish what is on its way, write what waits, let everything go."""
        if self.sharing:  # what is given back from now on shall not be asked for again
            self.sharing.cancel()
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
        watch("bridge_sends_under_way", "Lanes at work, with those that wait for their turn.", "gauge",
              lambda: sum(outbox.busy for outbox in self.outboxes))  # fmt: skip

    def _outbox(self, live: LiveChannel, duty: Duty) -> Outbox:
        return Outbox(
            live, duty, database=self.database, writer=self.writer, bus=self.bus, file_of=self.file_of,
            send_timeout=self.settings.send_timeout, others=self.channels.values(),
        )  # fmt: skip

    def _caretaker(self, live: LiveChannel, duty_of: Callable[[str], Duty]) -> Caretaker:
        return Caretaker(live, inbox=self.inbox, database=self.database, bus=self.bus, duty_of=duty_of)

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

    def _sweeper(self, live: LiveChannel, node: str) -> Sweeper:
        duty = Duty(self.database, f"sweep:{live.id}", node)
        return Sweeper(live, self.inbox, self.database, duty, partial(self._say, live))

    async def _say(self, live: LiveChannel, state: State, detail: str) -> None:
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
    await database.write(feeds.begin)
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
        live[row] = LiveChannel(row, channel)
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
    door = listen(settings)
    settings = settings.model_copy(update={"port": door.getsockname()[1]})
    lock = _lock(settings)
    if lock:  # it is SQLite's
        sys.setswitchinterval(_TURN)
    porter = Porter(door)
    try:
        gateway = await _unless(stop, build(settings))
        if gateway is None:
            return
        runner = await _open(gateway, door, extend, porter)
        try:
            await stop.wait()
        finally:
            gateway.context.stopping.set()
            log.info("stopping")
            door.close()  # a balancer goes to another: nobody in its queue would be let in any more
            await runner.cleanup()
            await gateway.stop()
    finally:
        await porter.leave()
        door.close()
        if lock:
            lock.release()


async def _open(
    gateway: Gateway, door: socket.socket, extend: Extend | None, porter: Porter
) -> web.AppRunner:
    app = routes.build(gateway.context)
    if extend:
        extend(app, gateway)
    await gateway.start()
    # Whoever knocks in between stands in the door's queue; nobody who was let in is thrown out.
    await porter.step_aside()
    runner = await serve_on(door, app)
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
