"""The last look before a call leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bridge.channels.http import LastCheck, unless
from bridge.errors import NotSent
from tests.channels.made import ok
from tests.channels.scripted import Scripted, scripted


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    """Whoever takes calls."""
    async with scripted() as made:
        made.will(ok(True))
        yield made


@pytest.mark.parametrize("looks", [1, 2])
async def test_call_does_not_leave_if_it_must_not_at_any_look(vendor: Scripted, looks: int) -> None:
    """The process may stand still after the first one: what is written is written by another task."""
    asked = 0

    def objection() -> NotSent | None:
        nonlocal asked
        asked += 1
        return NotSent("too late") if asked >= looks else None

    async with aiohttp.ClientSession(request_class=LastCheck) as session:
        with pytest.raises(NotSent, match="too late"), unless(objection):
            async with session.post(vendor.base, data=b"words"):
                pass
        async with session.post(vendor.base, data=b"other words") as answer:
            assert answer.status == 200
    assert asked == looks
    assert len(vendor.asked) == 1
