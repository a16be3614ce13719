"""What the store should hold, in plain Python: what customers wrote, and what became of replies.

It knows no tables, no batches and no races: each thing happens after the one before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from bridge.models import Edit, Event, Inbound, Receipt, Standing

# Time goes by in steps, so that no machine is too slow for it: what rests does so for less than one.
STEP = 600_000
REST = STEP // 2
LIFETIME = 8 * STEP + REST
_RANK = {"sent": 1, "delivered": 2, "failed": 2, "read": 3}


@dataclass(eq=False)
class Said:
    """A customer's message."""

    name: str
    text: str
    before: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Attempt:
    """One call for one part. `name` is the vendor's id of it, `known_as` the one that we were told."""

    id: str
    reply: Reply
    part: int
    epoch: int
    outcome: str | None = None
    known_as: str | None = None
    name: str = ""


@dataclass(eq=False)
class Reply:
    """An agent's message, of so many parts."""

    id: str
    customer: Customer
    text: str
    parts: int
    deadline: int
    status: str = "queued"
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        """Whether it is still to be sent, or on its way."""
        return self.status in ("queued", "sending")

    def there(self) -> set[int]:
        """The parts that the vendor has."""
        return {attempt.part for attempt in self.attempts if attempt.outcome == "accepted"}


@dataclass(eq=False)
class Customer:
    """One address, its thread and its lane: `due` is when that may be taken, or nothing while it sleeps."""

    urn: str
    state: str = "open"
    agreed: bool = False
    thread: list[Said | Reply] = field(default_factory=list)
    due: int | None = None

    @property
    def open(self) -> bool:
        """Whether they may be written to."""
        return self.state == "open" and self.agreed

    def replies(self) -> list[Reply]:
        """What agents wrote."""
        return [one for one in self.thread if isinstance(one, Reply)]

    def head(self) -> Reply | None:
        """What is to be sent next."""
        return next((reply for reply in self.replies() if reply.waits), None)

    def after(self, reply: Reply) -> list[Reply]:
        """The replies that were written later."""
        replies = self.replies()
        return replies[replies.index(reply) + 1 :]


