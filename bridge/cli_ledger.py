"""`bridge replay` and `bridge deliveries`: the ledger of what came and of what goes, for its operator."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from bridge.cli_tools import Machine, console, on_database, say_json
from bridge.errors import SettingsError
from bridge.settings import Settings, read, read_all

if TYPE_CHECKING:
    from bridge.channels.base import Channel
    from bridge.ledger import Done
    from bridge.store.engine import Database

T = TypeVar("T")

deliveries_app = typer.Typer(help="Replies that wait or need a person.", invoke_without_command=True)

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many are listed.")]
Kind = Annotated[str, typer.Option(help="Only one type of channel: telegram, sms, …")]
Hours = Annotated[int, typer.Option(min=1, max=8784, help="Failed ones: those written in the last hours.")]


def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Events of the list.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that wait, or all of --channel.")] = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="Wait no longer for them, instead.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="List them as they came: a customer's words.")] = False,
    channel: Kind = "",
    limit: Limit = 50,
    as_json: Machine = False,
) -> None:
    """List what vendors sent and nobody could read, or read it again: by its ids, or --all.

    What an event says by now takes the place of its placeholder in the thread. Works while Bridge serves.
    """
    from bridge import ledger

    wanted = _ids(ids)
    if wanted and (every or channel):
        raise SettingsError(["Name events, or take all: not both."])
    if not wanted and not every:
        if give_up:
            raise SettingsError(["Name events, or say --all."])
        items, more = on_database(lambda db: ledger.list_parked(db, channel=channel, limit=limit, raw=raw))
        if as_json:
            say_json({"items": items, "more": more})
        else:
            ledger.show_parked(items, more, console(), read(Settings).public_url)
        return

    events = ledger.Events(wanted, channel)

    def work(database: Database) -> AsyncIterator[Done]:
        if give_up:
            return ledger.give_up_parked(database, events)
        return ledger.replay(database, _readers(), events)

    _do(work, "given up" if give_up else "read", as_json=as_json)


@deliveries_app.callback()
def list_deliveries(
    context: typer.Context,
    state: Annotated[
        Literal["waiting", "unknown", "failed"] | None,
        typer.Option(help="Only these. Without it: what may have arrived, and what waits."),
    ] = None,
    channel: Kind = "",
    hours: Hours = 24,
    limit: Limit = 50,
    as_json: Machine = False,
) -> None:
    """List replies that wait or need a person: why, since when, until when. Works while Bridge serves."""
    from bridge import ledger

    if context.invoked_subcommand:
        return
    found = on_database(
        lambda db: ledger.list_deliveries(db, state=state or "", channel=channel, hours=hours, limit=limit)
    )
    if as_json:
        say_json(found)
    else:
        ledger.show_deliveries(found, console(), read(Settings).public_url)


@deliveries_app.command()
def retry(
    ids: Annotated[list[str] | None, typer.Argument(help="Replies of the list.")] = None,
    every: Annotated[
        bool, typer.Option("--all-failed", help="All of the last --hours that could go by now.")
    ] = False,
    channel: Kind = "",
    hours: Hours = 24,
    as_json: Machine = False,
) -> None:
    """Send replies again that were rejected, failed or expired."""
    from bridge import ledger

    wanted = _ids(ids)
    if bool(wanted) == every:
        raise SettingsError(["Name replies, or say --all-failed."])
    lifetime = int(read(Settings).reply_deadline * 1000)

    def work(database: Database) -> AsyncIterator[Done]:
        if every:
            return ledger.retry_all(database, channel=channel, hours=hours, lifetime=lifetime)
        return ledger.retry(database, wanted, lifetime)

    _do(work, "to be sent again", as_json=as_json)


@deliveries_app.command("give-up")
def give_up(
    ids: Annotated[list[str], typer.Argument(help="Replies of the list.")], as_json: Machine = False
) -> None:
    """Try replies no more that wait, or that may have arrived. Their agents see it."""
    from bridge import ledger

    wanted = _ids(ids)
    _do(lambda database: ledger.give_up(database, wanted), "given up", as_json=as_json)


def _ids(given: Sequence[str] | None) -> list[str]:
    """Ids as they are listed, each once."""
    for each in given or ():
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each):
            raise SettingsError([f"{each} is not an id: the list shows them."])
    return [*dict.fromkeys(given or ())]


def _readers() -> list[Channel]:
    """The channels that are on. They only read: nothing is signed, and nobody is called."""
    from bridge import channels
    from bridge.channels.base import Site

    settings, *given = read_all(Settings, *channels.SETTINGS)
    assert isinstance(settings, Settings)
    configured, _ = channels.configured(Site(public_url=settings.public_url, secrets=()), given)
    return configured


def _do(work: Callable[[Database], AsyncIterator[Done]], how: str, *, as_json: bool) -> None:
    """Say what could not be done, one after the other, and how much was; end with 1 if it was not all."""
    from bridge import ledger

    async def run(database: Database) -> list[Done]:
        done = []
        async for one in work(database):
            done.append(one)
            if one.problem and not as_json:
                typer.echo(f"{one.id}: {ledger.printable(one.problem)}", err=True)
        return done

    done = on_database(run)
    well = sum(not one.problem for one in done)
    if as_json:
        say_json({"items": done})
    else:
        typer.echo(f"{well} of {len(done)} {how}.")
    sys.exit(well < len(done))
