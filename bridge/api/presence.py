"""Who has the inbox open, and what they look at: over all nodes, forgotten with them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.bus import Bus
from bridge.views import Person

_TOPIC = "presence"
# A node says so often who is there; one that has been silent for longer is gone.
TELL_EVERY = 10.0
_GONE_AFTER = 25.0


@dataclass(slots=True)
class _Node:
    agents: dict[str, str] = field(default_factory=dict)
    viewing: dict[str, list[str]] = field(default_factory=dict)
    heard_at: float = 0.0


class Presence:
    """Merges what every node says; `changed` is called when the picture is another."""

    def __init__(self, bus: Bus, changed: Callable[[], None]) -> None:
        self._bus = bus
        self._changed = changed
        self._me = secrets.token_hex(6)
        self._nodes: dict[str, _Node] = {}
        self._seen: dict[str, Any] = {}
        self._stop = bus.listen(self._hear)

    def close(self) -> None:
        """Say that nobody is here any more."""
        self.say([])
        self._stop()

    def say(self, here: list[tuple[Person, str | None]]) -> None:
        """Tell all nodes who is here, and which conversation each looks at."""
        viewing: dict[str, list[str]] = {}
        for agent, conversation_id in here:
            if conversation_id and agent.id not in viewing.setdefault(conversation_id, []):
                viewing[conversation_id].append(agent.id)
        agents = {agent.id: agent.name for agent, _ in here}
        self._bus.tell(_TOPIC, {"node": self._me, "agents": agents, "viewing": viewing})

    @property
    def online(self) -> Mapping[str, str]:
        """`{id: name}` of the agents who have the inbox open."""
        self._forget_silent()
        return {agent: name for node in self._nodes.values() for agent, name in node.agents.items()}

    def picture(self) -> dict[str, Any]:
        """The frame that pages get."""
        online = self.online
        viewing: dict[str, list[str]] = {}
        for node in self._nodes.values():
            for conversation_id, agents in node.viewing.items():
                both = {*viewing.get(conversation_id, ()), *agents}
                viewing[conversation_id] = sorted(both)
        people = [{"id": agent, "name": online[agent]} for agent in sorted(online)]
        return {"type": "presence", "agents": people, "viewing": viewing}

    def _hear(self, topic: str, word: Mapping[str, Any]) -> None:
        if topic != _TOPIC:
            return
        self._nodes[word["node"]] = _Node(word["agents"], word["viewing"], time.monotonic())
        self.look()

    def look(self) -> None:
        """Call `changed` if the picture is another, also because a node went silent."""
        picture = self.picture()
        if picture != self._seen:
            self._seen = picture
            self._changed()

    def _forget_silent(self) -> None:
        oldest = time.monotonic() - _GONE_AFTER
        self._nodes = {
            name: node
            for name, node in self._nodes.items()
            if node.agents and (node.heard_at > oldest or name == self._me)
        }
