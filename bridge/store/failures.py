"""What a failed statement means, said in our words.

Unavailable   the database is away, full or overloaded: ask again (HTTP 503)
Contended     another transaction was in the way: run the same work again
BadData       a value in the batch cannot be stored: find it by halving the batch
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import sqlalchemy as sa

from bridge.errors import Unavailable


class Contended(Exception):
    """A deadlock, a serialisation failure or a lock time-out: nothing was changed."""


class BadData(Exception):
    """A value, not the database, is at fault: nothing was changed."""


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONTENDED = {"40001", "40P01", "55P03"}
_DATA_CLASSES = ("22", "23", "54")  # 54: too long for an index, for one
_CUT = ("InterfaceError", "InternalClientError")
_AWAY_CLASSES = ("08", "53", "57", "58", "XX", "25")

# No such database, or a user that may not: a person can mend it while we wait.
_NOT_LET_IN = ("3D", "28")


@contextlib.contextmanager
def translate(*raw: type[Exception]) -> Iterator[None]:
    """Turn the engines' errors into the three above; a bug in a statement stays as it is.

    `raw` are the errors of the driver itself, for statements that went past SQLAlchemy.
    """
    known: tuple[type[Exception], ...] = (sa.exc.DBAPIError, *raw)
    try:
        yield
    except known as error:
        raise _meaning(error) from error
    except (sa.exc.TimeoutError, TimeoutError, OSError) as error:
        raise Unavailable("The database does not answer") from error


def _meaning(error: Exception) -> Exception:
    original = getattr(error, "orig", None) or error
    state = getattr(original, "sqlstate", None) or getattr(
        getattr(original, "__cause__", None), "sqlstate", None
    )
    if state in _CONTENDED:
        return Contended(state)
    if isinstance(original, sqlite3.IntegrityError | sqlite3.DataError) or str(state)[:2] in _DATA_CLASSES:
        return BadData(type(original).__name__)
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
        return BadData(type(original).__name__)
    if isinstance(original, sqlite3.OperationalError) and "syntax" not in str(original):
        return _sqlite_meaning(original) or error
    if str(state)[:2] in _NOT_LET_IN:  # as the server says it: which database, which role
        return Unavailable(str(original).partition(": ")[2] or str(original))
    if getattr(error, "connection_invalidated", False) or str(state)[:2] in _AWAY_CLASSES:
        return Unavailable("The database is away or out of room")
    # asyncpg's own errors of a cut connection have no base in common with SQLAlchemy's, and no state.
    if isinstance(error, sa.exc.OperationalError) or type(original).__name__ in _CUT:
        return Unavailable("The database is away")
    return error


def _sqlite_meaning(error: sqlite3.OperationalError) -> Exception | None:
    """SQLite has no classes of errors, but extended names since Python 3.11."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return Unavailable(f"The database cannot be written ({name})")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable("The database is busy")
    return None
