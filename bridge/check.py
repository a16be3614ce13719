"""`bridge check`: what is configured, what answers, what vendors think, and what to do about it.

It sends nothing and changes nothing, and works while the gateway runs and while it does not.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Sequence
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.text import Text
from yarl import URL

from bridge import bus
from bridge.channels.base import Channel, Checks, MayBeNear, Polls
from bridge.errors import SettingsError, Unavailable
from bridge.models import Finding
from bridge.settings import Settings
from bridge.store import agents, engine, parked, schema
from bridge.store import channels as channel_rows
from bridge.store.sqlite import SqliteDatabase

PATIENCE = 15.0  # seconds that each thing has to answer
CALL = 10.0  # seconds, of these, that a vendor has for one call: it is named before all patience ends
LOW_SPACE = 1_000_000_000  # bytes: a few days of customers' photos
NO_SPACE = 100_000_000  # bytes: SQLite's log alone may need as much
_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "bold red")}
_COUNTED = 1_000
_ANY = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


async def check(settings: Settings, channels: Sequence[Channel], patience: float = PATIENCE) -> list[Finding]:
    """Look at everything at the same time, each for `patience` seconds; findings come in a fixed order."""
    looks = {
        "the data folder": _data_folder(settings),
        "the database": _database(settings, channels),
        "Redis": _redis(settings),
        "the gateway": _gateway(settings),
        "the public address": _public_url(settings, channels),
        **{f"{channel.label} ({channel.identity})": _channel(channel) for channel in channels},
    }
    found = await asyncio.gather(*(_in_time(name, look, patience) for name, look in looks.items()))
    return [finding for findings in found for finding in findings]


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print one line per finding, with what to do below each that is not well."""
    for finding in findings:
        mark, colour = _MARKS[finding.level]
        # The terminal wraps: an address that was cut by us could not be clicked.
        console.print(Text.assemble((mark, colour), " ", finding.what), soft_wrap=True)
        if finding.todo:
            console.print(Text(f"  → {finding.todo}"), soft_wrap=True)


def exit_code(findings: Sequence[Finding]) -> int:
    """1 when something must be done, else 0: warnings do not stop a deployment."""
    return int(any(finding.level == "error" for finding in findings))


async def _in_time(name: str, look: Awaitable[list[Finding]], patience: float) -> list[Finding]:
    """What a look found. One that fails in a way nobody foresaw is a finding too."""
    try:
        async with asyncio.timeout(patience):
            return await look
    except TimeoutError:
        what = f"Looking at {name} took more than {patience:g} seconds"
    except Exception as error:  # noqa: BLE001  # the other findings must still be shown
        # Its text may name a token, as URLs of Telegram do; where the database speaks, it is safe.
        cause = getattr(getattr(error, "orig", None), "__cause__", None)
        what = f"Looking at {name} failed: {cause or type(error).__name__}"
    return [_error(what, "Correct what it names in the settings, and check again")]


async def _data_folder(settings: Settings) -> list[Finding]:
    folder = settings.data_dir.absolute()
    try:
        free = await asyncio.to_thread(_try_folder, folder)
    except OSError as error:
        todo = "Give the user that runs Bridge the right to write there, or set BRIDGE_DATA_DIR to another"
        return [_error(f"The data folder {folder} cannot be written: {error.strerror}", todo)]
    room = f"{free / 1e9:.1f} GB free"
    if free < NO_SPACE:
        return [
            _error(
                f"The data folder {folder} is full: {room}", "Make room, or set BRIDGE_DATA_DIR to another"
            )
        ]
    if free < LOW_SPACE:
        return [_warning(f"The data folder {folder} is nearly full: {room}", "Make room before it is")]
    return [_ok(f"The data folder is {folder}, {room}")]


