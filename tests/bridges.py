"""Bridge as a process that a test may end in any way, and start again on the same data."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from bridge.sandbox.vendors import Vendors
from bridge.store import engine
from tests import processes
from tests.gateways import Desk, sign_up
from tests.servers import free_port

SECRET = "a-secret-of-the-tests-with-enough-letters"
# The vendors' limits are another test's business.
FAST = {"TELEGRAM_RATE": "1000", "TELEGRAM_CHAT_RATE": "1000", "TWILIO_RATE": "1000"}


class Bridge:
    """One installation: a folder, a port and settings, which outlive the process."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str] | None = None, *, command: str = "serve"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "DATABASE_URL": f"sqlite:///{folder / 'bridge.db'}", "BRIDGE_PUBLIC_URL": self.url,
            "BRIDGE_SECRET": SECRET, **(settings or {}),
        }  # fmt: skip
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def stand_at(self, host: str, port: int) -> None:
        """Listen there instead."""
        self.port, self.url = port, f"http://{host}:{port}"
        self.settings |= {"BRIDGE_HOST": host, "BRIDGE_PUBLIC_URL": self.url}

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def launch(self) -> None:
        """Start it and do not wait."""
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [*processes.BRIDGE, self._command], cwd=self.folder, env=self._environment(),
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        processes.wait_until_ready(self.process, self.url, self._log)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it as a service manager does; it must end well."""
        self.process.terminate()
        code = self.process.wait(processes.GONE_WITHIN)
        assert code == 0, f"SIGTERM was answered with {code}:\n{self.log}"

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Another command of the same installation, to its end."""
        return subprocess.run(
            [*processes.BRIDGE, *arguments], cwd=self.folder, env=self._environment(),
            input=stdin, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The same, while it runs: somebody may end it."""
        return subprocess.Popen(
            [*processes.BRIDGE, *arguments], cwd=self.folder, env=self._environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def log(self) -> str:
        """All that it has written."""
        return self._log.read_text()

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _environment(self) -> dict[str, str]:
        return processes.environment(self.folder, self.port, **self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


@asynccontextmanager
async def serving(
    folder: Path, database_url: str, vendors: Vendors, settings: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Bridge, Desk]]:
    """A process that serves between the stand-ins of this process and Anna, who has a desk."""
    more = {**vendors.environment(), **FAST, "DATABASE_URL": database_url, **(settings or {})}
    with Bridge(folder / "bridge", more) as bridge:
        vendors.serve_webhooks_of(bridge.url)
        await asyncio.to_thread(bridge.start)
        database = engine.connect(database_url)
        token = await sign_up(database)
        await database.close()
        async with aiohttp.ClientSession(bridge.url, headers={"Authorization": f"Bearer {token}"}) as http:
            yield bridge, Desk(bridge.url, http, vendors)


@asynccontextmanager
async def beside(
    first: Bridge, desk: Desk, settings: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Bridge, Desk]]:
    """A second process of the same installation, and Anna's desk at it. Vendors call it from now on."""
    with Bridge(first.folder.with_name("second"), {**first.settings, **(settings or {})}) as second:
        second.settings["BRIDGE_PUBLIC_URL"] = second.url
        await asyncio.to_thread(second.start)
        desk.vendors.serve_webhooks_of(second.url)
        async with aiohttp.ClientSession(second.url, headers=desk.http.headers) as http:
            yield second, Desk(second.url, http, desk.vendors)
