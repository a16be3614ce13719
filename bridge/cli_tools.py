"""What the commands that work on a database share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bridge.settings import Settings, read

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.store.engine import Database

T = TypeVar("T")

Machine = Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")]


def say_json(document: Any) -> None:
    """Print a view, or what is made of views."""
    import orjson

    typer.echo(orjson.dumps(document, default=lambda view: view.model_dump(mode="json")).decode())


def console() -> Console:
    """A terminal, or a file."""
    from rich.console import Console

    return Console()


def on_database(job: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Work on the database of an installation, which may be serving; none is made here."""
    from bridge.store import engine, schema

    async def run() -> T:
        database = engine.connect(read(Settings).database)
        try:
            await schema.demand(database, partial(typer.echo, err=True))
            return await job(database)
        finally:
            await database.close()

    return asyncio.run(run())