def _try_folder(folder: Path) -> int:
    """Free bytes of a folder that can be written, or that can be made."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    with tempfile.TemporaryFile(dir=there) as probe:
        probe.write(b"?")
    return shutil.disk_usage(there).free


async def _database(settings: Settings, channels: Sequence[Channel]) -> list[Finding]:
    try:
        database = engine.connect(settings.database)
    except SettingsError as error:
        return [_error(problem, "Correct it and check again") for problem in error.problems]
    if isinstance(database, SqliteDatabase) and not database.path.exists():
        return [_ok(f"The database will be made at the first start: SQLite, {database.path}")]
    try:
        found = await schema.look(database)
        finding = _schema(database, found)
        if not found.is_usable:
            return [finding]
        told = [*await _troubles(database, channels), *await _parked(database)]
        return [finding, *await _agents(database), *told]
    except Unavailable as error:
        todo = "Start it, or correct DATABASE_URL. Bridge waits for it, and vendors are told to come again"
        return [_error(f"The database ({_name(database)}) does not answer: {error.detail}", todo)]
    finally:
        await database.close()


def _schema(database: engine.Database, found: schema.Found) -> Finding:
    if found.is_usable:
        whose = ", a newer version's that works with this one" if found.is_newer else ""
        return _ok(f"The database answers: {_name(database)}, schema {found.revision}{whose}")
    if found.revision is None:
        return _ok(f"The database answers: {_name(database)}, still empty; `bridge serve` makes its tables")
    if not found.is_newer:
        what = f"The database has an older schema ({found.revision}, not {schema.head()})"
        return _error(what, "Run `bridge migrate`")
    todo = "Run that version, or restore a backup from before it"
    return _error(f"The database was made by a newer version of Bridge (schema {found.revision})", todo)


async def _agents(database: engine.Database) -> list[Finding]:
    if await database.read(agents.exist):
        return []
    todo = "Start Bridge and open the link that it prints, or run `bridge agent add EMAIL --admin`"
    return [_warning("Nobody can sign in yet: there is no agent", todo)]


async def _troubles(database: engine.Database, channels: Sequence[Channel]) -> list[Finding]:
    """What the gateway said last of its channels: to ask a vendor again might disturb the gateway."""
    said = await database.read(channel_rows.troubles)
    return [
        _error(f"The gateway has trouble with {channel.label} ({channel.identity})", trouble)
        for channel in channels
        if (trouble := said.get((channel.type, channel.identity)))
    ]


async def _parked(database: engine.Database) -> list[Finding]:
    number = await database.read(lambda tx: parked.count(tx, _COUNTED))
    if not number:
        return []
    many = "1 event" if number == 1 else f"{number}{' or more' if number == _COUNTED else ''} events"
    todo = "`bridge replay` lists them. After an upgrade, `bridge replay --all` reads them again"
    return [_warning(f"{many} of vendors could not be read", todo)]


async def _redis(settings: Settings) -> list[Finding]:
    if not settings.redis_url:
        return [_ok("No Redis: wake-ups, typing and presence stay inside this one process")]
    if problem := await bus.problem_with(settings.redis_url):
        todo = "Start it, or correct REDIS_URL. Nothing is lost without it; processes notice each other later"
        return [_warning(f"Redis does not answer: {problem}", todo)]
    return [_ok("Redis answers")]


async def _gateway(settings: Settings) -> list[Finding]:
    host = "127.0.0.1" if settings.host in _ANY else settings.host
    status = await _get(str(URL.build(scheme="http", host=host, port=settings.port or 1, path="/readyz")))
    if status is None:
        return [_warning(f"The gateway does not run at port {settings.port}", "Start it with `bridge serve`")]
    if status == 200:
        return [_ok(f"The gateway runs at port {settings.port}")]
    todo = "If it is Bridge, its log says what it waits for; else set BRIDGE_PORT to a free port"
    return [_error(f"What runs at port {settings.port} is not ready (it answers {status})", todo)]


async def _public_url(settings: Settings, channels: Sequence[Channel]) -> list[Finding]:
    url = URL(settings.public_url)
    if url.host in _LOOPBACK:
        return _only_here(url, channels)
    findings = []
    if url.scheme != "https":
        todo = (
            "Put a proxy with TLS before Bridge (docs/operations.md) and set BRIDGE_PUBLIC_URL to https://…"
        )
        findings.append(_error(f"{url} is not encrypted: vendors refuse it, and passwords can be read", todo))
    status = await _get(f"{url}/healthz")
    if status == 200:
        return [*findings, _ok(f"Bridge is reached at {url}")]
    said = "nothing answers" if status is None else f"it answers {status} to /healthz"
    todo = (
        "Start Bridge; then look at the name in DNS, the firewall, and the proxy, which must pass every path"
    )
    return [*findings, _error(f"Bridge is not reached at {url}: {said}", todo)]


def _only_here(url: URL, channels: Sequence[Channel]) -> list[Finding]:
    waiting = [channel.label for channel in channels if channel.webhooks and not _needs_no_way_in(channel)]
    if not waiting:
        return [_ok(f"Bridge is reached at {url}, from this machine only. That is enough for these channels")]
    todo = "Set BRIDGE_PUBLIC_URL to the https:// address that leads here"
    return [_error(f"{' and '.join(waiting)} must reach Bridge, and {url} leads nowhere for them", todo)]


def _needs_no_way_in(channel: Channel) -> bool:
    """Whether a channel works without an address that the whole world reaches."""
    polls = isinstance(channel, Polls) and channel.polling
    return channel.pulled or polls or (isinstance(channel, MayBeNear) and channel.near)


async def _channel(channel: Channel) -> list[Finding]:
    name = f"{channel.label} ({channel.identity})" if channel.identity else channel.label
    findings = await channel.check() if isinstance(channel, Checks) else []
    return findings or [_ok(f"{name} is on")]


async def _get(url: str) -> int | None:
    """The status that a URL answers, or nothing if it does not. A redirect is an answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def _name(database: engine.Database) -> str:
    return f"SQLite, {database.path}" if isinstance(database, SqliteDatabase) else "PostgreSQL"


def _ok(what: str) -> Finding:
    return Finding(level="ok", what=what)


def _warning(what: str, todo: str) -> Finding:
    return Finding(level="warning", what=what, todo=todo)


def _error(what: str, todo: str) -> Finding:
    return Finding(level="error", what=what, todo=todo)
