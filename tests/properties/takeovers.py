"""What befalls nodes, which take the duty from each other, crash and come back; and time that goes by."""

from __future__ import annotations

from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from bridge.ids import new_id
from bridge.store import attempts, duties
from bridge.store.attempts import Finish
from tests.clocks import set_clock
from tests.properties.model import REST, STEP, Attempt
from tests.properties.stage import step
from tests.properties.ways_out import Act, Node, WaysOut, Word, picked
from tests.properties.worlds import DUTY

LEASE = 10_000
_node, _pick = st.sampled_from([0, 1]), st.integers(0, 9)


TAKEOVERS = step(
    "be", node=_node,
    act=st.sampled_from(["take", "take", "take", "look", "keep", "give back", "recover", "crash"]),
    looks=st.sampled_from([True, True, False]), recovers=st.sampled_from([True, True, False]),
)  # fmt: skip
STRAYS = step("stray", pick=_pick, part=st.integers(0, 1), ago=st.sampled_from([0, 0, 1]))
TIME = step("time_goes_by")
LATE_WORDS = step(
    "late_word", pick=_pick, other=_pick, mine=st.sampled_from([True, True, False]),
    word=st.sampled_from(["accepted", "not_sent"]),
)  # fmt: skip


class Takeovers(WaysOut):
    """Who has the duty. A node that does nothing for long needs no rule: the other one goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._owner = ""
        # As often as the row of the duty has changed.
        self._version = 0
        self._seen: dict[str, int] = {}

    @initialize(ready=st.sampled_from([True, True, True, False]))
    def first(self, *, ready: bool) -> None:
        """Mostly somebody sends when it begins."""
        if ready:
            self.take(0, looks=False, recovers=True)

    def send(self, act: Act) -> None:
        """As before; where nobody sends, somebody begins to."""
        if act.what != "reply" and not any(node.ready for node in self.nodes):
            self.take(act.pick % 2, looks=True, recovers=True)
        super().send(act)

    def be(self, node: int, act: str, *, looks: bool, recovers: bool) -> None:
        """What happens to a node, whether it has the duty, believes so, or not."""
        at = self.nodes[node]
        match act:
            case "take":
                self.take(node, looks=looks, recovers=recovers)
            case "look":
                self._look(at)
            case "crash":
                self.crash(node)
            case "keep" if at.renews:
                self._keep(at)
            case "give back" if at.renews:
                self._give_back(at)
            case "recover" if at.renews and not at.ready:
                self._recover(at)

    def take(self, node: int, *, looks: bool, recovers: bool) -> None:
        """A node takes the duty if it is free, its own, or without a sign of life since it looked."""
        at = self.nodes[node]
        if looks:
            self._look(at)
        silent = at.beat is not None and self._seen.get(at.owner) == self._version
        epoch = self.world.write(lambda tx: duties.take(tx, DUTY, at.owner, LEASE, at.beat))
        if self._owner not in ("", at.owner) and not silent:
            assert epoch is None
            return
        self._version += 1
        self.model.epoch += 1
        assert epoch == self.model.epoch
        self._owner, at.epoch, at.ready, at.renews = at.owner, self.model.epoch, False, True
        if recovers:
            self._recover(at)

    def _look(self, at: Node) -> None:
        """For as long as what it sees does not change, the duty's owner gives no sign of life."""
        at.beat = self.world.read(lambda tx: duties.look(tx, DUTY))
        self._seen[at.owner] = self._version

    def _recover(self, at: Node) -> None:
        """Before it sends, an owner gives up what earlier ones left open."""
        channel = self.world.channel
        left = self.world.write(lambda tx: attempts.abandoned(tx, channel, at.epoch, REST))
        assert left == self.model.abandon(at.epoch)
        at.ready = True

    def _keep(self, at: Node) -> None:
        """A sign of life, if the duty still is its own."""
        kept = self.world.write(lambda tx: duties.keep(tx, DUTY, at.owner, at.epoch, LEASE))
        assert (kept is not None) == self._has_it(at)
        self._version += kept is not None

    def _give_back(self, at: Node) -> None:
        """It is told to end; what it has begun goes on."""
        self.world.write(lambda tx: duties.give_back(tx, DUTY, at.owner))
        if self._has_it(at):
            self._owner = ""
            self._version += 1
        at.ready = at.renews = False

    def crash(self, node: int) -> None:
        """Nobody will know what became of its calls; it comes back as another process."""
        at = self.nodes[node]
        self.nodes[node] = Node(at.name, at.life + 1)

    def stray(self, pick: int, part: int, ago: int) -> None:
        """A task that rested for long, of this owner or the one before, starts nothing that may not leave."""
        replies = [*self.model.replies()]
        if not replies or not self.model.epoch:
            return
        reply = picked(pick, replies)
        wish = Attempt(new_id(), reply, part, self.model.epoch - ago)
        if not self.model.may_start(wish):
            assert self.world.together(attempts.start, [self._start_of(wish)]) == [False]

    def time_goes_by(self) -> None:
        """What rested may go on, what waited for too long is late."""
        self.world.run(set_clock(self.world.database, STEP))
        self.model.now += STEP
        self._version += 1  # a row that speaks of another time is no longer the same

    def late_word(self, pick: int, other: int, *, mine: bool, word: Word) -> None:
        """Somebody still learns what became of a call: its node wakes up, or the vendor's list is read."""
        unclear = [attempt for attempt in self.model.attempts.values() if attempt.outcome == "unknown"]
        if not unclear:
            return
        attempt = picked(pick, unclear)
        last = attempt.reply.parts == len(attempt.reply.there() | {attempt.part})
        if word == "accepted":
            self._look_up(attempt, attempt.name if mine else f"X{other}", last=last)
        else:
            self.tell(attempt, word, last=last)

    def _look_up(self, attempt: Attempt, name: str, *, last: bool) -> None:
        """What is found by the number and the words may be another's."""
        status: Literal["sent", "sending"] = "sent" if last else "sending"
        found = Finish(
            id=attempt.id, message_id=attempt.reply.id, outcome="accepted", external_id=name, status=status,
            conversation_id=self.sight.threads[attempt.reply.customer.urn].id, looked_up=True,
        )  # fmt: skip
        its_own = self.model.is_its_own(attempt, name)
        self.world.together(attempts.finish, [found])
        if its_own:
            self.model.finish(attempt, "accepted", status, name=name)

    def _has_it(self, at: Node) -> bool:
        return (self._owner, self.model.epoch) == (at.owner, at.epoch)
