"""Reading by id for many at once: ids that are asked for while one read runs are read by the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, Generic, TypeVar

from bridge.store.engine import Database, Tx

V = TypeVar("V")


class Lookups(Generic[V]):
    """`views` of the ids that are wanted at the same time, in one read."""

    def __init__(
        self,
        database: Database,
        views: Callable[[Tx, Collection[str]], Coroutine[Any, Any, Mapping[str, V]]],
    ) -> None:
        self._database = database
        self._views = views
        self._wanted: dict[str, asyncio.Future[V | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key: str) -> V | None:
        """What has this id, as it is after everything that was committed before the call."""
        found = self._wanted.get(key)
        if found is None:
            found = self._wanted[key] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(found)

    async def _read(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            try:
                found = await self._database.read(lambda tx: self._views(tx, list(wanted)))  # noqa: B023  # awaited at once
            except Exception as error:  # noqa: BLE001  # it is told to whoever asked
                for future in wanted.values():
                    future.set_exception(error)
            else:
                for key, future in wanted.items():
                    future.set_result(found.get(key))
        self._reading = None
