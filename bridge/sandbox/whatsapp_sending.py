"""What the business sends: checked and refused as the Cloud API does.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bridge.sandbox.feed import Json
from bridge.sandbox.vendor import Upload
from bridge.sandbox.whatsapp_account import Account
from bridge.sandbox.whatsapp_messages import GraphError

TEXT_LIMIT, CAPTION_LIMIT, BUTTON_LIMIT, OPAQUE_LIMIT = 4096, 1024, 20, 512
FILE_KINDS = ("image", "video", "audio", "document", "sticker")
_MB = 1024 * 1024
_LARGEST = {"image": 5 * _MB, "video": 16 * _MB, "audio": 16 * _MB, "document": 100 * _MB}
_TYPES = {
    "image/jpeg": "image", "image/png": "image", "image/webp": "image",
    "video/mp4": "video", "video/3gpp": "video",
    "audio/aac": "audio", "audio/amr": "audio", "audio/mpeg": "audio", "audio/mp4": "audio",
    "audio/ogg": "audio",
    "text/plain": "document", "application/pdf": "document", "application/msword": "document",
    "application/vnd.ms-excel": "document", "application/vnd.ms-powerpoint": "document",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "document",
}  # fmt: skip


def content(params: Json, account: Account) -> tuple[str, Any]:
    """The kind and the content of a send; `GraphError` as WhatsApp refuses it."""
    if params.get("messaging_product") != "whatsapp":
        raise GraphError(100, message="(#100) The parameter messaging_product is required.")
    kind = str(params.get("type") or "text")
    check = _CHECKS.get(kind)
    if check is None:
        raise _invalid("type", f"must be one of {{{', '.join(_CHECKS).upper()}}}")
    if not params.get(kind):
        raise GraphError(131008, f"Parameter '{kind}' is mandatory for type '{kind}'")
    if len(str(params.get("biz_opaque_callback_data") or "")) > OPAQUE_LIMIT:
        raise _invalid("biz_opaque_callback_data", f"must be at most {OPAQUE_LIMIT} characters long.")
    try:
        return kind, check(kind, params[kind], account)
    except (AttributeError, IndexError, KeyError, TypeError):
        raise GraphError(131009, f"Parameter '{kind}' is not shaped as its type wants it") from None


def check_upload(upload: Upload) -> None:
    """A file as WhatsApp takes it: one of its types, not empty, not too large."""
    mime = upload.mime.partition(";")[0]
    if mime not in _TYPES:
        raise _invalid("file", f"must be a file with one of the following types: {', '.join(_TYPES)}.")
    if not 0 < len(upload.data) <= _LARGEST[_TYPES[mime]]:
        raise GraphError(131053, "The file is empty, or larger than its type may be.")


def filled(text: str, components: list[Json]) -> str:
    """A template's text with the parameters of its body; another number of them is refused."""
    given = [item for part in components if part.get("type") == "body" for item in part.get("parameters", [])]
    wanted = len(set(re.findall(r"{{\d+}}", text)))
    if len(given) != wanted:
        raise GraphError(
            132000, f"body: number of localizable_params ({len(given)}) does not match the expected "
            f"number of params ({wanted})",
        )  # fmt: skip
    for number, item in enumerate(given, 1):
        text = text.replace(f"{{{{{number}}}}}", str(item["text"]))
    return text


def _text(_: str, given: Json, __: Account) -> Json:
    _within("text['body']", given["body"], TEXT_LIMIT)
    return given


def _file(kind: str, given: Json, account: Account) -> Json:
    _within(f"{kind}['caption']", given.get("caption") or "-", CAPTION_LIMIT)
    media_id, link = str(given.get("id") or ""), str(given.get("link") or "")
    if not media_id and not link.startswith(("http://", "https://")):
        raise GraphError(131008, f"Parameter '{kind}' needs an id or a link")
    if not media_id:
        return given
    upload = account.files.get(media_id)
    if upload is None:
        raise GraphError(
            100,
            message=f"(#100) Param {kind}['id'] is not a valid whatsapp business account media attachment ID",
        )
    return {**given, "mime_type": upload.mime, "filename": given.get("filename") or upload.name}


def _location(_: str, given: Json, __: Account) -> Json:
    if abs(float(given["latitude"])) > 90 or abs(float(given["longitude"])) > 180:
        raise GraphError(131009, "The place is not on earth")
    return given


def _contacts(_: str, given: list[Json], __: Account) -> list[Json]:
    if not all(card["name"]["formatted_name"] for card in given):
        raise GraphError(131008, "A contact needs a formatted_name")
    return given


def _reaction(_: str, given: Json, account: Account) -> Json:
    if account.get(str(given["message_id"])) is None:
        raise GraphError(131009, "The message to react to does not exist")
    return {"emoji": "", **given}


def _interactive(_: str, given: Json, __: Account) -> Json:
    if given["type"] != "button":
        raise _invalid("interactive['type']", "must be one of {BUTTON}.")
    _within("interactive['body']['text']", given["body"]["text"], CAPTION_LIMIT)
    buttons = [button["reply"] for button in given["action"]["buttons"]]
    if not 1 <= len(buttons) <= 3:
        raise GraphError(131009, "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3")
    for button in buttons:
        _within("interactive['action']['buttons']['reply']['title']", button["title"], BUTTON_LIMIT)
    if len({button["id"] for button in buttons}) < len(buttons):
        raise GraphError(131009, "Buttons with duplicated ids")
    return given


def _template(_: str, given: Json, account: Account) -> Json:
    known = account.templates.get(given["name"])
    if known is None or known["language"] != given["language"]["code"]:
        raise GraphError(
            132001, f"template name ({given['name']}) does not exist in {given['language']['code']}"
        )
    return {**given, "body": filled(known["text"], given.get("components") or [])}


def _within(name: str, text: Any, limit: int) -> None:
    if not str(text).strip():
        raise GraphError(131008, f"{name} must not be empty")
    if len(str(text)) > limit:
        raise _invalid(name, f"must be at most {limit} characters long.")


def _invalid(name: str, why: str) -> GraphError:
    return GraphError(100, message=f"(#100) Param {name} {why}")


_CHECKS: Mapping[str, Callable[[str, Any, Account], Any]] = {
    "text": _text, **dict.fromkeys(FILE_KINDS, _file), "location": _location, "contacts": _contacts,
    "reaction": _reaction, "interactive": _interactive, "template": _template,
}  # fmt: skip
