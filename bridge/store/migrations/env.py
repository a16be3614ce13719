"""Alembic's entry: the connection comes from `bridge.store.schema`."""

from __future__ import annotations

from alembic import context

from bridge.store.tables import metadata

connection = context.config.attributes["connection"]
if not connection.in_transaction():
    connection.begin()  # it is in one, which Alembic would end if SQLAlchemy knew of none
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite changes a table by making it anew.
    render_as_batch=connection.dialect.name == "sqlite",
    # `changes.xid` exists on PostgreSQL only.
    include_object=lambda _object, name, kind, _reflected, _to: (
        (kind, name) != ("column", "xid") and name != "changes_xid"
    ),
)
with context.begin_transaction():
    context.run_migrations()
