"""The way in for HTTP: open before the database is, and shut before anybody is thrown out."""

from __future__ import annotations

import asyncio
import errno
import socket

from aiohttp import web

from bridge.api.problems import problem
from bridge.errors import SettingsError
from bridge.settings import Settings

# A request's first line: up to here a query that is too long is refused in our words.
_LONGEST_LINE = 65_536
# Seconds that somebody who comes early waits before they are told to come again.
_AT_THE_DOOR = 3.0
# Connections that wait to be let in. The kernel drops what is beyond, and who was dropped comes again after
# seconds, each time more: all pages of a site come back at once after a restart. It has a limit of its own.
_WAITING = 4096


def listen(settings: Settings) -> socket.socket:
    """The listening socket, open before the database is: whoever asks early waits, or is told 503."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:
        door.close()
        raise SettingsError([_no_door(settings, error)]) from None
    door.listen(_WAITING)
    door.setblocking(False)
    return door


def _no_door(settings: Settings, error: OSError | UnicodeError) -> str:
    """Which setting is wrong when there is no listening: a host that is not ours, or a port."""
    why = getattr(error, "strerror", None) or "no such name"
    no_host = isinstance(error, UnicodeError | socket.gaierror)
    if no_host or getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
        return f"BRIDGE_HOST: {settings.host} is not of this machine ({why}). Example: BRIDGE_HOST=0.0.0.0"
    return f"BRIDGE_PORT: {settings.host}:{settings.port} cannot be used ({why}). Example: BRIDGE_PORT=8081"


async def serve_on(door: socket.socket, app: web.Application) -> web.AppRunner:
    """Have an application answer at the door, beside whoever does already."""
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=5.0, max_line_size=_LONGEST_LINE
    )
    await runner.setup()
    await web.SockSite(runner, door.dup(), backlog=_WAITING).start()
    return runner


class Porter:
    """Answers at the door where the gateway takes long to come: its database is away.

    Not at once: a balancer would take the answer of one that starts for that of all.
    """

    def __init__(self, door: socket.socket) -> None:
        self._door = door
        self._runner: web.AppRunner | None = None
        self._not_needed = asyncio.Event()
        self._coming = asyncio.create_task(self._come())

    async def _come(self) -> None:
        try:
            async with asyncio.timeout(_AT_THE_DOOR):
                await self._not_needed.wait()
        except TimeoutError:
            self._runner = await serve_on(self._door, _waiting_app())

    async def step_aside(self) -> None:
        """Take nobody new; who was taken gets their answer."""
        self._not_needed.set()
        await self._coming
        if self._runner:
            await asyncio.gather(*(site.stop() for site in self._runner.sites))

    async def leave(self) -> None:
        """Answer nobody any more."""
        await self.step_aside()
        if self._runner:
            await self._runner.cleanup()


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
