"""Migrations expand first and contract later, so that the version before works on the newer schema."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from bridge.store import schema
from bridge.store.engine import Database, connect

pytestmark = pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")

SCRIPTS = ScriptDirectory.from_config(schema.config())
REVISIONS = [script.revision for script in SCRIPTS.walk_revisions()][::-1]


def test_every_migration_says_what_works_with_it() -> None:
    """An older process must know whether it may start: a version once left behind stays behind."""
    oldest = [REVISIONS.index(schema.works_with(revision)) for revision in REVISIONS]
    assert oldest == sorted(oldest)
    assert all(old <= own for own, old in enumerate(oldest))


@pytest.mark.parametrize("revision", REVISIONS)
async def test_older_code_finds_what_it_knows(empty_database_url: str, revision: str) -> None:
    """It reads and writes as before. A file's `drops` are what its code had given up already."""
    database = connect(empty_database_url)
    before = await migrated(database, schema.works_with(revision))
    after = await migrated(database, revision)
    script = SCRIPTS.get_revision(revision)
    assert script is not None
    assert lost(before, after) == set(getattr(script.module, "drops", ()))
    await database.close()


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("CREATE TABLE moods (id integer PRIMARY KEY)", set()),
        ("ALTER TABLE contacts ADD COLUMN mood text", set()),
        ("ALTER TABLE contacts ADD COLUMN mood text NOT NULL DEFAULT ''", set()),
        ("CREATE INDEX contacts_name ON contacts (name)", set()),
        ("DROP TABLE versions", {"versions"}),
        ("ALTER TABLE contacts DROP COLUMN name", {"contacts.name"}),
        ("ALTER TABLE contacts RENAME COLUMN name TO called", {"contacts.name"}),
        ("CREATE UNIQUE INDEX contacts_name ON contacts (name)", {"contacts: unique (name)"}),
    ],
)
async def test_what_older_code_would_miss_is_seen(
    empty_database_url: str, change: str, wanted: set[str]
) -> None:
    """The judge of the migrations to come, tried on what they might do."""
    assert await lost_by(empty_database_url, change) == wanted


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("ALTER TABLE messages ALTER COLUMN client_id SET NOT NULL", {"messages.client_id must be given"}),
        ("ALTER TABLE contacts ALTER COLUMN name DROP DEFAULT", {"contacts.name must be given"}),
        ("ALTER TABLE contacts ALTER COLUMN name TYPE varchar(10)", {"contacts.name: VARCHAR(10)"}),
        ("ALTER TABLE contacts ADD COLUMN mood text NOT NULL", {"contacts.mood must be given"}),
        ("ALTER TABLE contacts ADD CHECK (name <> '')", {"contacts: check (name <> ''::text)"}),
        ("ALTER TABLE lanes ADD FOREIGN KEY (channel_id) REFERENCES channels", {"lanes: key (channel_id)"}),
    ],
)
async def test_what_older_code_would_miss_is_seen_on_postgresql(
    empty_postgresql_url: str, change: str, wanted: set[str]
) -> None:
    """As above, with what SQLite cannot change."""
    assert await lost_by(empty_postgresql_url, change) == wanted


async def lost_by(url: str, change: str) -> set[str]:
    """What a statement takes away from the code of this version."""
    database = connect(url)
    before = await migrated(database, schema.head())
    await database.schema(lambda connection: connection.execute(sa.text(change)))
    after = await database.schema(shape)
    await database.close()
    return lost(before, after)


async def migrated(database: Database, revision: str) -> Shape:
    """The shape of a database that was brought to a revision."""
    await database.schema(lambda connection: command.upgrade(schema.config(connection), revision))
    return await database.schema(shape)


class Table:
    """What code that reads and writes a table relies on."""

    def __init__(self, inspector: sa.Inspector, name: str) -> None:
        columns = inspector.get_columns(name)
        self.types = {column["name"]: str(column["type"]) for column in columns}
        keys = inspector.get_pk_constraint(name)["constrained_columns"]
        self.must_be_given = {
            column["name"] for column in columns
            if not column["nullable"] and column["default"] is None and column["name"] not in keys
        }  # fmt: skip
        unique = [rule["column_names"] for rule in inspector.get_unique_constraints(name)]
        unique += [index["column_names"] for index in inspector.get_indexes(name) if index["unique"]]  # type: ignore[misc]  # ours are on columns
        self.rules = {
            *(f"unique ({', '.join(names)})" for names in unique),
            *(f"check ({rule['sqltext']})" for rule in inspector.get_check_constraints(name)),
            *(f"key ({', '.join(rule['constrained_columns'])})" for rule in inspector.get_foreign_keys(name)),
        }  # fmt: skip


Shape = dict[str, Table]


def shape(connection: sa.Connection) -> Shape:
    """The tables of a database."""
    inspector = sa.inspect(connection)
    return {name: Table(inspector, name) for name in inspector.get_table_names()}


def lost(before: Shape, after: Shape) -> set[str]:
    """What code that was written for one shape cannot do any more, or must do besides, on another."""
    found = before.keys() - after.keys()
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        gone = old.types.keys() - new.types.keys()
        changed = {c: kind for c, kind in new.types.items() if old.types.get(c, kind) != kind}
        found |= {f"{name}.{column}" for column in gone}
        found |= {f"{name}.{column}: {kind}" for column, kind in changed.items()}
        found |= {f"{name}.{column} must be given" for column in new.must_be_given - old.must_be_given - gone}
        found |= {f"{name}: {rule}" for rule in new.rules - old.rules}
    return found
