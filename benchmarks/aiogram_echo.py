"""aiogram's own dispatcher, webhook to answer, with no store at all. `IN_BACKGROUND=1`: its default."""

from __future__ import annotations

import os

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web

from benchmarks.bare import answer, serve

dispatcher = Dispatcher()


@dispatcher.message()
async def _echo(message: Message) -> None:
    await message.answer(message.text or "")


if __name__ == "__main__":
    api = TelegramAPIServer.from_base(os.environ["TELEGRAM_API_BASE"])
    bot = Bot(os.environ["TELEGRAM_BOT_TOKEN"], session=AiohttpSession(api=api))
    app = web.Application()
    app.router.add_get("/readyz", answer)
    SimpleRequestHandler(
        dispatcher, bot, handle_in_background=bool(os.environ.get("IN_BACKGROUND")),
        secret_token=os.environ["TELEGRAM_WEBHOOK_SECRET"],
    ).register(app, "/webhooks/telegram")  # fmt: skip
    serve(app)
