"""A stand-in for Telegram's Bot API over real HTTP: aiogram talks to it unchanged.

https://core.telegram.org/bots/api
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
from aiohttp import web

from bridge.sandbox import telegram_kinds, telegram_sending
from bridge.sandbox.feed import Feed, Json, Wire
from bridge.sandbox.postman import Postman
from bridge.sandbox.telegram_chats import ApiError, Chat, Chats, Files
from bridge.sandbox.telegram_updates import Updates, allowed_updates
from bridge.sandbox.vendor import Answer, Call, Mode, Upload, Vendor

_NGINX = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n</body>\r\n</html>\r\n"


class Telegram(Vendor):
    """One bot with its chats. `say` is what a customer does, `sent` what the bot sent."""

    channel, repeats = "telegram", True

    def __init__(
        self, feed: Feed, wire: Wire, post: Postman, *,
        port: int, keep: int, business: str, token: str, known_only: bool,
    ) -> None:  # fmt: skip
        super().__init__(feed, wire, post, port=port, keep=keep)
        self.token = token or f"{secrets.randbelow(9 * 10**9) + 10**9}:AA{secrets.token_urlsafe(25)[:33]}"
        self.chats = Chats(known_only=known_only)
        self.files = Files()
        self.updates = Updates(wire, post, self.delivers)
        handle = "".join(ch for ch in business.lower() if ch.isascii() and ch.isalnum()) or "shop"
        self.bot: Json = {
            "id": int(self.token.partition(":")[0]), "is_bot": True, "first_name": business,
            "username": f"{handle}_bot",
        }  # fmt: skip
        self._methods: dict[str, Callable[[Call], Awaitable[tuple[Any, str]]]] = {
            "getme": self._get_me, "getupdates": self._get_updates, "setwebhook": self._set_webhook,
            "deletewebhook": self._delete_webhook, "getwebhookinfo": self._webhook_info,
            "sendmessage": self._send_message, "sendmediagroup": self._send_album,
            "sendchataction": self._typing, "getfile": self._get_file, "editmessagetext": self._edit,
            **dict.fromkeys(telegram_sending.FILE_METHODS, self._send_file),
        }  # fmt: skip

    async def say(self, text: str = "", *, kind: str = "text", chat_id: int = 1001, **more: Any) -> Json:
        """A customer does something; the update that came of it (an album has all in `updates`).

        `more` is what `telegram_kinds.Said` takes; what cannot be done is a `ValueError`.
        """
        said = telegram_kinds.Said(text=text, kind=kind, chat_id=chat_id, **more)
        made = [self._take(u) for u in telegram_kinds.updates(said, self.bot, self.chats, self.files)]
        return {**made[0], "updates": made} if len(made) > 1 else made[0]

    async def settled(self, within: float = 10) -> None:
        """Wait until the bot has confirmed every update; `TimeoutError` when it does not."""
        await self.updates.settled(within)

    def reset(self) -> None:
        """Forget chats, files and waiting updates; the webhook stays."""
        self.chats.clear()
        self.files.clear()
        self.updates.clear()
        self.forget_sent()

    def state(self) -> Json:
        """`{name, username, webhook, chats: {id: {...}}}`."""
        chats = {str(chat.id): chat.view() for chat in self.chats}
        return {"name": self.bot["first_name"], "username": self.bot["username"],
                "webhook": self.updates.info(), "chats": chats}  # fmt: skip

    def released(self) -> None:
        """End the wait of who polls."""
        if self.delivers.is_set():
            self.updates.release()

    async def close(self) -> None:
        """Stop deliveries and listening."""
        await self.updates.close()
        await super().close()

    async def read(self, request: web.BaseRequest) -> Call:
        """`/bot<token>/<method>` with a query, a form, JSON or multipart; or `/file/bot<token>/<path>`."""
        path = unquote(request.raw_path.partition("?")[0])
        if path.startswith("/file/bot"):
            token, _, rest = path.removeprefix("/file/bot").partition("/")
            return Call(name=f"GET /file/{rest}", params={}, target=token, method="file")
        token, _, name = path.removeprefix("/bot").partition("/")
        params: Json = dict(request.query)
        files: dict[str, Upload] = {}
        try:
            params |= await _body(request, files)
        except (ValueError, orjson.JSONDecodeError):
            return Call(name=name, params={}, target=token, method="unreadable")
        method = name.lower()
        sends = method.startswith(("send", "edit")) and method != "sendchataction"
        return Call(name=name, params=params, files=files, target=token, method=method, sends=sends,
                    polls=method == "getupdates")  # fmt: skip

    async def answer(self, call: Call) -> Answer:
        """The Bot API's `{ok, result}` or `{ok: false, error_code, description, parameters}`."""
        if not secrets.compare_digest(call.target.encode(), self.token.encode()):
            shaped = call.target.partition(":")[0].isdigit()
            return _refusal(ApiError(401, "Unauthorized") if shaped else ApiError(404, "Not Found"))
        if call.method == "file":
            return self._download(call.name.removeprefix("GET /file/"))
        if call.method == "unreadable":
            return _refusal(ApiError(400, "Bad Request: can't parse the request"))
        method = self._methods.get(call.method)
        if method is None:
            return _refusal(ApiError(404, "Not Found: method not found"))
        try:
            result, note = await method(call)
        except ApiError as error:
            return _refusal(error)
        except (KeyError, TypeError, ValueError) as error:
            return _refusal(ApiError(400, f"Bad Request: invalid parameter: {error}"))
        quiet = call.method == "getupdates" and not result
        return Answer(body={"ok": True, "result": result}, note=note, quiet=quiet)

    def broken(self, mode: Mode) -> Answer:
        """429 with `retry_after`, or nginx's HTML 502 that Telegram's front answers with."""
        if mode == "429":
            wait = self.knobs.retry_after
            return _refusal(ApiError(429, f"Too Many Requests: retry after {wait}", retry_after=wait))
        return Answer(status=502, body=_NGINX, content_type="text/html", note="Bad Gateway")

    # Methods. Each answers its result and a note for the wire.
    async def _get_me(self, _: Call) -> tuple[Any, str]:
        more = {"can_join_groups": True, "can_read_all_group_messages": False,
                "supports_inline_queries": False}  # fmt: skip
        return {**self.bot, **more}, f"@{self.bot['username']}"

    async def _get_updates(self, call: Call) -> tuple[Any, str]:
        asked = call.params
        found = await self.updates.poll(
            int(asked.get("offset") or 0), min(max(int(asked.get("limit") or 100), 1), 100),
            float(asked.get("timeout") or 0), allowed_updates(asked.get("allowed_updates")),
        )  # fmt: skip
        return found, f"{len(found)} new"

    async def _set_webhook(self, call: Call) -> tuple[Any, str]:
        asked = call.params
        told = self.updates.set_webhook(
            str(asked.get("url") or ""), str(asked.get("secret_token") or ""),
            connections=min(max(int(asked.get("max_connections") or 40), 1), 100),
            allowed=allowed_updates(asked.get("allowed_updates")),
            drop=_true(asked.get("drop_pending_updates")),
        )  # fmt: skip
        return True, told

    async def _delete_webhook(self, call: Call) -> tuple[Any, str]:
        drop = _true(call.params.get("drop_pending_updates"))
        return True, self.updates.set_webhook("", "", connections=1, allowed=None, drop=drop)

    async def _webhook_info(self, _: Call) -> tuple[Any, str]:
        return self.updates.info(), ""

    async def _send_message(self, call: Call) -> tuple[Any, str]:
        chat = self.chats.to_send(call.params.get("chat_id"))
        return self._sends(call, chat, telegram_sending.text_content(call)), _to(chat)

    async def _send_file(self, call: Call) -> tuple[Any, str]:
        chat = self.chats.to_send(call.params.get("chat_id"))
        kind = telegram_sending.FILE_METHODS[call.method]
        fetched = await self._fetched(call.params.get(kind))
        content = telegram_sending.file_content(call, kind, self.files, fetched)
        return self._sends(call, chat, content), _to(chat)

    async def _send_album(self, call: Call) -> tuple[Any, str]:
        chat = self.chats.to_send(call.params.get("chat_id"))
        contents = telegram_sending.album_contents(call, self.files)
        return [self._sends(call, chat, content) for content in contents], _to(chat)

    async def _edit(self, call: Call) -> tuple[Any, str]:
        chat = self.chats.to_send(call.params.get("chat_id"))
        message = chat.messages.get(int(call.params.get("message_id") or 0))
        if message is None or message["from"] != self.bot:
            raise ApiError(400, "Bad Request: message to edit not found")
        content = telegram_sending.text_content(call)
        if message.get("text") == content["text"]:
            raise ApiError(400, "Bad Request: message is not modified")
        message |= {**content, "edit_date": message["date"]}
        self._show(chat, message)
        return message, _to(chat)

    async def _typing(self, call: Call) -> tuple[Any, str]:
        chat = self.chats.to_send(call.params.get("chat_id"))
        self.feed.tell("typing", vendor=self.channel, chat_id=chat.id)
        return True, _to(chat)

    async def _get_file(self, call: Call) -> tuple[Any, str]:
        stored = self.files.get(str(call.params.get("file_id")))
        if stored is None:
            raise ApiError(400, "Bad Request: invalid file_id")
        if len(stored.upload.data) > telegram_sending.DOWNLOAD_LIMIT:
            raise ApiError(400, "Bad Request: file is too big")
        return {**stored.about(), "file_path": stored.path}, stored.path

    def _download(self, path: str) -> Answer:
        stored = self.files.at(path)
        if stored is None:
            return _refusal(ApiError(404, "Not Found"))
        return Answer(body=stored.upload.data, content_type="application/octet-stream")

    async def _fetched(self, value: Any) -> Upload | None:
        """A file that the bot offers by link; Telegram fetches it itself."""
        url = str(value or "")
        if not url.startswith(("http://", "https://")):
            return None
        reply = await self.post.get(url, within=10)
        if not reply.ok:
            raise ApiError(400, "Bad Request: failed to get HTTP URL content")
        return Upload(url.partition("?")[0].rpartition("/")[2] or "file", "", reply.body)

    def _sends(self, call: Call, chat: Chat, content: Json) -> Json:
        message = chat.message(self.bot, {**content, **telegram_sending.quoted(call, chat)})
        self.record({"method": call.name, "chat_id": chat.id, "params": call.params, "message": message})
        self._show(chat, message)
        return message

    def _take(self, update: Json) -> Json:
        chat, message = telegram_kinds.subject(update)
        known = self.chats.enter(chat["id"], "") if chat.get("type") == "private" else None
        if known is not None:
            self._show(known, message)
        return self.updates.add(int(chat.get("id", 0)), update)

    def _show(self, chat: Chat, message: Json | None) -> None:
        if self.feed.watched:
            head = {k: v for k, v in chat.view().items() if k != "messages"}
            self.feed.tell("telegram", chat=head, message=message)


async def _body(request: web.BaseRequest, files: dict[str, Upload]) -> Json:
    """The parameters in the body; files go into `files`."""
    if request.content_type == "multipart/form-data":
        fields: Json = {}
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                data = await asyncio.to_thread(value.file.read)
                files[name] = Upload(value.filename, value.content_type, data)
            else:
                fields[name] = value
        return fields
    body = await request.read()
    if request.content_type == "application/json":
        return dict(orjson.loads(body)) if body else {}
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def _refusal(error: ApiError) -> Answer:
    body: Json = {"ok": False, "error_code": error.code, "description": error.description}
    if error.parameters:
        body["parameters"] = error.parameters
    return Answer(status=error.code, body=body, note=error.description)


def _to(chat: Chat) -> str:
    name = chat.who.get("username")
    return f"@{name}" if name else str(chat.who.get("first_name", chat.title))


def _true(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1")
