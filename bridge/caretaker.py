"""What a channel needs besides sending: its vendor is told what it must know, and asked for news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from bridge.bus import Bus
from bridge.channels.base import Polls, SetsUp, SetUpError
from bridge.channels.live import LiveChannel, State
from bridge.duty import Duty
from bridge.errors import SendError, Unavailable
from bridge.inbox import Inbox
from bridge.polling import Poller
from bridge.rota import on_duty
from bridge.store import channels
from bridge.store.engine import Database

log = structlog.get_logger()


class Caretaker:
    """Sets a channel up, says how it is, and fetches from it where it is polled.

    Every node sets it up for itself. One of them speaks for all, and fetches: who holds the duty.
    """

    def __init__(
        self, live: LiveChannel, *, inbox: Inbox, database: Database, bus: Bus,
        duty_of: Callable[[str], Duty],
    ) -> None:  # fmt: skip
        self._live = live
        self._database = database
        self._bus = bus
        polled = isinstance(live.channel, Polls) and live.channel.polling
        self._poller = Poller(live, inbox, self._say) if polled else None
        self._duty = duty_of(f"{'poll' if polled else 'setup'}:{live.id}")
        self._said: tuple[State, str] | None = None

    async def run(self) -> None:
        """Look after it for ever, if there is anything to look after."""
        channel = self._live.channel
        if isinstance(channel, SetsUp):
            await self._set_up(channel)
        log.info("channel is on", channel=channel.type, identity=channel.identity)
        if self._poller or isinstance(channel, SetsUp):
            await on_duty(self._duty, self._care)

    async def _set_up(self, channel: SetsUp) -> None:
        """Tell the vendor what it must know, until it listens."""
        kind = self._live.channel.type
        while True:
            try:
                for finding in await channel.set_up():
                    log.warning(finding.what, channel=kind, todo=finding.todo)
                break
            except SetUpError as error:
                log.error("channel needs you", channel=kind, what=str(error))
                await self._complain("setup", str(error))
                await asyncio.sleep(60)
            except SendError as error:
                log.warning("vendor not reached", channel=kind, reason=error.reason)
                await self._complain("degraded", self._live.unreached)
                await asyncio.sleep(error.retry_after or 5)

    async def _complain(self, state: State, detail: str) -> None:
        """Say what is wrong here, unless another node holds the duty: there it works."""
        with suppress(Unavailable):
            if await self._duty.take():
                await self._say(state, detail)
                await self._duty.give_back()

    async def _care(self) -> None:
        self._said = None  # another node may have said something else since
        await self._say("up", "")
        if self._poller:
            await self._poller.run()
        else:
            await asyncio.Event().wait()  # until the duty is lost

    async def _say(self, state: State, detail: str) -> None:
        """Show how the channel is."""
        if self._said == (state, detail):
            return
        with suppress(Unavailable):
            await self._database.write(lambda tx: channels.say_state(tx, self._live.id, state, detail))
            self._said = state, detail
            self._bus.ring("changes")
