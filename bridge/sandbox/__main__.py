"""`python -m bridge.sandbox`: the stand-ins alone, as a process of their own.

Prints one line of JSON when ready:
`{"telegram_base", "twilio_base", "whatsapp_base", "control", "environment"}`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

import orjson
import uvloop
from aiohttp import web

from bridge.sandbox.control import Controls
from bridge.sandbox.vendors import Vendors


def main() -> None:
    """Read the options and serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m bridge.sandbox", description=__doc__)
    parser.add_argument("--telegram-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--twilio-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--whatsapp-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--control-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--telegram-token", default="")
    parser.add_argument("--account-sid", default="")
    parser.add_argument("--auth-token", default="")
    parser.add_argument("--number", default="+390546010200")
    parser.add_argument("--webhook", default="", help="where the number's messages are posted")
    parser.add_argument("--tunnel", nargs=2, metavar=("PUBLIC", "LOOPBACK"), default=None)
    parser.add_argument("--keep", type=int, default=20_000, help="how many sent messages are remembered")
    parser.add_argument("--pace", type=float, default=0.1, help="seconds between a message's states")
    parser.add_argument("--quiet", action="store_true", help="keep no wire log")
    parser.add_argument("--any-chat", action="store_true", help="let the bot write to who never wrote")
    uvloop.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Vendors(
        telegram_port=options.telegram_port, twilio_port=options.twilio_port,
        whatsapp_port=options.whatsapp_port,
        telegram_token=options.telegram_token, account_sid=options.account_sid, auth_token=options.auth_token,
        number=options.number, quiet=options.quiet, keep=options.keep, known_only=not options.any_chat,
        pace=options.pace, tunnel=tuple(options.tunnel) if options.tunnel else None,
    ) as vendors:  # fmt: skip
        vendors.sms.account.webhook = options.webhook
        app = web.Application(client_max_size=64 * 1024 * 1024)
        controls = Controls(vendors)
        app.add_routes(controls.routes("/control"))
        app.on_shutdown.append(controls.farewell)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", options.control_port)
        await site.start()
        ready = {
            "telegram_base": vendors.telegram_base, "twilio_base": vendors.twilio_base,
            "whatsapp_base": vendors.whatsapp_base,
            "control": f"http://127.0.0.1:{runner.addresses[0][1]}/control",
            "environment": vendors.environment() | vendors.whatsapp_environment(),
        }  # fmt: skip
        sys.stdout.write(orjson.dumps(ready).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()
        await runner.cleanup()


if __name__ == "__main__":
    main()
