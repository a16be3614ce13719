"""Conversations as the inbox shows them: the list with its filters, and the views of any of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from bridge.store.engine import Row, Statement, Tx
from bridge.store.search import matches
from bridge.store.tables import (
    addresses,
    agents,
    attachments,
    channels,
    contacts,
    conversations,
    messages,
)
from bridge.store.usable import why_not
from bridge.views import ConversationView, Person, Preview, RouteView

# A list row shows one line.
_PREVIEW_LENGTH = 200

STATUSES = ("open", "snoozed", "resolved")

_last = messages.alias("last")
_author = agents.alias("author")
_last_channel = channels.alias("last_channel")

_JOINED = (
    conversations.join(contacts, contacts.c.id == conversations.c.contact_id)
    .outerjoin(agents, agents.c.id == conversations.c.assignee_id)
    .outerjoin(addresses, addresses.c.id == conversations.c.address_id)
    .outerjoin(channels, channels.c.id == addresses.c.channel_id)
    .outerjoin(
        _last,
        sa.and_(_last.c.conversation_id == conversations.c.id, _last.c.seq == conversations.c.last_seq),
    )
    .outerjoin(_author, _author.c.id == _last.c.agent_id)
    .outerjoin(_last_channel, _last_channel.c.id == _last.c.channel_id)
)
# A note travels on no channel: then it is the one that the next reply takes.
_shown_channel: sa.ColumnElement[str] = sa.func.coalesce(_last_channel.c.type, channels.c.type)

_UNSETTLED = (
    sa.select(sa.func.count())
    .where(messages.c.conversation_id == conversations.c.id, messages.c.status == "unknown")
    .scalar_subquery()
)
_FILES = sa.select(sa.func.count()).where(attachments.c.message_id == _last.c.id).scalar_subquery()
_VIEWS = (
    sa.select(
        conversations,
        contacts.c.name.label("contact_name"),
        agents.c.name.label("assignee_name"),
        addresses.c.handle,
        addresses.c.state.label("address_state"),
        addresses.c.consent_at,
        addresses.c.channel_id,
        channels.c.type.label("route_channel"),
        channels.c.state.label("channel_state"),
        _shown_channel.label("channel"),
        _last.c.direction,
        _last.c.kind,
        sa.func.substr(_last.c.text, 1, _PREVIEW_LENGTH).label("text"),
        _last.c.status.label("message_status"),
        _author.c.name.label("author_name"),
        _UNSETTLED.label("unsettled"),
        _FILES.label("files"),
    )
    .select_from(_JOINED)
    .where(conversations.c.id.in_(sa.bindparam("ids", expanding=True)))
)
_ROUTE = Statement(
    """SELECT a.channel_id, a.urn, coalesce(ch.paused_until, 0) > {now} AS paused FROM conversations c
    JOIN addresses a ON a.id = c.address_id JOIN channels ch ON ch.id = a.channel_id WHERE c.id = :id"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which conversations are meant; an empty field means any. `assignee` is an id, or `none`."""

    status: str = ""
    channel: str = ""
    assignee: str = ""
    q: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of the list ended: after this conversation."""

    last_message_at: int
    id: str


@dataclass(frozen=True, slots=True)
class Route:
    """The address that the next reply takes, and whether its channel rests."""

    channel_id: int
    urn: str
    paused: bool


async def views(tx: Tx, ids: Collection[str]) -> dict[str, ConversationView]:
    """The conversations with these ids, one statement for any number; unknown ids are left out."""
    if not ids:
        return {}
    return {row.id: _view(row) for row in await tx.run(_VIEWS, {"ids": list(ids)})}


async def page(
    tx: Tx, wanted: Filter, *, after: Place | None, limit: int
) -> tuple[list[ConversationView], Place | None]:
    """The newest conversations first, and where the next page begins, if there is one."""
    statuses = [wanted.status] if wanted.status else STATUSES
    parts = [_newest(replace(wanted, status=status), after, limit + 1).subquery() for status in statuses]
    newest = sa.union_all(*(sa.select(part) for part in parts))
    rows = await tx.run(newest.order_by(sa.desc("last_message_at"), sa.desc("id")).limit(limit + 1))
    found = await views(tx, [row.id for row in rows[:limit]])
    last = rows[limit - 1] if len(rows) > limit else None
    items = [found[row.id] for row in rows[:limit]]
    return items, Place(last.last_message_at, last.id) if last else None


def _newest(wanted: Filter, after: Place | None, limit: int) -> sa.Select[Any]:
    """The newest of one status: there an index has them in their order."""
    statement = (
        sa.select(conversations.c.id, conversations.c.last_message_at)
        .select_from(_JOINED)
        .where(*_conditions(wanted))
        .order_by(conversations.c.last_message_at.desc(), conversations.c.id.desc())
        .limit(limit)
    )
    if after is None:
        return statement
    keys = sa.tuple_(conversations.c.last_message_at, conversations.c.id)
    return statement.where(
        keys < sa.tuple_(after.last_message_at, sa.literal(after.id, conversations.c.id.type))
    )


async def exists(tx: Tx, conversation_id: str) -> bool:
    """Whether there is such a conversation."""
    return bool(await tx.run(sa.select(conversations.c.id).where(conversations.c.id == conversation_id)))


async def route(tx: Tx, conversation_id: str) -> Route | None:
    """Where the next reply of a conversation goes; none if it has no address."""
    rows = await _ROUTE.run(tx, id=conversation_id)
    return Route(rows[0].channel_id, rows[0].urn, bool(rows[0].paused)) if rows else None


async def counts(tx: Tx, agent_id: str) -> dict[str, int]:
    """How many wait for this agent, for anybody, for all (the open ones), and how many are resolved."""
    of = conversations.c
    rows = await tx.run(
        sa.select(
            of.status,
            sa.func.count().label("number"),
            sa.func.count(of.id).filter(of.assignee_id == agent_id).label("mine"),
            sa.func.count(of.id).filter(of.assignee_id.is_(None)).label("unassigned"),
        ).group_by(of.status)
    )
    by_status: Mapping[str, Any] = {row.status: row for row in rows}
    opened, resolved = by_status.get("open"), by_status.get("resolved")
    return {
        "mine": opened.mine if opened else 0,
        "unassigned": opened.unassigned if opened else 0,
        "all": opened.number if opened else 0,
        "resolved": resolved.number if resolved else 0,
    }


def _conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.status:
        found.append(conversations.c.status == wanted.status)
    if wanted.channel:
        found.append(_shown_channel == wanted.channel)
    if wanted.assignee == "none":
        found.append(conversations.c.assignee_id.is_(None))
    elif wanted.assignee:
        found.append(conversations.c.assignee_id == wanted.assignee)
    return found + matches(wanted.q)


def _view(row: Row) -> ConversationView:
    # People without a name are known by their number, as long as they have not told it.
    return ConversationView(
        id=row.id,
        contact=Person(id=row.contact_id, name=row.contact_name or row.handle or ""),
        status=row.status,
        assignee=Person(id=row.assignee_id, name=row.assignee_name) if row.assignee_id else None,
        channel=row.channel,
        route=_route(row),
        unread=row.unread,
        unsettled=row.unsettled,
        last_seq=row.last_seq,
        last_message=_preview(row),
        last_message_at=row.last_message_at,
        waiting_since=row.waiting_since,
        created_at=row.created_at,
    )


def _route(row: Row) -> RouteView | None:
    if row.address_id is None:
        return None
    blocked = why_not(state=row.address_state, consent_at=row.consent_at, channel_state=row.channel_state)
    return RouteView(
        address_id=row.address_id, channel=row.route_channel, channel_id=row.channel_id,
        handle=row.handle, blocked=blocked,
    )  # fmt: skip


def _preview(row: Row) -> Preview | None:
    if row.direction is None:
        return None
    return Preview(
        seq=row.last_seq, direction=row.direction, kind=row.kind, text=row.text,
        status=row.message_status, author=row.author_name or "", attachments=row.files,
    )  # fmt: skip
