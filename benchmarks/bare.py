"""The most that aiohttp can do: read the body and answer. Listens where Bridge would: `BRIDGE_PORT`."""

from __future__ import annotations

import os

import uvloop
from aiohttp import web


def serve(app: web.Application) -> None:
    """Serve until SIGTERM, on the loop and without the access log, as Bridge does."""
    port = int(os.environ["BRIDGE_PORT"])
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


async def answer(request: web.Request) -> web.Response:
    """Read the body and say 200."""
    await request.read()
    return web.Response()


if __name__ == "__main__":
    bare = web.Application()
    bare.router.add_post("/webhooks/{path:.+}", answer)
    bare.router.add_get("/readyz", answer)
    serve(bare)
