"""The folder of files, of the SQLite database and of the generated secret: one process owns it."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

from bridge.errors import SettingsError
from bridge.settings import Settings


def prepare(folder: Path) -> None:
    """Make the folder, readable by nobody else; `SettingsError` when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        problem = f"BRIDGE_DATA_DIR: {folder} cannot be written ({error.strerror})."
        raise SettingsError([f"{problem} Example: BRIDGE_DATA_DIR=/var/lib/bridge"]) from None


def the_secrets(settings: Settings) -> tuple[str, ...]:
    """What signs (first) and verifies (all). Made once and kept in the folder when none is set.

    With PostgreSQL it must be set: nodes that sign with secrets of their own trust each other's
    nothing.
    """
    if settings.secret:
        return tuple(settings.secret)
    if not settings.database.startswith("sqlite"):
        problem = "BRIDGE_SECRET: is missing, and all processes on one PostgreSQL must share it."
        raise SettingsError([f"{problem} Example: BRIDGE_SECRET={secrets.token_urlsafe(32)}"])
    kept = settings.data_dir / "secret"
    if not kept.exists():
        draft = kept.with_name(f".secret-{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32))
        draft.replace(kept)
    return (kept.read_text().strip(),)


class Lock:
    """The SQLite file belongs to one serving process; a second is refused and told by whom."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None

    def take(self) -> None:
        """`SettingsError` with the pid of the process that holds it."""
        if self._database.is_dir():
            problem = f"DATABASE_URL: {self._database} is a folder, and a file is needed."
            raise SettingsError([f"{problem} Example: DATABASE_URL=sqlite:///{self._database / 'bridge.db'}"])
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+")
        except OSError as error:
            problem = f"DATABASE_URL: {self._path.parent} cannot be written ({error.strerror})."
            raise SettingsError([f"{problem} Example: DATABASE_URL=sqlite:///bridge.db"]) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            problem = f"DATABASE_URL: {self._path.with_suffix('')} is in use by process {holder}."
            raise SettingsError([f"{problem} Stop it first, or use PostgreSQL for many processes"]) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let another process have it. It falls free by itself when this one dies."""
        if self._file:
            self._file.close()
            self._file = None
