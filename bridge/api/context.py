"""What handlers work with, wired once in `app.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

import bridge
from bridge.api.feed import Feed
from bridge.api.metrics import Metrics
from bridge.bus import Bus
from bridge.channels.base import Site
from bridge.channels.live import LiveChannel
from bridge.inbox import Inbox
from bridge.settings import Settings
from bridge.store.engine import Database
from bridge.store.files import Files


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of this process that HTTP reaches.

    `static` is where the build puts the pages. `stopping` is set first when the process is told to
    end: `/readyz` then says 503, so that a balancer sends nothing new.
    """

    settings: Settings
    site: Site
    database: Database
    inbox: Inbox
    channels: Mapping[int, LiveChannel]
    bus: Bus
    files: Files
    feed: Feed
    metrics: Metrics = field(default_factory=Metrics)
    static: Path = Path(bridge.__file__).parent / "static"
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


CONTEXT = web.AppKey("context", Context)
