"""What every test may use: real servers, a database of its own, and no way out of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import network, servers

network.stay_on_loopback()

# A developer's own bot and number have no business here.
OURS = ("BRIDGE_", "TELEGRAM_", "TWILIO_", "WHATSAPP_", "WIDGET_", "DATABASE_URL", "REDIS_URL")
for _name in [name for name in os.environ if name.startswith(OURS)]:
    del os.environ[_name]


# No deadline: a busy machine is no bug. In CI a run must not fail by chance that passed before.
hypothesis.settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def _away_from_dot_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests work in an empty folder: settings would be read from a developer's `.env` otherwise."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("work"))
    yield
    os.chdir(before)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[servers.PostgreSQL]:
    """A real PostgreSQL, shared by the tests of one process; take `database_url` unless you stop it."""
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[servers.Valkey]:
    """A real Valkey, shared by the tests of one process."""
    with servers.valkey() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql: servers.PostgreSQL) -> Iterator[str]:
    """An empty PostgreSQL database of this test's own."""
    name = postgresql.create()
    yield postgresql.url(name)
    postgresql.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of this test's own: the test runs once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bridge.db'}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def redis_url(valkey: servers.Valkey) -> str:
    """An empty Redis."""
    valkey.flush()
    return valkey.url
