"""Telegram as a bot sees it: customers who write to its webhook, and the Bot API that it answers on.

Both in this one process: one clock, and so lean that they are never what limits a measurement.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from benchmarks.http import first_message

TOKEN = "1234567890:AAbenchbenchbenchbenchbenchbenchbench12"
SECRET = "a-secret-that-only-telegram-and-the-bot-know"

# One message in so many is the first of a new customer.
_NEW_CUSTOMER = 10
_UPDATE = (
    b'{"update_id":%d,"message":{"message_id":%d,"from":{"id":%d,"is_bot":false,"first_name":"Giulia",'
    b'"last_name":"Rossi","username":"giulia_%d","language_code":"it"},"chat":{"id":%d,'
    b'"first_name":"Giulia","last_name":"Rossi","username":"giulia_%d","type":"private"},"date":%d,'
    b'"text":"Buongiorno, a che punto e il mio ordine %d? Aspetto da lunedi."}}'
)
_WEBHOOK = (
    b"POST /webhooks/telegram HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"X-Telegram-Bot-Api-Secret-Token: " + SECRET.encode() + b"\r\n"
    b"Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n%b"
)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n"
    b'Content-Length: %d\r\n\r\n{"ok":true,"result":%b}'
)
_SENT = (
    b'{"message_id":%d,"from":{"id":1234567890,"is_bot":true,"first_name":"Bench","username":"bench_bot"},'
    b'"chat":{"id":%b,"first_name":"Giulia","username":"giulia","type":"private"},"date":%d,"text":"Ok"}'
)
_ME = b'{"id":1234567890,"is_bot":true,"first_name":"Bench","username":"bench_bot"}'
_CHAT = re.compile(rb"chat_id=(\d+)")
_NUMBER = re.compile(rb"ordine(?:\+|%20)(\d+)")


class Customers:
    """They never stop writing: the n-th message has `n` in its text, and an echo of it too."""

    def __init__(self) -> None:
        self.written = 0
        self._chance = random.Random(1)

    def write(self) -> bytes:
        """The webhook of the next message."""
        number = self.written
        self.written += 1
        newest = number // _NEW_CUSTOMER
        chat = 10_000_000 + (self._chance.randrange(newest + 1) if number % _NEW_CUSTOMER else newest)
        update = _UPDATE % (
            500_000_000 + number, number + 1, chat, chat, chat, chat, int(time.time()), number,
        )  # fmt: skip
        return _WEBHOOK % (len(update), update)


class BotApi:
    """The Bot API for one bot: notes when the reply to each message came."""

    def __init__(self) -> None:
        self.port = 0
        self.calls: set[bytes] = set()
        self.replies = 0
        self.replied_at = array("d")
        self.wanted = 0
        self.complete = asyncio.Event()

    def expect(self, count: int) -> None:
        """`complete` is set when so many more replies have come."""
        self.wanted = self.replies + count
        self.complete.clear()

    def answer(self, head: bytes, body: bytes) -> bytes:
        """The whole response to one call."""
        method = head.partition(b" HTTP/")[0].rpartition(b"/")[2]
        self.calls.add(method)
        if method == b"sendMessage":
            result = self._sent(body)
        else:
            result = _ME if method == b"getMe" else b"true"
        return _ANSWER % (len(result) + 21, result)

    def _sent(self, body: bytes) -> bytes:
        chat, number = _CHAT.search(body), _NUMBER.search(body)
        assert chat and number, body
        index = int(number[1])
        if index >= len(self.replied_at):
            self.replied_at.extend([0.0] * (index + 1_000 - len(self.replied_at)))
        self.replied_at[index] = time.perf_counter()
        self.replies += 1
        if self.replies == self.wanted:
            self.complete.set()
        return _SENT % (self.replies, chat[1], int(time.time()))


class _Call(asyncio.Protocol):
    """One connection of the bot."""

    def __init__(self, api: BotApi) -> None:
        self._api = api
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while found := first_message(self._buffer):
            head, body, self._buffer = found
            self._transport.write(self._api.answer(head, body))


@asynccontextmanager
async def bot_api() -> AsyncIterator[BotApi]:
    """A Bot API that listens on a free port of loopback."""
    api = BotApi()
    server = await asyncio.get_running_loop().create_server(lambda: _Call(api), "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()
