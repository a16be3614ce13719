"""What every test may use: real servers, a database of its own, and no way out of this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from bridge.store import engine, schema
from tests import browser, network, servers

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


def pytest_xdist_auto_num_workers() -> int:
    """One more than cores: tests wait much of their time, for a second attempt or for a lease that ends."""
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ours + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that drive a browser share its event loop: to start one takes seconds."""
    for item in items:
        if isinstance(item, pytest.Function) and "chromium" in item.fixturenames:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=browser.find(), args=browser.flags())
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def chromium(_chromium: Browser) -> AsyncIterator[Browser]:
    """A real browser, shared by the tests of one process; the profiles that a test makes end with it."""
    yield _chromium
    for profile in _chromium.contexts:
        await profile.close()


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


@pytest.fixture(scope="session")
def _postgresql_template(postgresql: servers.PostgreSQL) -> str:
    """A database with our tables and no rows, to be copied: making the tables takes a second."""
    name = postgresql.create()
    _make_tables(postgresql.url(name))
    return name


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As for PostgreSQL."""
    file = tmp_path_factory.mktemp("template") / "bridge.db"
    _make_tables(f"sqlite:///{file}")
    return file


def _make_tables(url: str) -> None:
    async def make() -> None:
        database = engine.connect(url)
        await schema.prepare(database)
        await database.close()

    with ThreadPoolExecutor(1) as beside_the_loop_of_the_tests:
        beside_the_loop_of_the_tests.submit(asyncio.run, make()).result()


@pytest.fixture
def postgresql_url(postgresql: servers.PostgreSQL, _postgresql_template: str) -> Iterator[str]:
    """A PostgreSQL database of this test's own, with our tables and no rows."""
    name = postgresql.create(_postgresql_template)
    yield postgresql.url(name)
    postgresql.drop(name)


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """An SQLite database of this test's own, with our tables and no rows."""
    return f"sqlite:///{shutil.copy(_sqlite_template, tmp_path)}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of this test's own, with our tables and no rows: the test runs once on each engine."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def empty_postgresql_url(postgresql: servers.PostgreSQL) -> Iterator[str]:
    """A PostgreSQL database of this test's own, without tables."""
    name = postgresql.create()
    yield postgresql.url(name)
    postgresql.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of this test's own, without tables: for what makes and changes them."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bridge.db'}"
    return str(request.getfixturevalue("empty_postgresql_url"))


@pytest.fixture
def redis_url(valkey: servers.Valkey) -> str:
    """An empty Redis."""
    valkey.flush()
    return valkey.url
