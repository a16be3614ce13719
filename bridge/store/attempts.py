"""The ledger of sends: an attempt is written before the call, its outcome always after it.

A stale owner can start nothing; an outcome is evidence and is recorded whoever brings it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bridge.ids import now_ms
from bridge.models import AddressState, Outcome
from bridge.store import channels, lanes, standings
from bridge.store.changes_log import note_changes
from bridge.store.engine import Batch, Statement, Tx
from bridge.store.receipts import hold_names, settle_status
from bridge.store.standings import Verdict
from bridge.store.writer import ranked
from bridge.text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A wish to try one part of a message now, under a duty's epoch."""

    id: str
    message_id: str
    part: int
    channel_id: int
    duty: str
    epoch: int
    lease: int


@dataclass(frozen=True, slots=True)
class Question:
    """An attempt of which nobody knows what became, begun at `started_at` (Unix ms)."""

    id: str
    message_id: str
    part: int
    started_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What came of an attempt, and what follows for its message, its lane, its address and its channel.

    `status` is the message's new state, `wait` how long in ms the lane rests, `pause` the channel.
    `closes` and `moved_to` are what the vendor said of the address. Without an `id` no call was made:
    the message is only brought to its end.
    """

    id: str = ""
    message_id: str
    conversation_id: str
    status: Literal["queued", "sending", "sent", "rejected", "expired", "unknown"]
    outcome: Outcome = "rejected"
    external_id: str = ""
    reason: str = ""
    wait: int = 0
    channel_id: int = 0
    pause: int = 0
    address_id: str = ""
    closes: AddressState | None = None
    moved_to: str = ""

    def __post_init__(self) -> None:
        for name in ("external_id", "reason", "moved_to"):  # as the vendor says it
            object.__setattr__(self, name, clean(getattr(self, name)))


# The fence: a stale epoch matches no row, and a matching one is extended by the same statement.
_FENCE = Batch(
    """UPDATE duties SET until = {now} + r.lease FROM {rows}
    WHERE duties.name = r.duty AND duties.epoch = r.epoch RETURNING duties.name, duties.epoch""",
    duty="text", epoch="int", lease="bigint",
)  # fmt: skip
# Between the claim and this the sender may have rested for long: the customer's last word counts,
# and so does what another owner did meanwhile. No part leaves that is there or on its way.
_SENDING = Batch(
    """UPDATE messages SET status = 'sending', reason = '' FROM {rows}
    WHERE messages.id = r.message_id AND messages.status IN ('queued', 'sending')
        AND messages.deadline_at >= {now}
        AND EXISTS (SELECT 1 FROM addresses a WHERE a.id = messages.address_id
            AND a.state = 'open' AND a.consent_at IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM attempts t WHERE t.message_id = messages.id AND t.part = r.part
            AND (t.outcome IS NULL OR t.outcome = 'accepted'))
    RETURNING messages.id, messages.conversation_id""",
    message_id="uuid", part="int",
)  # fmt: skip
_START = Batch(
    """INSERT INTO attempts (id, message_id, part, channel_id, epoch, started_at)
    SELECT id, message_id, part, channel_id, epoch, CAST(:now AS bigint) FROM {rows}""",
    id="uuid", message_id="uuid", part="int", channel_id="int", epoch="int",
)  # fmt: skip
_OUTCOME = Batch(
    """UPDATE attempts SET outcome = r.outcome, reason = r.reason, ended_at = CAST(:now AS bigint),
        external_id = coalesce(r.external_id, attempts.external_id)
    FROM {rows} WHERE attempts.id = r.id AND (attempts.outcome IS NULL
        OR (attempts.outcome = 'unknown' AND r.outcome <> 'unknown')) RETURNING attempts.id""",
    id="uuid", outcome="text", external_id="text", reason="text",
)  # fmt: skip
# Who comes late, after another owner's attempt, can still say that the message is there; nothing else.
_STATUS = Batch(
    """UPDATE messages SET status = r.status, reason = r.reason,
        tries = messages.tries + CASE WHEN r.status IN ('queued', 'unknown') THEN 1 ELSE 0 END
    FROM {rows} WHERE messages.id = r.message_id AND messages.status IN ('queued', 'sending', 'unknown')
        AND (r.status IN ('sending', 'sent') OR NOT EXISTS (SELECT 1 FROM attempts mine
            JOIN attempts other ON other.message_id = mine.message_id AND other.epoch > mine.epoch
            WHERE mine.id = r.attempt))
    RETURNING messages.id, messages.conversation_id""",
    attempt="uuid", message_id="uuid", status="text", reason="text",
)  # fmt: skip
# A lane goes on with its next message at once, rests when told to, and sleeps when nothing waits.
_LANE = Batch(
    """UPDATE lanes SET
        due_at = CASE WHEN r.wait > 0 THEN {now} + r.wait
            WHEN EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = lanes.conversation_id
                AND m.status IN ('queued', 'sending')) THEN {now} END,
        channel_id = coalesce((SELECT m.channel_id FROM messages m
            WHERE m.conversation_id = lanes.conversation_id AND m.status IN ('queued', 'sending')
            ORDER BY m.seq LIMIT 1), lanes.channel_id)
    FROM {rows} WHERE lanes.conversation_id = r.conversation_id""",
    conversation_id="uuid", wait="bigint",
)  # fmt: skip
_KNOWN = Statement(
    "SELECT 1 FROM attempts WHERE channel_id = :channel_id AND external_id = :external_id AND id <> :id"
)
# What is unknown for longer is an agent's to settle.
_ASKED_FOR_MS = 3600 * 1000
_QUESTIONS = Statement(
    # Of messages there are few such; SQLite begins with the table that a CROSS JOIN names first.
    """SELECT a.id, a.message_id, a.part, a.started_at FROM messages m CROSS JOIN attempts a
    WHERE m.status = 'unknown' AND a.message_id = m.id AND a.outcome = 'unknown'
        AND a.channel_id = :channel_id AND a.started_at > CAST(:since AS bigint)"""
)
_ABANDONED = Statement(
    """UPDATE attempts SET outcome = 'unknown', reason = 'interrupted', ended_at = {now}
    WHERE channel_id = :channel_id AND outcome IS NULL AND epoch < :epoch
    RETURNING id, message_id"""
)


# Nobody sends on a channel that is not configured any more, and so nobody would say it.
_STRANDED = Statement(
    """UPDATE messages SET status = CASE WHEN status = 'sending' THEN 'unknown' ELSE 'expired' END,
        reason = 'channel_off'
    WHERE status IN ('queued', 'sending') AND deadline_at < {now}
        AND channel_id IN (SELECT id FROM channels WHERE state = 'off')
    RETURNING id, conversation_id"""
)

_STRANDED_LANES = Statement(
    """SELECT conversation_id FROM lanes
    WHERE due_at IS NOT NULL AND channel_id IN (SELECT id FROM channels WHERE state = 'off')"""
)


@ranked(3, "sends")
async def start(tx: Tx, starts: Sequence[Start]) -> list[bool]:
    """Write down attempts before their calls; `False` for one that may not be made (any more)."""
    now = now_ms()
    duties = {(s.duty, s.epoch): s.lease for s in starts}
    rows = [{"duty": name, "epoch": epoch, "lease": duties[name, epoch]} for name, epoch in sorted(duties)]
    held = {(row.name, row.epoch) for row in await _FENCE.run_all(tx, rows)}
    allowed = sorted((s for s in starts if (s.duty, s.epoch) in held), key=lambda s: s.message_id)
    sending = await _SENDING.run_all(tx, [{"message_id": s.message_id, "part": s.part} for s in allowed])
    where = {row.id: row.conversation_id for row in sending}
    made = [s for s in allowed if s.message_id in where]
    await _START.run_all(
        tx,
        [{"id": s.id, "message_id": s.message_id, "part": s.part, "channel_id": s.channel_id,
          "epoch": s.epoch} for s in made],
        now=now,
    )  # fmt: skip
    await note_changes(tx, [("message", where[s.message_id], s.message_id) for s in made if s.part == 0], now)
    started = {s.id for s in made}
    return [s.id in started for s in starts]


@ranked(4, "sends")
async def finish(tx: Tx, finishes: Sequence[Finish]) -> list[None]:
    """Record outcomes, forward only, and let all that hangs on them follow."""
    now = now_ms()
    await _learn(tx, finishes, now)
    calls = sorted((f for f in finishes if f.id), key=lambda f: f.id)
    await hold_names(tx, (f.external_id for f in calls if f.external_id))
    recorded = await _OUTCOME.run_all(
        tx,
        [{"id": f.id, "outcome": f.outcome, "external_id": f.external_id or None, "reason": f.reason}
         for f in calls],
        now=now,
    )  # fmt: skip
    new = {row.id for row in recorded}
    ends = sorted((f for f in finishes if not f.id or f.id in new), key=lambda f: f.message_id)
    changed = await _STATUS.run_all(
        tx,
        [{"attempt": f.id or None, "message_id": f.message_id, "status": f.status, "reason": f.reason}
         for f in ends],
    )  # fmt: skip
    await settle_status(tx, [f.message_id for f in ends if f.status == "sent"], now)
    await _move_lanes(tx, {f.conversation_id: f.wait for f in ends})
    await note_changes(tx, [("message", row.conversation_id, row.id) for row in changed], now)
    return [None] * len(finishes)


async def _learn(tx: Tx, finishes: Sequence[Finish], now: int) -> None:
    """What the vendor said of addresses and of the channel."""
    closed = sorted((f for f in finishes if f.closes), key=lambda f: f.address_id)
    await standings.apply(tx, [Verdict(f.address_id, f.closes, f.reason) for f in closed if f.closes], now)
    for finish in finishes:
        if finish.moved_to:
            await standings.move(tx, finish.address_id, finish.moved_to)
        if finish.pause:
            await channels.pause(tx, finish.channel_id, finish.pause)


async def is_taken(tx: Tx, channel_id: int, external_id: str, attempt_id: str) -> bool:
    """Whether another attempt made the message that the vendor calls so."""
    return bool(await _KNOWN.run(tx, channel_id=channel_id, external_id=external_id, id=attempt_id))


async def questions(tx: Tx, channel_id: int) -> list[Question]:
    """The recent attempts of this channel of which nobody knows what became."""
    rows = await _QUESTIONS.run(tx, channel_id=channel_id, since=now_ms() - _ASKED_FOR_MS)
    return [Question(row.id, row.message_id, row.part, row.started_at) for row in rows]


async def abandoned(tx: Tx, channel_id: int, epoch: int, wait: int) -> int:
    """Attempts that an earlier owner of this channel left without an outcome become `unknown`.

    Their lanes rest for `wait` ms. Returns how many there were.
    """
    rows = await _ABANDONED.run(tx, channel_id=channel_id, epoch=epoch)
    now = now_ms()
    changed = await _STATUS.run_all(
        tx,
        [{"attempt": row.id, "message_id": row.message_id, "status": "unknown", "reason": "interrupted"}
         for row in sorted(rows, key=lambda row: row.message_id)],
    )  # fmt: skip
    await _move_lanes(tx, {row.conversation_id: wait for row in changed})
    await note_changes(tx, [("message", row.conversation_id, row.id) for row in changed], now)
    return len(rows)


async def end_stranded(tx: Tx) -> None:
    """Bring replies to an end whose channel is off, once their time is over; what follows them goes on."""
    ended = await _STRANDED.run(tx)
    await note_changes(tx, [("message", row.conversation_id, row.id) for row in ended], now_ms())
    await lanes.tidy(tx, [row.conversation_id for row in await _STRANDED_LANES.run(tx)])


async def _move_lanes(tx: Tx, waits: Mapping[str, int]) -> None:
    """Let each lane rest for so many ms, or go on with what waits in it."""
    await lanes.LOCK.take(tx, waits)
    await _LANE.run_all(tx, [{"conversation_id": c, "wait": waits[c]} for c in sorted(waits)])
