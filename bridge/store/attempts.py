"""The ledger of sends: an attempt is written before the call, its outcome always after it.

A stale owner can start nothing; an outcome is evidence and is recorded whoever brings it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bridge.ids import now_ms
from bridge.models import AddressState, Outcome
from bridge.store import channels, lanes, standings
from bridge.store.changes_log import messages_changed, note_changes
from bridge.store.deadlines import DEADLINE
from bridge.store.engine import Statement, Tx
from bridge.store.procedure import Hold, HoldNames, Once, Procedure, SkipIf
from bridge.store.receipts import SETTLE
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


@dataclass(frozen=True, slots=True)
class Question:
    """An attempt of which nobody knows what became, begun at `started_at` (Unix ms, by this node's clock)."""

    id: str
    message_id: str
    part: int
    started_at: int


@dataclass(frozen=True, slots=True)
class Forsaken:
    """An attempt that has had no outcome for long."""

    id: str
    message_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What came of an attempt, and what follows for its message, its lane, its address and its channel.

    `status` is the message's new state, `wait` how long in ms the lane rests, `pause` the channel.
    `closes` and `moved_to` are what the vendor said of the address. Without an `id` no call was made:
    the message is only brought to its end, by who has the `duty` in this `epoch`. `looked_up`: the vendor's
    answer was lost, and it was asked again.
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
    duty: str = ""
    epoch: int = 0
    looked_up: bool = False

    def __post_init__(self) -> None:
        for name in ("external_id", "reason", "moved_to"):  # as the vendor says it
            object.__setattr__(self, name, clean(getattr(self, name)))


_MESSAGES = Hold("JOIN messages t ON t.id = r.message_id", by="t.id")
LANES_HELD = Hold("JOIN lanes t ON t.conversation_id = r.conversation_id", by="t.conversation_id")
# Whether one that never left may still go, and whether the next one may, is decided one after the other.
_LANES_OF = Hold(
    "JOIN messages m ON m.id = r.message_id JOIN lanes t ON t.conversation_id = m.conversation_id",
    by="t.conversation_id",
)

# The fence: a stale epoch matches no row, and nobody takes the duty over before this is committed.
FENCE = Hold("JOIN duties t ON t.name = r.duty AND t.epoch = r.epoch", by="t.name", shared=True)
# An administrator has a channel treated as down: nothing leaves there, as of their word.
IS_SWITCHED_OFF = """EXISTS (SELECT 1 FROM health h
        WHERE h.channel_id = {channel} AND h.direction = 'out' AND h.switch = 'down')"""
# Between the claim and this the sender may have rested for long: the customer's last word counts,
# and so does what another owner did meanwhile. No part leaves that is there or on its way, none before
# what was written before it, and none from a lane or on a channel that rests.
_ATTEMPTS = Once(
    f"""INSERT INTO attempts (id, message_id, part, channel_id, epoch, started_at)
    SELECT r.id, r.message_id, r.part, r.channel_id, r.epoch, {{now}} FROM {{rows}}
    JOIN duties d ON d.name = r.duty AND d.epoch = r.epoch
    JOIN messages m ON m.id = r.message_id AND m.status IN ('queued', 'sending')
    JOIN addresses a ON a.id = m.address_id AND a.state = 'open' AND a.consent_at IS NOT NULL
    WHERE {DEADLINE} >= {{now}}
    AND NOT EXISTS (SELECT 1 FROM attempts t WHERE t.message_id = r.message_id AND t.part = r.part
        AND (t.outcome IS NULL OR t.outcome = 'accepted'))
    AND NOT EXISTS (SELECT 1 FROM messages e WHERE e.conversation_id = m.conversation_id
        AND e.status IN ('queued', 'sending') AND e.seq < m.seq)
    AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.conversation_id = m.conversation_id AND l.due_at > {{now}})
    AND NOT EXISTS (SELECT 1 FROM channels p WHERE p.id = r.channel_id AND p.paused_until > {{now}})
    AND NOT {IS_SWITCHED_OFF.format(channel="r.channel_id")}"""
)
_SENDING = Once(
    """UPDATE messages SET status = 'sending', reason = '' FROM {rows} JOIN attempts a ON a.id = r.id
    WHERE messages.id = r.message_id"""
)
_START = Procedure(
    "start", _MESSAGES, _LANES_OF, FENCE, _ATTEMPTS,
    messages_changed(  # one that has been `sending` since its first part stays so
        "{rows} JOIN attempts a ON a.id = r.id JOIN messages m ON m.id = r.message_id AND m.status = 'queued'"
    ),
    _SENDING,
    found="id", query="SELECT a.id FROM {rows} JOIN attempts a ON a.id = r.id",
    id="uuid", message_id="uuid", part="int", channel_id="int", duty="text", epoch="int",
)  # fmt: skip

# What is found by the number and the words may be another's: who has its id already, or is on its way to
# the same customer and will be told it.
_IS_ITS_OWN = """NOT EXISTS (SELECT 1 FROM attempts o WHERE o.channel_id = attempts.channel_id
        AND o.external_id = new.external_id AND o.id <> new.id)
    AND NOT EXISTS (SELECT 1 FROM attempts o JOIN messages m ON m.id = o.message_id
        JOIN messages mine ON mine.id = new.message_id AND mine.address_id = m.address_id
        WHERE o.channel_id = attempts.channel_id AND o.outcome IS NULL)"""
_OUTCOME = f"""UPDATE attempts SET outcome = new.outcome, reason = new.reason, ended_at = {{now}},
        external_id = coalesce(new.external_id, external_id)
    WHERE id = new.id AND (outcome IS NULL OR outcome = 'unknown' AND new.outcome <> 'unknown'
        OR outcome = 'accepted' AND external_id IS NULL AND new.outcome = 'accepted')
        AND (new.looked_up = 0 OR {_IS_ITS_OWN})"""
_NO_NEWS = SkipIf("new.id IS NOT NULL AND NOT {touched}")
# To end a message without a call is a decision, and only of who has the duty. An outcome is evidence.
_STALE = SkipIf(
    "new.id IS NULL AND NOT EXISTS (SELECT 1 FROM duties d WHERE d.name = new.duty AND d.epoch = new.epoch)"
)
# Who comes late, after another owner's attempt, can still say that the message is there; nothing else.
# What may have arrived comes to its end only by what became of it.
# One that never left, as is known only now, goes out by itself if nothing has gone out after it.
_OVERTAKEN = """new.status = 'queued' AND messages.status = 'unknown' AND EXISTS (SELECT 1 FROM messages l
        JOIN attempts t ON t.message_id = l.id
        WHERE l.conversation_id = messages.conversation_id AND l.seq > messages.seq)"""
_STATE = f"""UPDATE messages SET status = CASE WHEN {_OVERTAKEN} THEN 'rejected' ELSE new.status END,
        reason = CASE WHEN {_OVERTAKEN} THEN 'overtaken by a later reply' ELSE new.reason END,
        tries = tries + CASE WHEN new.status IN ('queued', 'unknown') THEN 1 ELSE 0 END
    WHERE id = new.message_id
        AND (status IN ('queued', 'sending') OR status = 'unknown' AND new.id IS NOT NULL)
        AND (new.status IN ('sending', 'sent') OR NOT EXISTS (SELECT 1 FROM attempts mine
            JOIN attempts other ON other.message_id = mine.message_id AND other.epoch > mine.epoch
            WHERE mine.id = new.id))"""
_CHANGED = messages_changed("{rows} JOIN messages m ON m.id = r.message_id WHERE m.status = r.status")
# A late word may leave the status as it is, and let a receipt that has waited for it change that.
_ENDED = messages_changed("{rows} JOIN messages m ON m.id = r.message_id")
# Whether the lane has gone on to a later message since this one was tried, and rests for its sake (ADR 26).
WENT_ON = """EXISTS (SELECT 1 FROM messages e JOIN messages l ON l.conversation_id = e.conversation_id
        AND l.seq > e.seq AND l.status IN ('queued', 'sending', 'unknown')
    JOIN attempts t ON t.message_id = l.id AND t.started_at >=
        (SELECT coalesce(max(o.started_at), 0) FROM attempts o WHERE o.message_id = e.id)
    WHERE e.id = {message})"""
# A lane goes on with its next message at once, rests when told to, and sleeps when nothing waits.
_MOVE = f"""UPDATE lanes SET
        due_at = CASE WHEN due_at IS NOT NULL AND {WENT_ON.format(message="new.message_id")} THEN due_at
            WHEN new.wait > 0 THEN {{now}} + new.wait
            WHEN EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = lanes.conversation_id
                AND m.status IN ('queued', 'sending')) THEN {{now}} END,
        channel_id = coalesce((SELECT m.channel_id FROM messages m
            WHERE m.conversation_id = lanes.conversation_id AND m.status IN ('queued', 'sending')
            ORDER BY m.seq LIMIT 1), lanes.channel_id)
    WHERE conversation_id = new.conversation_id"""
_FINISH = Procedure(
    "finish", HoldNames("external_id"), _MESSAGES, LANES_HELD, FENCE, _STALE, _OUTCOME, _NO_NEWS, _STATE,
    SkipIf("NOT {touched}"), _MOVE, _ENDED, SETTLE,  # receipts may have come before the answer
    found="conversation_id",
    query="""SELECT r.conversation_id FROM {rows} JOIN lanes l ON l.conversation_id = r.conversation_id
        WHERE l.due_at IS NOT NULL""",
    id="uuid", message_id="uuid", conversation_id="uuid", outcome="text", external_id="text", reason="text",
    status="text", wait="bigint", duty="text", epoch="int", looked_up="int",
)  # fmt: skip

# What an earlier owner left open.
_LEAVE = Procedure(
    "leave", _MESSAGES, LANES_HELD, _STATE, SkipIf("NOT {touched}"), _MOVE, _CHANGED,
    id="uuid", message_id="uuid", conversation_id="uuid", status="text", reason="text", wait="bigint",
)  # fmt: skip

_IS_ACCEPTED = Statement("SELECT 1 FROM attempts WHERE id = :id AND outcome = 'accepted'")
# What is unknown for longer is an agent's to settle.
ASKED_FOR_MS = 3600 * 1000
_QUESTIONS = Statement(
    # Of messages there are few such; SQLite begins with the table that a CROSS JOIN names first.
    """SELECT a.id, a.message_id, a.part, {now} - a.started_at AS age FROM messages m CROSS JOIN attempts a
    WHERE m.status = 'unknown' AND a.message_id = m.id AND a.outcome = 'unknown'
        AND a.channel_id = :channel_id AND a.started_at > {now} - CAST(:within AS bigint)"""
)
_FORSAKEN = Statement(
    """SELECT a.id, a.message_id, m.conversation_id FROM attempts a JOIN messages m ON m.id = a.message_id
    WHERE a.channel_id = :channel_id AND a.outcome IS NULL AND a.started_at < {now} - CAST(:age AS bigint)"""
)
_ABANDONED = Statement(
    """UPDATE attempts SET outcome = 'unknown', reason = 'interrupted', ended_at = {now}
    WHERE channel_id = :channel_id AND outcome IS NULL AND epoch < :epoch
    RETURNING id, message_id, (SELECT m.conversation_id FROM messages m WHERE m.id = attempts.message_id)
        AS conversation_id"""
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
    parts: dict[tuple[str, int], str] = {}
    rows = [
        {"id": s.id, "message_id": s.message_id, "part": s.part, "channel_id": s.channel_id, "duty": s.duty,
         "epoch": s.epoch}
        for s in sorted(starts, key=lambda s: (s.message_id, s.part))
        if parts.setdefault((s.message_id, s.part), s.id) == s.id
    ]  # fmt: skip
    started = {found.id for found in await _START.call(tx, rows, now_ms())}
    return [s.id in started for s in starts]


@ranked(4, "sends")
async def finish(tx: Tx, finishes: Sequence[Finish]) -> list[bool]:
    """Record outcomes, forward only, and let all that hangs on them follow.

    Says of each whether its lane goes on, now or later.
    """
    now = now_ms()
    if any(f.closes or f.moved_to or f.pause for f in finishes):
        await tx.begin()
        await _learn(tx, finishes, now)
    rows = [
        {"id": f.id or None, "message_id": f.message_id, "conversation_id": f.conversation_id,
         "outcome": f.outcome, "external_id": f.external_id or None, "reason": f.reason,
         "status": f.status, "wait": f.wait, "duty": f.duty or None, "epoch": f.epoch,
         "looked_up": int(f.looked_up)}
        for f in sorted(finishes, key=lambda f: (f.message_id, f.id))
    ]  # fmt: skip
    going_on = {found.conversation_id for found in await _FINISH.call(tx, rows, now)}
    return [finish.conversation_id in going_on for finish in finishes]


async def _learn(tx: Tx, finishes: Sequence[Finish], now: int) -> None:
    """What the vendor said of addresses and of the channel."""
    closed = sorted((f for f in finishes if f.closes), key=lambda f: f.address_id)
    await standings.apply(tx, [Verdict(f.address_id, f.closes, f.reason) for f in closed if f.closes], now)
    for finish in finishes:
        if finish.moved_to:
            await standings.move(tx, finish.address_id, finish.moved_to)
        if finish.pause:
            await channels.pause(tx, finish.channel_id, finish.pause)


async def is_accepted(tx: Tx, attempt_id: str) -> bool:
    """Whether an attempt is known to have arrived at the vendor."""
    return bool(await _IS_ACCEPTED.run(tx, id=attempt_id))


async def questions(tx: Tx, channel_id: int) -> list[Question]:
    """The recent attempts of this channel of which nobody knows what became."""
    rows = await _QUESTIONS.run(tx, channel_id=channel_id, within=ASKED_FOR_MS)
    now = now_ms()
    return [Question(row.id, row.message_id, row.part, now - row.age) for row in rows]


async def forsaken(tx: Tx, channel_id: int, age: int) -> list[Forsaken]:
    """The attempts on a channel that have been without an outcome for more than `age` ms."""
    return [Forsaken(*row) for row in await _FORSAKEN.run(tx, channel_id=channel_id, age=age)]


async def abandoned(tx: Tx, channel_id: int, epoch: int, wait: int) -> int:
    """Attempts that an earlier owner of this channel left without an outcome become `unknown`.

    Their lanes rest for `wait` ms. Returns how many there were.
    """
    left = await _ABANDONED.run(tx, channel_id=channel_id, epoch=epoch)
    rows = [
        {"id": row.id, "message_id": row.message_id, "conversation_id": row.conversation_id,
         "status": "unknown", "reason": "interrupted", "wait": wait}
        for row in sorted(left, key=lambda row: row.message_id)
    ]  # fmt: skip
    await _LEAVE.call(tx, rows, now_ms())
    return len(left)


async def end_stranded(tx: Tx) -> None:
    """Bring replies to an end whose channel is off, once their time is over; what follows them goes on."""
    ended = await _STRANDED.run(tx)
    await note_changes(tx, [("message", row.conversation_id, row.id) for row in ended], now_ms())
    await lanes.tidy(tx, [row.conversation_id for row in await _STRANDED_LANES.run(tx)])
