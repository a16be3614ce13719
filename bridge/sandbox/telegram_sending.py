"""What the bot sends: checked and refused as Telegram does, and turned into a `Message`.

https://core.telegram.org/bots/api#sendmessage and its neighbours
"""

from __future__ import annotations

import secrets
from typing import Any

import orjson

from bridge.sandbox.feed import Json
from bridge.sandbox.telegram_chats import ApiError, Chat, Files, Stored, picture_size
from bridge.sandbox.vendor import Call, Upload
from bridge.text import utf16_length

TEXT_LIMIT, CAPTION_LIMIT = 4096, 1024
PHOTO_LIMIT, UPLOAD_LIMIT, DOWNLOAD_LIMIT = 10 * 1024 * 1024, 50 * 1024 * 1024, 20 * 1024 * 1024

# method (lower case) → the field that carries the file
FILE_METHODS = {
    "sendphoto": "photo", "sendvideo": "video", "sendanimation": "animation", "sendvoice": "voice",
    "sendaudio": "audio", "senddocument": "document", "sendsticker": "sticker", "sendvideonote": "video_note",
}  # fmt: skip
_MIMES = {
    "video": "video/mp4", "animation": "video/mp4", "voice": "audio/ogg", "audio": "audio/mpeg",
    "document": "application/octet-stream",
}  # fmt: skip


def text_content(call: Call) -> Json:
    """The content of sendMessage."""
    text = str(call.params.get("text", "")).strip()
    if not text:
        raise ApiError(400, "Bad Request: message text is empty")
    if utf16_length(text) > TEXT_LIMIT:
        raise ApiError(400, "Bad Request: message is too long")
    return {"text": text}


def file_content(call: Call, kind: str, files: Files, fetched: Upload | None = None) -> Json:
    """The content of sendPhoto and the like."""
    stored = _file(call, call.params.get(kind), kind, files, fetched)
    return {**described(kind, stored), **_caption(call.params)}


def album_contents(call: Call, files: Files) -> list[Json]:
    """The contents of sendMediaGroup, 2 to 10 files of one album."""
    items = parsed(call.params.get("media"), list)
    if not 2 <= len(items) <= 10:
        raise ApiError(400, "Bad Request: group send failed: an album has 2 to 10 files")
    album = str(secrets.randbits(54))
    return [
        {**described(item["type"], _file(call, item.get("media"), item["type"], files)), **_caption(item),
         "media_group_id": album}
        for item in items
    ]  # fmt: skip


def quoted(call: Call, chat: Chat) -> Json:
    """`reply_to_message`, where the call answers a message."""
    wanted = call.params.get("reply_parameters")
    parameters = parsed(wanted, dict) if wanted else {}
    number = parameters.get("message_id", call.params.get("reply_to_message_id"))
    if not number:
        return {}
    original = chat.messages.get(int(number))
    if original is not None:
        return {"reply_to_message": {k: v for k, v in original.items() if k != "reply_to_message"}}
    if parameters.get("allow_sending_without_reply") in (True, "true"):
        return {}
    raise ApiError(400, "Bad Request: message to be replied not found")


def described(kind: str, stored: Stored, **more: Any) -> Json:
    """A message's field for a file: `{"photo": [...]}`, `{"voice": {...}}`."""
    about, upload = stored.about(), stored.upload
    if kind == "photo":
        width, height = picture_size(upload.data)
        small = {**about, "file_unique_id": f"{about['file_unique_id'][:-1]}s"}
        return {"photo": [{**small, "width": max(1, width // 4), "height": max(1, height // 4)},
                          {**about, "width": width, "height": height}]}  # fmt: skip
    if kind == "sticker":
        return {"sticker": {**about, "type": "regular", "width": 512, "height": 512,
                            "is_animated": False, "is_video": False, "emoji": "👍", **more}}  # fmt: skip
    if kind == "video_note":
        return {"video_note": {**about, "length": 240, "duration": 2, **more}}
    made: Json = {**about, "mime_type": upload.mime or _MIMES.get(kind, "application/octet-stream")}
    if kind != "voice":
        made["file_name"] = upload.name
    if kind in ("video", "animation"):
        made |= {"width": 480, "height": 360}
    if kind in ("video", "animation", "voice", "audio"):
        made["duration"] = 2
    found = {kind: {**made, **more}}
    return {**found, "document": found[kind]} if kind == "animation" else found


def parsed(value: Any, kind: type) -> Any:
    """A parameter that is JSON, or text that is JSON."""
    try:
        found = orjson.loads(value) if isinstance(value, str | bytes) else value
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, kind):
        raise ApiError(400, "Bad Request: can't parse the parameter as JSON")
    return found


def _caption(source: Json) -> Json:
    caption = str(source.get("caption") or "")
    if utf16_length(caption) > CAPTION_LIMIT:
        raise ApiError(400, "Bad Request: message caption is too long")
    return {"caption": caption} if caption else {}


def _file(call: Call, value: Any, kind: str, files: Files, fetched: Upload | None = None) -> Stored:
    """The file that a parameter means: an upload, `attach://name`, or the id of a known file."""
    name = str(value or "")
    upload = fetched or call.files.get(name.removeprefix("attach://") if name else kind)
    if upload is None:
        stored = files.get(name)
        if stored is None:
            missing = "there is no file in the request" if not name else "wrong file identifier specified"
            raise ApiError(400, f"Bad Request: {missing}")
        return stored
    size = len(upload.data)
    if not size:
        raise ApiError(400, "Bad Request: file must be non-empty")
    if size > UPLOAD_LIMIT:
        raise ApiError(413, "Request Entity Too Large")
    if kind == "photo" and size > PHOTO_LIMIT:
        raise ApiError(
            400, f"Bad Request: file of size {size} bytes is too big for a photo; "
            f"the maximum size is {PHOTO_LIMIT} bytes",
        )  # fmt: skip
    return files.add(upload, f"{kind}s")
