"""`bridge check`: each thing that is wrong is named, with what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiohttp import web
from rich.console import Console

from bridge import channels
from bridge.channels.base import Site
from bridge.check import check, exit_code, show
from bridge.models import Event, Finding, Ignored, Limits, Outbound, Rates, Sent, Webhook
from bridge.sandbox.vendors import Vendors
from bridge.settings import Settings, read
from bridge.store import channels as channel_rows
from bridge.store import engine, schema
from bridge.store.inbound import Intake, receive
from tests import servers


def settings(folder: Path, **given: str) -> Settings:
    """Settings of a gateway in `folder`, on a port where nobody listens."""
    return read(Settings, BRIDGE_DATA_DIR=str(folder), BRIDGE_PORT=str(servers.free_port()), **given)


class Line:
    """A channel that only says what its vendor thinks."""

    type: ClassVar[str] = "line"
    label: ClassVar[str] = "Line"
    webhooks: ClassVar[tuple[str, ...]] = ("line",)
    pulled: ClassVar[bool] = False
    identity = "42"
    limits = Limits(text=100, part=100)
    rates = Rates(overall=1, address=1)

    def __init__(self, found: list[Finding] | Exception) -> None:
        self.found = found

    def parse(self, hook: Webhook) -> list[Event]:
        """Nothing comes in here."""
        return []

    async def send(self, part: Outbound) -> Sent:
        """Everything goes out here."""
        return Sent(external_id=part.message_id)

    async def close(self) -> None:
        """There is nothing to give back."""

    async def check(self) -> list[Finding]:
        """What the test wants it to find."""
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@asynccontextmanager
async def answering(status: int) -> AsyncIterator[int]:
    """A server that answers every request with `status`; yields its port."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def found(settings: Settings, *channels: Line) -> dict[str, Finding]:
    """The findings by what they say."""
    return {finding.what: finding for finding in await check(settings, channels)}


def named(findings: dict[str, Finding], part: str) -> Finding:
    """The one finding that says `part`."""
    matching = [finding for what, finding in findings.items() if part in what]
    assert len(matching) == 1, list(findings)
    return matching[0]


async def test_a_fresh_installation_has_no_error(tmp_path: Path) -> None:
    """Whoever has just cloned Bridge must not be frightened."""
    findings = await found(settings(tmp_path / "data"))
    assert exit_code(list(findings.values())) == 0
    assert named(findings, "will be made at the first start").level == "ok"
    assert not (tmp_path / "data").exists(), "a check changes nothing"


