"""A channel that is on, with its row in the database and how it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.channels.base import Channel


@dataclass(slots=True)
class LiveChannel:
    """`id` is its row's; `state` and `detail` are what agents see of it."""

    id: int
    channel: Channel
    state: Literal["up", "degraded", "down", "setup"] = "up"
    detail: str = ""
