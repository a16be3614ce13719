"""How much chance is given to the machines, and the database that they work on.

`make test` shows them little of it, `make faults` much: each of its rounds begins with another seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.properties.worlds import World


def _so_many(examples: int, steps: int = 50, *, shrinks: bool = True) -> settings:
    """A step may take long where others share the processor: that is no failure.

    A schedule of whole senders takes seconds, and is short: it is shown as it was found.
    """
    phases = [Phase.generate, *([Phase.shrink] if shrinks else [])]
    return settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True, database=None,
        suppress_health_check=[*HealthCheck], phases=phases,
    )  # fmt: skip


# Of the store's functions, and of whole senders.
BRIEF = {"store": _so_many(60, 40), "senders": _so_many(5, shrinks=False)}
FAULTS = {"store": _so_many(60, 60), "senders": _so_many(8, shrinks=False)}


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> dict[str, settings]:
    """Much of it where rounds are asked for (`tests/faults/rounds.py`)."""
    return FAULTS if request.config.getoption("--rounds", default=None) is not None else BRIEF


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A database, and the loop that works on it for all examples of a test."""
    made = World(database_url)
    yield made
    made.close()