class Model:
    """Everything, and what each event makes of it."""

    def __init__(self) -> None:
        self.customers: dict[str, Customer] = {}
        self.attempts: dict[str, Attempt] = {}
        self.now = 0
        self.epoch = 0
        self.paused_until = 0
        self._keys: set[str] = set()
        self._early: dict[str, Edit] = {}
        self._receipts: dict[str, str] = {}

    def replies(self) -> Iterator[Reply]:
        """All of them."""
        for customer in self.customers.values():
            yield from customer.replies()

    @property
    def waits(self) -> bool:
        """Whether any reply does."""
        return any(reply.waits for reply in self.replies())

    # ── from customers and vendors ──────────────────────────────────────────────────────────────

    def receive(self, events: Iterable[Event]) -> None:
        """What a webhook, or several that were stored together, brings."""
        receipts: list[Receipt] = []
        fresh: list[Inbound | Edit | Standing] = []
        names: dict[str, None] = {}
        for event in events:
            if isinstance(event, Receipt):
                receipts.append(event)
            elif isinstance(event, Inbound | Edit | Standing) and self._is_new(event.key):
                fresh.append(event)
            if isinstance(event, Inbound):
                names[event.external_id] = None
        for event in fresh:
            customer = self.customers.setdefault(event.urn, Customer(event.urn))
            if isinstance(event, Inbound):
                self._say(customer, event)
        early = [self._early.pop(name) for name in names if name in self._early]
        for edit in early + [event for event in fresh if isinstance(event, Edit)]:
            self._change(edit)
        for event in fresh:
            if isinstance(event, Standing):
                self.stand(self.customers[event.urn], event.state, opt_in=event.opt_in)
        for receipt in receipts:
            self._hear(receipt)

    def _is_new(self, key: str) -> bool:
        is_new = key not in self._keys
        self._keys.add(key)
        return is_new

    def _say(self, customer: Customer, event: Inbound) -> None:
        """Who writes agrees to be answered; only who opted out has to say more."""
        customer.agreed = True
        if customer.state != "opted_out":
            customer.state = "open"
        customer.thread.append(Said(event.external_id, event.text))

    def _change(self, edit: Edit) -> None:
        """The newest edit waits for a message that is not here yet."""
        for said in self.customers[edit.urn].thread:
            if isinstance(said, Said) and said.name == edit.external_id:
                if said.text != edit.text:
                    said.before.append(said.text)
                    said.text = edit.text
                return
        self._early[edit.external_id] = edit

    def stand(self, customer: Customer, state: str, *, opt_in: bool = False) -> None:
        """An address is closed or opened."""
        customer.agreed |= opt_in
        if customer.state != "opted_out" or opt_in:
            customer.state = state

    def _hear(self, receipt: Receipt) -> None:
        known = self._receipts.get(receipt.external_id)
        if known is None or (known != "failed" and _RANK[known] < _RANK[receipt.status]):
            self._receipts[receipt.external_id] = receipt.status
        for attempt in self.attempts.values():
            if attempt.known_as == receipt.external_id:
                self._settle(attempt.reply)

    def _settle(self, reply: Reply) -> None:
        """What the receipts of all parts say together."""
        there = [attempt for attempt in reply.attempts if attempt.outcome == "accepted"]
        heard = [self._receipts.get(attempt.known_as or "", "sent") for attempt in there]
        slowest = min(heard, key=_RANK.__getitem__, default="sent")
        state = "failed" if "failed" in heard else slowest
        if (reply.status == "sent" and state != "sent") or (reply.status, state) == ("delivered", "read"):
            reply.status = state

    # ── to customers ────────────────────────────────────────────────────────────────────────────

    def accept(self, reply: Reply, attempt: Attempt | None) -> None:
        """A reply is accepted, perhaps with its first attempt."""
        customer = reply.customer
        if attempt and attempt.epoch == self.epoch and not customer.head() and not self._rests(customer):
            self._begin(attempt)
        if customer.due is None:
            customer.due = self.now
        customer.thread.append(reply)

    def _rests(self, customer: Customer) -> bool:
        return max(customer.due or 0, self.paused_until) > self.now

    def due(self, busy: Collection[str]) -> list[Reply]:
        """What may be claimed now outside of these lanes; those that wait for nothing fall asleep."""
        found = []
        for customer in self.customers.values():
            awake = customer.due is not None and max(customer.due, self.paused_until) <= self.now
            if awake and customer.urn not in busy:
                head = customer.head()
                found += [head] if head else []
                customer.due = customer.due if head else None
        return found

    def may_start(self, attempt: Attempt) -> bool:
        """Whether a call may leave."""
        reply = attempt.reply
        tried = [other.outcome for other in reply.attempts if other.part == attempt.part]
        return (
            attempt.epoch == self.epoch
            and reply is reply.customer.head()
            and not self._rests(reply.customer)
            and reply.customer.open
            and reply.deadline >= self.now
            and not {None, "accepted"} & {*tried}
        )

    def start(self, attempt: Attempt) -> bool:
        """Whether it leaves."""
        may = self.may_start(attempt)
        if may:
            self._begin(attempt)
        return may

    def _begin(self, attempt: Attempt) -> None:
        self.attempts[attempt.id] = attempt
        attempt.reply.attempts.append(attempt)
        attempt.reply.status = "sending"

    def finish(
        self, attempt: Attempt, outcome: str, status: str, *, rest: int = 0, name: str | None = None
    ) -> None:  # fmt: skip
        """Somebody knows what became of a call. The first word counts, but for one that was not to know."""
        if attempt.id not in self.attempts:
            return
        is_news = attempt.outcome is None or (attempt.outcome == "unknown" and outcome != "unknown")
        is_name = attempt.outcome == outcome == "accepted" and attempt.known_as is None
        if not is_news and not is_name:
            return
        attempt.outcome, attempt.known_as = outcome, name or attempt.known_as
        self._become(attempt, status, rest)
        self._settle(attempt.reply)

    def _become(self, attempt: Attempt, status: str, rest: int) -> None:
        """What an outcome makes of its reply and of its lane."""
        reply = attempt.reply
        if not reply.waits and reply.status != "unknown":
            return
        if status not in ("sending", "sent") and any(o.epoch > attempt.epoch for o in reply.attempts):
            return  # another owner knows better
        if (reply.status, status) == ("unknown", "queued"):
            overtaken = any(later.attempts for later in reply.customer.after(reply))
            status = "rejected" if overtaken else "queued"
        reply.status = status
        self._move(reply, rest)

    def _move(self, reply: Reply, rest: int = 0) -> None:
        """A lane rests for the reply that was tried last."""
        customer = reply.customer
        if customer.due is None or not self._went_on(reply):
            customer.due = self.now + rest if rest or customer.head() else None

    def _release(self, reply: Reply) -> None:
        """Nobody waits for news of it any more."""
        if not self._went_on(reply):
            reply.customer.due = self.now

    def _went_on(self, reply: Reply) -> bool:
        """Whether a later reply was tried since, and is not settled."""
        tried = [attempt.reply for attempt in self.attempts.values()]
        since = tried[len(tried) - tried[::-1].index(reply) :] if reply in tried else tried
        return any(
            later in since and (later.waits or later.status == "unknown")
            for later in reply.customer.after(reply)
        )

    def conclude(self, reply: Reply, status: str, epoch: int) -> None:
        """Its sender will not try it (any more)."""
        if epoch == self.epoch and reply.waits:
            reply.status = status
            self._move(reply)
            self._settle(reply)

    def is_its_own(self, attempt: Attempt, name: str) -> bool:
        """Whether what a look-up found can be of this attempt, and not of another."""
        taken = any(other.known_as == name for other in self.attempts.values() if other is not attempt)
        on_its_way = any(
            other.outcome is None and other.reply.customer is attempt.reply.customer
            for other in self.attempts.values()
        )
        return not taken and not on_its_way

    def abandon(self, epoch: int) -> int:
        """A new owner finds what earlier ones left open; how much it was."""
        left = [one for one in self.attempts.values() if one.outcome is None and one.epoch < epoch]
        for attempt in left:
            attempt.outcome = "unknown"
            self._become(attempt, "unknown", REST)
        return len(left)

    # ── people ──────────────────────────────────────────────────────────────────────────────────

    def again(self, reply: Reply) -> None:
        """It is to be sent, whatever became of it before."""
        reply.status = "queued"
        reply.deadline = self.now + LIFETIME
        if reply.customer.due is None:
            reply.customer.due = self.now
        self._release(reply)

    def retry(self, reply: Reply) -> None:
        """As `again`, for one that did not arrive: what its vendor failed is not there."""
        for attempt in reply.attempts:
            if attempt.outcome == "accepted" and self._receipts.get(attempt.known_as or "") == "failed":
                attempt.outcome = "rejected"
        self.again(reply)

    def arrived(self, reply: Reply) -> None:
        """An agent knows that it did; what follows that part goes out."""
        for attempt in reply.attempts:
            if attempt.outcome == "unknown":
                attempt.outcome = "accepted"
        if max(len(reply.there()), 1) < reply.parts:
            self.again(reply)
            return
        reply.status = "sent"
        self._release(reply)
        self._settle(reply)

    def give_up(self, reply: Reply) -> None:
        """It is not tried any more."""
        if reply.status == "unknown":
            self._release(reply)
        reply.status = "rejected"
