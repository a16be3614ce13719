"""Emptying an installation, for the demo: it starts over without being set up again."""

from __future__ import annotations

import sqlalchemy as sa

from bridge.store.engine import Tx
from bridge.store.tables import metadata

# Who answers and through what stays; so does the feed's place, or its readers would wait for ever.
_KEPT = frozenset({"meta", "channels", "agents", "tokens", "duties", "changes"})


async def clear(tx: Tx) -> None:
    """Delete contacts, conversations and all that hangs on them. Files are swept later."""
    for table in reversed(metadata.sorted_tables):
        if table.name not in _KEPT:
            await tx.count(sa.delete(table))


async def is_empty(tx: Tx) -> bool:
    """Whether nobody has ever written."""
    return not await tx.run(sa.select(metadata.tables["contacts"].c.id).limit(1))
