"""Finding conversations by words: the same rows on both engines.

Every word must occur in the contact's name, in one of the addresses, or in one of the messages;
A to Z match in either case, all other characters as they are written.
"""

from __future__ import annotations

import string
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from bridge.store.tables import addresses, contacts, conversations, messages

_MOST_WORDS = 8
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class _Holds(FunctionElement[bool]):
    """Whether a text contains another, which is in lower case already."""

    type = sa.Boolean()
    inherit_cache = True


# `lower` knows only ASCII in SQLite, and in PostgreSQL with the collation "C".
@compiles(_Holds, "sqlite")
def _holds_sqlite(element: _Holds, compiler: Any, **more: Any) -> str:
    text, part = (compiler.process(clause, **more) for clause in element.clauses)
    return f"instr(lower({text}), {part}) > 0"


@compiles(_Holds, "postgresql")
def _holds_postgresql(element: _Holds, compiler: Any, **more: Any) -> str:
    text, part = (compiler.process(clause, **more) for clause in element.clauses)
    return f'strpos(lower({text} COLLATE "C"), {part}) > 0'


def matches(q: str) -> list[sa.ColumnElement[bool]]:
    """The conditions on a conversation (joined with its contact) that the words of `q` make."""
    words = q.translate(_LOWER).split()
    return [_somewhere(word) for word in words[:_MOST_WORDS]]


def _somewhere(word: str) -> sa.ColumnElement[bool]:
    part = sa.literal(word)
    in_address = sa.exists().where(
        addresses.c.contact_id == contacts.c.id,
        sa.or_(_Holds(addresses.c.handle, part), _Holds(addresses.c.urn, part)),
    )
    in_message = sa.exists().where(
        messages.c.conversation_id == conversations.c.id, _Holds(messages.c.text, part)
    )
    return sa.or_(
        _Holds(contacts.c.name, part), in_address.correlate(contacts), in_message.correlate(conversations)
    )
