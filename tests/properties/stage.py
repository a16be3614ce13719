"""What all rules of the store's machine share: the world, its model, and their comparison after each step."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from bridge.store.engine import Row
from tests.properties import laws
from tests.properties.model import Model, Reply, Said
from tests.properties.worlds import Sight, World

CUSTOMERS = (1, 2)


Step = tuple[str, dict[str, Any]]


def step(name: str, /, **how: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """A method of the machine, and what it is given."""
    return st.tuples(st.just(name), st.fixed_dictionaries(how))


def urn_of(customer: int) -> str:
    """Their address."""
    return f"telegram:{customer}"


class Stage(RuleBasedStateMachine):
    """An empty world, and what is seen of it from step to step."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.world.empty()
        self.model = Model()
        self.sight = Sight()
        # Of which replies a person has decided in this step, and which attempts no longer count for them.
        self.decided: set[str] = set()
        self.excused: set[str] = set()
        self._place = self.world.place()
        self._unsaid: set[str] = set()

    @invariant()
    def holds(self) -> None:
        """The store holds what the model says, by the laws, and the feed has said so."""
        before, self.sight = self.sight, self.world.look()
        laws.check(before, self.sight, self.decided, self.excused)
        self.decided.clear()
        self._compare()
        self._unsaid |= {
            row.id
            for row in self.sight.messages.values()
            if _shown(row) != _shown(before.messages.get(row.id))
        }
        self._listen()

    def _compare(self) -> None:
        for urn, customer in self.model.customers.items():
            address = self.sight.addresses[urn]
            standing = (address.state, address.consent_at is not None)
            assert standing == (customer.state, customer.agreed), f"{urn} is {standing}"
            there = [self._told(row) for row in self.sight.thread(urn)]
            assert there == [_meant(one) for one in customer.thread]
            thread = self.sight.threads.get(urn)
            assert (thread is None or thread.due_at is None) == (customer.due is None), "asleep or not"
        assert sum(len(customer.thread) for customer in self.model.customers.values()) == len(
            self.sight.messages
        )
        ledger = {a.id: (a.outcome, a.external_id) for a in self.sight.attempts.values()}
        assert ledger == {a.id: (a.outcome, a.known_as) for a in self.model.attempts.values()}

    def _told(self, row: Row) -> tuple[object, ...]:
        if row.direction == "inbound":
            return row.external_id, row.text, sorted(self.sight.versions.get(row.id, ()))
        return row.id, row.status

    def _listen(self) -> None:
        """Each place in the feed comes after the last one, and each change that can be seen was said."""
        for change in self.world.news(self._place):
            assert change.at > self._place
            self._place = change.at
            self._unsaid.discard(change.subject_id or "")
        assert not self._unsaid or self.world.has_more_news(), "a change that no page hears of"


def _meant(one: Said | Reply) -> tuple[object, ...]:
    return (one.name, one.text, sorted(one.before)) if isinstance(one, Said) else (one.id, one.status)


def _shown(row: Row | None) -> tuple[str, str, str] | None:
    return None if row is None else (row.text, row.status, row.reason)
