"""The command `bridge`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import typer

from bridge import cli_ledger, cli_outage
from bridge.errors import BridgeError, SettingsError
from bridge.settings import Settings, read, read_all

T = TypeVar("T")

app = typer.Typer(
    help="One support inbox for Telegram, SMS, your site's chat and WhatsApp.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip
agent_app = typer.Typer(help="The people who answer.", no_args_is_help=True)
app.add_typer(agent_app, name="agent")
app.add_typer(cli_ledger.deliveries_app, name="deliveries")
app.add_typer(cli_outage.outage_app, name="outage")


def main() -> None:
    """Run the command; problems that a person can solve end it with one line each."""
    try:
        app()
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        sys.exit(2)
    except BridgeError as error:
        typer.echo(error.detail or error.title, err=True)
        sys.exit(1)


@app.command()
def serve() -> None:
    """Serve the gateway with the channels whose credentials are set."""
    from bridge import app as gateway

    settings = _prepared()
    _run(gateway.serve(settings))


@app.command()
def demo() -> None:
    """Serve the gateway with stand-in vendors: phones, a shop and the inbox on one page."""
    from bridge.sandbox.demo import serve_demo

    settings = _prepared()
    _run(serve_demo(settings))


@app.command()
def start() -> None:
    """Serve with your vendors' credentials when there are any, or else the demo."""
    from bridge import channels

    serve() if channels.has_credentials() else demo()


@app.command()
def check() -> None:
    """Say what is configured, what answers, what the vendors think, and what to do about it."""
    from rich.console import Console

    from bridge import channels, data_folder
    from bridge import check as checking
    from bridge.channels.base import Site

    settings = _all_settings()

    async def run() -> int:
        site = Site(
            public_url=settings.public_url, secrets=data_folder.the_secrets(settings),
            send_timeout=min(settings.send_timeout, checking.CALL),
        )  # fmt: skip
        configured, off = channels.configured(site)
        console = Console()
        for line in off:
            console.print(line, style="dim")
        findings = await checking.check(settings, configured)
        await asyncio.gather(*(channel.close() for channel in configured))
        checking.show(findings, console)
        return checking.exit_code(findings)

    data_folder.prepare(settings.data_dir)
    sys.exit(_run(run()))


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date. Safe to run while others serve."""
    from bridge.store import engine, schema

    async def run() -> None:
        database = engine.connect(read(Settings).database)
        await engine.wait_until_up(database, typer.echo)
        await schema.migrate(database, typer.echo)
        await database.close()

    _run(run())


app.command()(cli_ledger.replay)


@agent_app.command()
def add(
    email: str,
    name: Annotated[str, typer.Option(help="The name that customers and colleagues see.")],
    password_stdin: Annotated[
        bool, typer.Option(help="Read the password as one line of standard input.")
    ] = False,
    admin: Annotated[bool, typer.Option(help="May change settings.")] = False,
) -> None:
    """Add an agent."""
    from bridge.api.endpoint import validate
    from bridge.api.passwords import SHORTEST, hash_password
    from bridge.api.shapes import NewAgent
    from bridge.store import agents

    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else typer.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )  # fmt: skip
    if len(password) < SHORTEST:
        raise SettingsError([f"The password needs at least {SHORTEST} characters."])
    new = validate(NewAgent, {"email": email, "name": name, "password": password})
    hashed, role = hash_password(new.password), "admin" if admin else "agent"
    made = _with_database(
        lambda tx: agents.add(tx, email=new.email, name=new.name, password_hash=hashed, role=role)
    )
    typer.echo(f"Added {made.name} ({made.email}).")


@agent_app.command()
def token(email: str) -> None:
    """Make an API token for an agent; it is shown once, as the last word."""
    from bridge.store import agents, tokens

    async def issue(tx: Any) -> str | None:
        known = await agents.by_email(tx, email)
        return None if known is None else await tokens.issue(tx, "api", known.agent.id, label="command line")

    made = _with_database(issue)
    if made is None:
        raise SettingsError([f"There is no agent with the email {email}. `bridge agent add` makes one."])
    typer.echo(f"API token of {email}: {made}")


def _with_database(work: Any) -> Any:
    """Do one thing in the database, which may be serving at the same time."""
    from bridge.store import engine, schema

    async def run() -> Any:
        settings = read(Settings)
        database = engine.connect(settings.database)
        try:
            await engine.wait_until_up(database, typer.echo)
            await schema.prepare(database)
            return await database.write(work)
        finally:
            await database.close()

    return _run(run())


def _prepared() -> Settings:
    """Settings, with logs set up as they say."""
    from bridge import logs

    settings = _all_settings()
    logs.configure(settings.log_format, settings.log_level)
    return settings


def _all_settings() -> Settings:
    """The gateway's settings; the problems of the channels' are said together with its own."""
    from bridge import channels

    settings, *_ = read_all(Settings, *channels.SETTINGS)
    assert isinstance(settings, Settings)
    return settings


def _run(job: Coroutine[Any, Any, T]) -> T:
    """Run to the end on uvloop, which is the faster loop where there is one."""
    if sys.platform != "win32" and not os.environ.get("PYTHONASYNCIODEBUG"):
        import uvloop

        return uvloop.run(job)
    return asyncio.run(job)
