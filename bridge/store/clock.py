"""The database's clock, by which lanes, channels and files wait.

Set back, it would have them wait for as long again: so everything that waits is moved with it.
"""

from __future__ import annotations

from bridge.store.engine import Statement, Tx

# Less than this is a clock that is slowed down, or two servers that took turns.
_JUMP_MS = 1_000

_FIRST = Statement("INSERT INTO meta (key, value) VALUES ('clock', '0') ON CONFLICT DO NOTHING")
# One node looks at a time; a second one has nothing to add.
_BACK = Statement("SELECT CAST(value AS bigint) - {now} AS ms FROM meta WHERE key = 'clock' {skip}")
_NOTE = Statement("UPDATE meta SET value = CAST({now} AS text) WHERE key = 'clock'")
_WAITING = [
    Statement(f"UPDATE {table} SET {column} = {column} - CAST(:ms AS bigint) WHERE {column} > {{now}}")
    for table, column in (("lanes", "due_at"), ("channels", "paused_until"), ("attachments", "due_at"))
]


async def watch(tx: Tx) -> int:
    """Note the time; by how many ms it went back since it was last noted, all that waits being moved so."""
    await tx.count(_FIRST.text(tx.engine), {})
    found = await _BACK.run(tx)
    if not found:
        return 0
    back = max(int(found[0].ms), 0)
    if back > _JUMP_MS:
        for waiting in _WAITING:
            await tx.count(waiting.text(tx.engine), {"ms": back})
    await tx.count(_NOTE.text(tx.engine), {})
    return back if back > _JUMP_MS else 0
