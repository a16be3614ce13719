"""Reading again what could not be read when it came, with what the channels know by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import structlog

from bridge.channels.base import Channel, Rereads
from bridge.errors import BridgeError, Unavailable
from bridge.models import Event
from bridge.store import parked
from bridge.store.engine import Database
from bridge.store.failures import BadData
from bridge.store.parked import Parked

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one: it is `done`, still `parked` and why, or `gone`: it waited no more."""

    id: str
    outcome: Literal["done", "parked", "gone"]
    why: str = ""
    media: bool = False


class Replayer:
    """Replays events, each in a transaction of its own, and so each once.

    `channels` by their rows' ids: those that are on.
    """

    def __init__(self, database: Database, channels: Mapping[int, Channel]) -> None:
        self._database = database
        self._channels = channels

    async def replay(self, event_id: str) -> Replayed:
        """Read an event again. `Unavailable`: it waits as before."""
        event = await self._database.read(lambda tx: parked.find(tx, event_id))
        if event is None:
            return Replayed(event_id, "gone")
        channel = self._channels.get(event.channel_id)
        if channel is None:
            return Replayed(event_id, "parked", "Its channel is off: `bridge check` says why")
        if not event.raw or not isinstance(channel, Rereads):
            return Replayed(event_id, "parked", "Nothing was kept that could be read again")
        try:
            found = _read(channel, event)
            taken = await self._database.write(lambda tx: parked.put_right(tx, event, found))
        except Unavailable:
            raise
        except BridgeError as error:
            return await self._stays(event, error.detail)
        except BadData:
            return await self._stays(event, "the database refused it")
        if taken is None:
            return Replayed(event_id, "gone")
        return Replayed(event_id, "done", media=taken.media)

    async def _stays(self, event: Parked, why: str) -> Replayed:
        await self._database.write(lambda tx: parked.stays(tx, event.id, why))
        return Replayed(event.id, "parked", why)


def _read(channel: Rereads, event: Parked) -> list[Event]:
    """What an event says. A `BridgeError` says why that is still not known."""
    try:
        found = channel.reread(event.key, event.raw)
    except BridgeError:
        raise
    except Exception as error:  # noqa: BLE001  # the others go on, and its text may be a customer's
        log.error("channel stumbled over an event", reason=type(error).__name__)
        raise BridgeError(f"Reading it failed: {type(error).__name__}") from None
    for problem in (getattr(one, "parked", "") for one in found):
        if problem:
            raise BridgeError(problem)
    return found
