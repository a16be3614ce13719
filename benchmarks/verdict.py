"""Everything that was promised to customers and agents, looked for in the database and at the vendor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise

import sqlalchemy as sa

from benchmarks.table import Table
from benchmarks.world import Chat
from bridge.store.engine import Database

_AT_ONCE = 200
# What is said of a reply that has not arrived.
_REFUSED = ("rejected", "failed", "expired")
VIOLATIONS = (
    "acknowledged messages lost", "messages doubled", "messages out of order", "replies lost",
    "replies doubled at the vendor", "replies out of order at the vendor", "outcomes that are wrong",
    "replies that never ended",
)  # fmt: skip
_MESSAGES = sa.text(
    """SELECT conversation_id, seq, direction, text, status FROM messages
    WHERE conversation_id IN :threads ORDER BY conversation_id, seq"""
).bindparams(sa.bindparam("threads", expanding=True))


async def look(database: Database, chats: Sequence[Chat]) -> Counter[str]:
    """How often something is not as it was promised, and how many replies are in each state."""
    found: Counter[str] = Counter()
    for begin in range(0, len(chats), _AT_ONCE):
        await _compare(database, chats[begin : begin + _AT_ONCE], found)
    return found


def show(table: Table, found: Counter[str]) -> None:
    """Rows of a name, a count and a target."""
    for name in ("sent", "unknown", "rejected"):
        table.add(f"replies that are {name}", f"{found[name]:,}", "")
    for name in VIOLATIONS:
        table.add(name, f"{found[name]:,}", "0")


async def _compare(database: Database, chats: Sequence[Chat], found: Counter[str]) -> None:
    """Compare some threads with what was promised, and with what arrived."""
    by_thread = {chat.thread: chat for chat in chats}
    rows = await database.read(lambda tx: tx.run(_MESSAGES, {"threads": [*by_thread]}))
    for thread, entries in groupby(rows, key=lambda row: row.conversation_id):
        chat, messages = by_thread.pop(thread), list(entries)
        assert [row.seq for row in messages] == list(range(1, len(messages) + 1)), thread
        heard = [int(row.text) for row in messages if row.direction == "inbound"]
        said = {int(row.text): row.status for row in messages if row.direction == "outbound"}
        _judge(chat, heard, said, found)
    assert not by_thread, "a whole thread is missing"


def _judge(chat: Chat, heard: Sequence[int], said: dict[int, str], found: Counter[str]) -> None:
    lost, doubled, disordered = VIOLATIONS[:3]
    found[lost] += len(set(range(chat.written)) - set(heard))
    found[doubled] += len(heard) - len(set(heard))
    found[disordered] += sum(later <= earlier for earlier, later in pairwise(heard))
    lost, doubled, disordered, wrong, silent = VIOLATIONS[3:]
    arrived = set(chat.arrived)
    found[lost] += len(set(range(chat.answered)) - said.keys())
    found[doubled] += len(chat.arrived) - len(arrived)
    found[disordered] += sum(later < earlier for earlier, later in pairwise(chat.arrived))
    found[wrong] += sum(
        (status == "sent" and text not in arrived) or (status in _REFUSED and text in arrived)
        for text, status in said.items()
    )
    found[silent] += sum(status in ("queued", "sending") for status in said.values())
    found.update(said.values())
