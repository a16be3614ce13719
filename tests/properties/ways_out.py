"""Rules of the way out: replies, the nodes that send them, and what becomes of their calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from hypothesis import strategies as st

from bridge.errors import Conflict
from bridge.ids import new_id
from bridge.models import Limits
from bridge.parts import parts_of
from bridge.store import attempts, duties, lanes
from bridge.store.attempts import Finish, Start
from bridge.store.lanes import Head
from bridge.store.outgoing import Carrier, Draft, Route
from bridge.store.replies import Accepted, Changed, Outcome, accept
from tests.properties.model import LIFETIME, REST, Attempt, Reply
from tests.properties.stage import Stage, step
from tests.properties.worlds import DUTY

LIMITS = Limits(text=100, part=12)
CARRIER = Carrier(label="Telegram", limits=LIMITS, pulled=False)
Word = Literal["accepted", "rejected", "blocked", "throttled", "not_sent", "unknown"]
_WORDS: tuple[Word, ...] = (
    "accepted", "accepted", "unknown", "unknown", "not_sent", "throttled", "rejected", "blocked",
)  # fmt: skip


@dataclass
class Hand:
    """A reply that a node has claimed, and its parts that are left."""

    head: Head
    left: list[int]


@dataclass
class Node:
    """What one process knows, which may be of yesterday. `life` counts its starts."""

    name: str
    life: int = 1
    epoch: int = 0
    beat: duties.Beat | None = None
    ready: bool = False
    renews: bool = False
    hands: dict[str, Hand] = field(default_factory=dict)
    calls: dict[str, tuple[Attempt, Hand]] = field(default_factory=dict)
    following: dict[str, deque[Head]] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """Its name at the duty."""
        return f"{self.name}:{self.life}"

    @property
    def busy(self) -> set[str]:
        """The lanes that it is at work in, by their customers."""
        return {*self.hands, *self.calls}


_node, _pick = st.sampled_from([0, 1]), st.integers(0, 9)
T = TypeVar("T")


@dataclass(frozen=True)
class Act:
    """One thing on the way out: which one, where, and how it goes."""

    what: str
    pick: int
    node: int | None
    word: Word
    flag: bool
    repeated: bool


_acts = st.builds(
    Act, st.sampled_from(["answer", "answer", "answer", "start", "claim", "claim", "reply", "reply"]), _pick,
    st.none() | _node, st.sampled_from(_WORDS), st.booleans(), st.booleans(),
)  # fmt: skip


def picked(pick: int, things: Collection[T]) -> T:
    """One of them, whatever number was drawn."""
    return [*things][pick % len(things)]


SEND = step("send", act=_acts)


class WaysOut(Stage):
    """Two nodes, of which at most one has the duty."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = [Node("a"), Node("b")]
        self._calls = 0

    def send(self, act: Act) -> None:
        """One thing on the way out, or what must come before it."""
        match act.what:
            case "answer" if any(node.calls for node in self.nodes):
                self.answer(act.pick, act.word, repeated=act.repeated)
            case "answer" | "start" if any(node.hands for node in self.nodes):
                self.start(act.pick)
            case "answer" | "start" | "claim" if self.model.waits and any(node.ready for node in self.nodes):
                self.claim(act.pick, at_once=act.flag)
            case _ if self.sight.threads:
                self.reply(act.pick, act.node, long=act.flag, repeated=act.repeated)

    # ── replies ─────────────────────────────────────────────────────────────────────────────────

    def reply(self, pick: int, node: int | None, *, long: bool, repeated: bool) -> None:
        """An agent answers, at a node that would send it at once, or at another one."""
        thread = self.sight.threads[picked(pick, self.sight.threads)]
        person, at = self.model.customers[thread.urn], None if node is None else self.nodes[node]
        text = "the 1st part the 2nd" if long else "short"
        address = self.sight.addresses[thread.urn]
        reply = Reply(new_id(), person, text, len(parts_of(text, (), LIMITS)), self.model.now + LIFETIME)
        offered = self._offered(at, reply)
        draft = Draft(
            id=reply.id, conversation_id=thread.id, agent_id=self.world.agent, kind="reply", text=text,
            client_id=new_id(), lifetime=LIFETIME, carriers={self.world.channel: CARRIER},
            route=Route(address_id=address.id, channel_id=self.world.channel, urn=thread.urn),
            reserve=lambda *_: self._start_of(offered) if offered else None,
        )  # fmt: skip
        (outcome, *others) = self._accept([draft, replace(draft, id=new_id())] if repeated else [draft])
        if not person.open:
            assert isinstance(outcome, Conflict)
            return
        assert isinstance(outcome, Accepted)
        assert (outcome.message.id, outcome.new) == (reply.id, True)
        assert [(other.message.id, other.new) for other in others] == [(reply.id, False)] * len(others)
        self.model.accept(reply, offered)
        assert outcome.started == bool(reply.attempts)
        self._leave(at, outcome, offered, reply)

    def _accept(self, drafts: list[Draft]) -> list[Any]:
        """As the inbox does: who has to look again does so without its route."""
        outcomes: list[Outcome] = self.world.together(accept, drafts)
        again = [draft for draft, one in zip(drafts, outcomes, strict=True) if isinstance(one, Changed)]
        looked = iter(self.world.together(accept, [replace(draft, route=None) for draft in again]))
        return [next(looked) if isinstance(one, Changed) else one for one in outcomes]

    def _offered(self, at: Node | None, reply: Reply) -> Attempt | None:
        """The first attempt, where the sender of this node is free to make it."""
        may = (
            at
            and at.ready
            and reply.customer.urn not in at.busy
            and self.model.paused_until <= self.model.now
        )
        return Attempt(new_id(), reply, 0, at.epoch) if at and may else None

    def _leave(self, at: Node | None, outcome: Accepted, offered: Attempt | None, reply: Reply) -> None:
        head, urn = outcome.head, reply.customer.urn
        if at is None or head is None:
            return
        if offered and outcome.started:
            self._call(at, offered, Hand(head, [*range(1, reply.parts)]))
        elif at.ready and urn in at.busy:
            at.following.setdefault(urn, deque()).append(head)

    # ── calls ───────────────────────────────────────────────────────────────────────────────────

    def claim(self, pick: int, *, at_once: bool) -> None:
        """A node takes what is due, to send it at once or when it has come to it."""
        at, channel = picked(pick, [node for node in self.nodes if node.ready]), self.world.channel
        busy = {self.sight.threads[urn].id for urn in at.busy}
        due = self.world.read(lambda tx: lanes.due(tx, channel, busy, 10, 5))
        heads = self.world.read(lambda tx: lanes.heads(tx, channel, due.lanes))
        empty = {*due.lanes} - {head.conversation_id for head in heads}
        self.world.write(lambda tx: lanes.tidy(tx, sorted(empty)))
        assert {head.message_id for head in heads} == {reply.id for reply in self.model.due(at.busy)}
        for head in heads:
            at.hands[head.urn] = self._hand(head)
        if at_once:
            self._start(at)

    def _hand(self, head: Head) -> Hand:
        parts = range(len(parts_of(head.text, (), LIMITS)))
        return Hand(head, [part for part in parts if part not in head.sent])

    def start(self, pick: int) -> None:
        """Whatever a node has in hand leaves, if it still may."""
        self._start(picked(pick, [node for node in self.nodes if node.hands]))

    def _start(self, at: Node) -> None:
        hands, at.hands = at.hands, {}
        wishes: list[tuple[Attempt, Hand]] = []
        for hand in hands.values():
            reply = self._reply_of(hand.head)
            if self._is_over(hand.head) or not hand.left:
                self._conclude(at, hand, reply)
            else:
                wishes.append((Attempt(new_id(), reply, hand.left[0], at.epoch), hand))
        started = self.world.together(attempts.start, [self._start_of(attempt) for attempt, _ in wishes])
        assert started == [self.model.start(attempt) for attempt, _ in wishes]
        for (attempt, hand), left in zip(wishes, started, strict=True):
            if left:
                self._call(at, attempt, Hand(hand.head, hand.left[1:]))
            else:
                at.following.pop(hand.head.urn, None)

    def _call(self, at: Node, attempt: Attempt, rest: Hand) -> None:
        self._calls += 1
        attempt.name = f"X{self._calls}"
        at.calls[rest.head.urn] = attempt, rest

    def _start_of(self, attempt: Attempt) -> Start:
        return Start(
            id=attempt.id, message_id=attempt.reply.id, part=attempt.part, channel_id=self.world.channel,
            duty=DUTY, epoch=attempt.epoch,
        )  # fmt: skip

    def _reply_of(self, head: Head) -> Reply:
        return next(reply for reply in self.model.replies() if reply.id == head.message_id)

    def _is_over(self, head: Head) -> bool:
        return head.late or head.state != "open" or not head.agreed

    def _conclude(self, at: Node, hand: Hand, reply: Reply) -> None:
        head = hand.head
        status: Any = "expired" if head.late else "rejected" if self._is_over(head) else "sent"
        end = Finish(
            message_id=reply.id,
            conversation_id=head.conversation_id,
            status=status,
            duty=DUTY,
            epoch=at.epoch,
        )
        self.world.together(attempts.finish, [end])
        self.model.conclude(reply, status, at.epoch)
        self._go_on(at, head.urn)

    def answer(self, pick: int, word: Word, *, repeated: bool) -> None:
        """The vendor says something, or nothing; who has lost the duty meanwhile hears it all the same."""
        at, urn = picked(pick, [(node, urn) for node in self.nodes for urn in sorted(node.calls)])
        attempt, hand = at.calls.pop(urn)
        self.tell(attempt, word, last=not hand.left, repeated=repeated)
        if word == "accepted" and hand.left:
            at.hands[urn] = hand
        elif word == "accepted":
            self._go_on(at, urn)
        else:
            at.following.pop(urn, None)

    def _go_on(self, at: Node, urn: str) -> None:
        """What was accepted meanwhile follows without a look at the lanes."""
        following = at.following.get(urn)
        if following and self.model.paused_until <= self.model.now:
            at.hands[urn] = self._hand(following.popleft())
        else:
            at.following.pop(urn, None)

    def tell(self, attempt: Attempt, word: Word, *, last: bool, repeated: bool = False) -> None:
        """Have an outcome recorded, as the sender makes it of an answer."""
        reply, more = attempt.reply, dict[str, Any]()
        address = self.sight.addresses[reply.customer.urn]
        match word:
            case "accepted":
                more = {"status": "sent" if last else "sending", "external_id": attempt.name}
            case "rejected":
                more = {"status": "rejected"}
            case "blocked":
                more = {"outcome": "rejected", "status": "rejected", "closes": "blocked"}
                self.model.stand(reply.customer, "blocked")
            case "throttled":
                more = {"status": "queued", "wait": REST, "pause": REST}
                self.model.paused_until = max(self.model.paused_until, self.model.now + REST)
            case "not_sent":
                more = {"status": "queued", "wait": REST}
            case _:
                more = {"status": "unknown", "wait": REST}
        finish = Finish(**{
            "id": attempt.id, "message_id": reply.id, "channel_id": self.world.channel, "outcome": word,
            "conversation_id": self.sight.threads[reply.customer.urn].id, "address_id": address.id, **more,
        })  # fmt: skip
        self.world.together(attempts.finish, [finish] * (1 + repeated))
        name = finish.external_id or None
        self.model.finish(attempt, finish.outcome, finish.status, rest=finish.wait, name=name)
