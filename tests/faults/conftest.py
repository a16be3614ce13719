"""Stand-in vendors in the tests' own process: they outlive whatever happens to the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox.vendors import Vendors
from tests.gateways import Desk, running
from tests.webhooks import WEBHOOK_MODE


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    """Telegram and Twilio."""
    async with Vendors(pace=0.01, known_only=False) as made:
        yield made


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """For what has little to do with the engine."""
    return f"sqlite:///{tmp_path / 'bridge.db'}"


@pytest.fixture
async def desk(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """Anna before a gateway that polls Telegram."""
    async with running(tmp_path, database_url, vendors, monkeypatch) as made:
        yield made


@pytest.fixture
async def hooked(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """Anna before a gateway that Telegram calls; the tests call it in its stead."""
    async with running(tmp_path, database_url, vendors, monkeypatch, WEBHOOK_MODE) as made:
        yield made
