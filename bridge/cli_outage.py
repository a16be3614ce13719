"""`bridge outage`: how the channels are, what was down and when, and the operator's switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bridge.cli_tools import Machine, console, on_database, say_json

if TYPE_CHECKING:
    from bridge.outages import Outages
    from bridge.store.engine import Database

outage_app = typer.Typer(help="What is down, and the switch for it.", invoke_without_command=True)

Limit = Annotated[int, typer.Option(min=1, max=100, help="How many incidents are listed.")]


@outage_app.callback()
def list_outages(context: typer.Context, limit: Limit = 5, as_json: Machine = False) -> None:
    """List the channels with how each is, and the last incidents. Works while Bridge serves."""
    from bridge import outages

    if context.invoked_subcommand:
        return
    found = on_database(lambda database: outages.look(database, limit))
    if as_json:
        say_json({"channels": found.channels, "incidents": found.incidents})
    else:
        outages.show(found, console())


@outage_app.command()
def treat(
    channel: Annotated[str, typer.Argument(help="A type of channel: telegram, sms, …, or its number.")],
    state: Annotated[Literal["down", "up", "automatic"], typer.Argument(help="What it is to be taken for.")],
) -> None:
    """Have a channel treated as down or as up, whatever is found, or again as it is found.

    As down: nothing is sent on it. The incident says that it was done on the command line.
    """
    from bridge import outages

    async def job(database: Database) -> Outages:
        await outages.treat(database, channel, "" if state == "automatic" else state)
        return await outages.look(database, 1)

    outages.show(on_database(job), console())
