"""A worker of procrastinate whose tasks send one message each, as well as it can be written."""

from __future__ import annotations

import os

import aiohttp
import procrastinate


def make_app(url: str, connections: int = 4) -> procrastinate.App:
    """The queue in a database of PostgreSQL."""
    return procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=connections)
    )


async def main() -> None:
    """Work until SIGTERM."""
    tasks = int(os.environ["TASKS"])
    app = make_app(os.environ["DATABASE_URL"], int(os.environ["CONNECTIONS"]))
    method = f"{os.environ['TELEGRAM_API_BASE']}/bot{os.environ['TELEGRAM_BOT_TOKEN']}/sendMessage"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http, app.open_async():

        @app.task(name="send")
        async def send(chat: int, text: str) -> None:
            async with http.post(method, data={"chat_id": f"{chat}", "text": text}) as answer:
                said = await answer.json()
            if not said["ok"]:
                raise RuntimeError(said)

        await app.run_worker_async(concurrency=tasks, delete_jobs="successful")
