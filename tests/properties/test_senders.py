"""Two senders on one database: whatever happens to them and at their vendor, all arrives once and in order.

On SQLite there is one at a time: a second process is refused.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import delivery, outbox
from bridge.store.engine import Row
from bridge.store.inbound import Intake, receive
from bridge.store.tables import duties
from tests.properties.nodes import LEASE_MS, WITHIN, Node, Vendor, Will
from tests.properties.stage import urn_of
from tests.properties.ways_in import hello
from tests.properties.worlds import World

CHATS = (1, 2, 3)
_ENDED = {"sent", "unknown", "rejected"}
_WILLS: list[Will] = [
    "take", "refuse", "ask for a pause", "break down", "cut", "say nothing", "take its time", "take its time",
]  # fmt: skip
Mishap = Literal["none", "frozen", "frozen for long", "killed", "told to end"]
_MISHAPS: list[Mishap] = ["none", "frozen", "frozen for long", "frozen for long", "killed", "told to end"]


@dataclass(frozen=True)
class Turn:
    """Agents answer these customers, and the vendor does the next calls; something befalls the sender.

    `soon`: before its first call has reached the vendor. `mends`: what was done is undone within the turn.
    """

    chats: list[int]
    wills: list[Will]
    mishap: Mishap
    soon: bool
    mends: bool


_turns = st.lists(
    st.builds(
        Turn, st.lists(st.sampled_from(CHATS), min_size=1, max_size=6),
        st.lists(st.sampled_from(_WILLS), max_size=4), st.sampled_from(_MISHAPS),
        st.booleans(), st.booleans(),
    ),
    min_size=2, max_size=4,
)  # fmt: skip


class Scene:
    """A vendor, the nodes before it, and agents who write to three customers."""

    def __init__(self, world: World, url: str) -> None:
        self.world, self.url = world, url
        world.empty()
        world.together(receive, [Intake(world.channel, tuple(hello(chat, 1) for chat in CHATS))])
        self.threads = {urn: row.id for urn, row in world.look().threads.items()}
        self.vendor = Vendor()
        self.nodes: list[Node] = []
        self.gone: list[Node] = []
        self.written: Counter[int] = Counter()
        self.mend()

    @property
    def awake(self) -> list[Node]:
        """The nodes that work."""
        return [node for node in self.nodes if not node.process.frozen]

    # ── what happens ────────────────────────────────────────────────────────────────────────────

    def play(self, turn: Turn) -> None:
        """One turn; what the one before left broken breaks on."""
        if not self.awake:
            self.mend()
        self.vendor.will(*turn.wills)
        asked = self.vendor.asked
        for number, chat in enumerate(turn.chats):
            self.written[chat] += 1
            node = self.awake[number % len(self.awake)]
            node.reply(self.threads[urn_of(chat)], self.world.agent, f"{self.written[chat]}")
        if not turn.soon:
            self.wait(lambda: self.vendor.asked > asked or not self._waiting(), within=1, must=False)
        self.befall(turn.mishap)
        if turn.mends:
            self.mend()

    def befall(self, mishap: Mishap) -> None:
        """Something happens to who sends, or to some node while nobody does."""
        node = next((node for node in self.nodes if node.name == self._owner()), self.nodes[-1])
        if mishap in ("killed", "told to end"):
            self.nodes.remove(node)
            self.gone.append(node)
            node.process.thaw()
            (node.kill if mishap == "killed" else node.end)()
        elif mishap != "none" and not node.process.frozen:
            node.process.freeze()
        if mishap == "frozen for long":
            time.sleep(LEASE_MS / 1000)  # this is how long it is, not how long something else takes
            if self.awake:
                self.wait(lambda: self._owner() in {other.name for other in self.awake})

    def mend(self) -> None:
        """What stood still goes on, what takes its time is done, who is missing is replaced."""
        for node in self.nodes:
            node.process.thaw()
        self.vendor.release()
        while len(self.nodes) < (1 if self.world.database.engine == "sqlite" else 2):
            name = f"node-{len(self.nodes) + len(self.gone)}"
            self.nodes.append(Node(self.url, self.vendor, self.world.channel, name))

    # ── what must hold ──────────────────────────────────────────────────────────────────────────

    def end(self) -> None:
        """All is well again: each reply comes to its end, once and in its turn."""
        self.vendor.will()
        self.mend()
        self.wait(self._all_ended)
        self._check()

    def close(self) -> None:
        """Clear all away."""
        for node in [*self.gone, *self.nodes]:
            node.close()
        self.vendor.close()

    def _all_ended(self) -> bool:
        self.vendor.release()
        return not self._waiting()

    def _check(self) -> None:
        assert max(Counter(self.vendor.got).values(), default=0) <= 1, f"sent twice: {self.vendor.got}"
        for chat in CHATS:
            replies = {row.text: row for row in self._replies(chat)}
            assert [*replies] == [f"{number + 1}" for number in range(self.written[chat])], (
                "order of acceptance"
            )
            got = [text for to, text in self.vendor.got if to == chat]
            assert got == [text for text in replies if text in got], "out of order"
            sent = {text for text, row in replies.items() if row.status == "sent"}
            refused = {text for text, row in replies.items() if row.status == "rejected"}
            assert sent <= {*got}, "said to be sent"
            assert not refused & {*got}, "said to be refused"
        ledger = self.world.look().attempts.values()
        assert all(attempt.outcome for attempt in ledger), "a call without an outcome"

    def _replies(self, chat: int) -> list[Row]:
        return [row for row in self.world.look().thread(urn_of(chat)) if row.direction == "outbound"]

    def _waiting(self) -> bool:
        found = self.world.look().messages.values()
        return any(row.status not in _ENDED for row in found if row.direction == "outbound")

    def _owner(self) -> str:
        query = sa.select(duties.c.owner).where(duties.c.until > 0)
        return "".join(row.owner for row in self.world.read(lambda tx: tx.run(query)))

    def wait(self, look: Callable[[], bool], within: float = WITHIN, *, must: bool = True) -> None:
        """Until something is so, which it `must` be by then."""
        end = time.monotonic() + within
        while not look():
            if time.monotonic() > end:
                assert not must, f"not within {within} s: {look.__name__}"
                return
            time.sleep(0.01)


@pytest.fixture
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a minute or a second in life takes as long as must be here."""
    for module in (outbox, delivery):
        monkeypatch.setattr(module, "UNKNOWN_WAIT_MS", 700)
    monkeypatch.setattr(outbox, "SWEEP", 0.1)
    monkeypatch.setattr(delivery, "_AGAIN", 0.1)
    monkeypatch.setattr(outbox, "_STANDBY", 0.05)


@pytest.mark.timeout(300)
def test_f11_f12_f28_f29_f31_f36_senders_send_everything_once_and_in_order(
    world: World, database_url: str, haste: None, chance: dict[str, settings]
) -> None:
    """Replies, answers of all kinds, freezes and kills in any order."""

    @chance["senders"]
    @given(_turns)
    def play(turns: list[Turn]) -> None:
        scene = Scene(world, database_url)
        try:
            for turn in turns:
                scene.play(turn)
            scene.end()
        finally:
            scene.close()

    play()