async def test_a_working_gateway_is_all_well(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """Green must be reachable, or nobody reads red."""
    async with answering(200) as port:
        config = read(
            Settings, DATABASE_URL=database_url, REDIS_URL=redis_url, BRIDGE_DATA_DIR=str(tmp_path),
            BRIDGE_PORT=str(port), BRIDGE_SECRET="s" * 32,
        )  # fmt: skip
        findings = await found(config)
    assert [finding.what for finding in findings.values() if finding.level == "error"] == []
    assert named(findings, "Redis answers").level == "ok"
    assert named(findings, f"schema {schema.head()}").level == "ok"
    assert "bridge agent add" in named(findings, "Nobody can sign in yet").todo


@pytest.mark.parametrize(
    "url", ["postgresql://bridge@127.0.0.1:1/bridge", "postgresql://bridge@database.invalid/bridge"]
)
async def test_a_database_that_is_away_is_an_error(tmp_path: Path, url: str) -> None:
    """The commonest mistake of a deployment, and the gateway would only wait."""
    finding = named(await found(settings(tmp_path, DATABASE_URL=url)), "does not answer")
    assert finding.level == "error"
    assert "DATABASE_URL" in finding.todo


async def test_a_database_that_does_not_exist_is_named(
    tmp_path: Path, postgresql: servers.PostgreSQL
) -> None:
    """PostgreSQL's own words say best what is missing."""
    finding = named(await found(settings(tmp_path, DATABASE_URL=postgresql.url("nowhere"))), '"nowhere"')
    assert finding.level == "error"
    assert "does not exist" in finding.what


async def test_a_schema_of_a_newer_version_is_an_error(
    tmp_path: Path, postgresql: servers.PostgreSQL, empty_postgresql_url: str
) -> None:
    """Running an old version on a new schema would lose what the old one does not know."""
    name = empty_postgresql_url.rpartition("/")[2]
    postgresql.run("CREATE TABLE alembic_version AS SELECT 'from_the_future' AS version_num", name)
    assert (
        named(await found(settings(tmp_path, DATABASE_URL=empty_postgresql_url)), "newer version").level
        == "error"
    )


async def test_events_that_nobody_could_read_are_a_warning(tmp_path: Path, database_url: str) -> None:
    """They are shown as placeholders: without a word here nobody would know that they can be mended."""
    database = engine.connect(database_url)
    row = await database.write(lambda tx: channel_rows.register(tx, "line", "42", "Line"))
    kept = Ignored(key="1", raw="{}", parked="?")
    await database.write(lambda tx: receive(tx, [Intake(row, (kept,))]))
    await database.close()
    finding = named(await found(settings(tmp_path, DATABASE_URL=database_url)), "1 event of vendors")
    assert (finding.level, "bridge replay" in finding.todo) == ("warning", True)


async def test_redis_that_is_away_is_only_a_warning(tmp_path: Path) -> None:
    """Nothing is lost without Redis, so a deployment must not stop for it."""
    findings = await found(settings(tmp_path, REDIS_URL="redis://127.0.0.1:1/0"))
    assert named(findings, "Redis does not answer").level == "warning"
    assert exit_code(list(findings.values())) == 0


async def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Without it there is neither a database nor a file."""
    (tmp_path / "file").write_text("not a folder")
    finding = named(await found(settings(tmp_path / "file" / "data")), "cannot be written")
    assert (finding.level, "BRIDGE_DATA_DIR" in finding.todo) == ("error", True)


async def test_a_foreign_server_on_the_port_is_an_error(tmp_path: Path) -> None:
    """Something else on our port answers, but it is not ready to take messages."""
    async with answering(404) as port:
        config = read(Settings, BRIDGE_DATA_DIR=str(tmp_path), BRIDGE_PORT=str(port))
        finding = named(await found(config), "is not ready")
    assert (finding.level, "404" in finding.what) == ("error", True)


async def test_a_vendor_that_must_reach_localhost_is_an_error(tmp_path: Path) -> None:
    """Webhooks to `localhost` never arrive, and nothing else would say so."""
    finding = named(await found(settings(tmp_path), Line([])), "Line must reach Bridge")
    assert (finding.level, "BRIDGE_PUBLIC_URL" in finding.todo) == ("error", True)


async def test_a_vendor_on_this_machine_reaches_localhost(tmp_path: Path) -> None:
    """A stand-in, or a Bot API server of one's own, needs no public address."""
    async with Vendors() as vendors:
        environment = {**vendors.environment(), "TELEGRAM_MODE": "webhook"}
        accounts = [read(kind, **environment) for kind in channels.SETTINGS]
        made, _ = channels.configured(Site(public_url="http://localhost", secrets=("s" * 32,)), accounts)
        findings = {finding.what: finding for finding in await check(settings(tmp_path), made)}
        for channel in made:
            await channel.close()
    assert named(findings, "from this machine only").level == "ok"


async def test_a_public_address_without_tls_that_leads_nowhere_is_two_errors(tmp_path: Path) -> None:
    """Both must be mended, and the second shows only after the first otherwise."""
    findings = await found(settings(tmp_path, BRIDGE_PUBLIC_URL="http://chat.invalid"))
    assert named(findings, "is not encrypted").level == "error"
    assert "nothing answers" in named(findings, "is not reached at http://chat.invalid").what


async def test_what_vendors_think_is_passed_on(tmp_path: Path) -> None:
    """Only the vendor knows that its last webhook failed."""
    theirs = Finding(level="warning", what="Line: 7 messages wait at the vendor.", todo="Wait.")
    assert (await found(settings(tmp_path), Line([theirs])))[theirs.what] == theirs


async def test_a_check_that_breaks_does_not_hide_the_others(tmp_path: Path) -> None:
    """Its error may carry a token in a URL, so only its kind is shown."""
    findings = await found(settings(tmp_path), Line(RuntimeError("https://vendor/bot123:secret/getMe")))
    assert named(findings, "Looking at Line (42) failed: RuntimeError").level == "error"
    assert named(findings, "The data folder").level == "ok"
    assert not any("secret" in finding.what + finding.todo for finding in findings.values())


def test_findings_are_shown_as_they_are_with_what_to_do() -> None:
    """An IPv6 address in brackets is not taken for markup, and no address is cut in two lines."""
    out = StringIO()
    error = Finding(level="error", what="Nothing answers at http://[::1]:8080.", todo="Start it.")
    show([Finding(level="ok", what="The rest is well."), error], Console(file=out, width=20))
    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "✓ The rest is well.", "✗ Nothing answers at http://[::1]:8080.", "  → Start it.",
    ]  # fmt: skip
    assert exit_code([error]) == 1


async def test_a_check_ends_even_when_a_vendor_never_answers(tmp_path: Path) -> None:
    """A hung vendor must not keep the operator from seeing the rest."""

    class Hung(Line):
        async def check(self) -> list[Any]:
            await asyncio.Event().wait()
            return []

    findings = await check(settings(tmp_path), [Hung([])], patience=0.5)
    assert "Looking at Line (42) took more than 0.5 seconds" in [finding.what for finding in findings]


async def test_what_telegram_and_twilio_think_is_found(tmp_path: Path) -> None:
    """The console of a vendor is where most set-ups go wrong, and where nobody looks."""
    async with Vendors() as vendors:
        environment = vendors.environment()
        url = "https://chat.example.com"
        accounts = [read(kind, **environment) for kind in channels.SETTINGS]
        found_channels, off = channels.configured(Site(public_url=url, secrets=("s" * 32,)), accounts)
        try:
            before = {finding.what: finding for finding in await check(settings(tmp_path), found_channels)}
            vendors.serve_webhooks_of(url)
            after = {finding.what: finding for finding in await check(settings(tmp_path), found_channels)}
        finally:
            for channel in found_channels:
                await channel.close()
    assert [line.partition(" is off")[0] for line in off] == ["WhatsApp"]  # it has a test of its own
    assert named(before, "Telegram: the bot is @").level == "ok"
    wrong = named(before, "Twilio calls nothing instead of")
    assert (wrong.level, f"{url}/webhooks/twilio" in wrong.todo) == ("error", True)
    assert named(after, "SMS: Twilio calls").level == "ok"
