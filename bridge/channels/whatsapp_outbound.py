"""A part of a reply as WhatsApp's Cloud API takes it.

https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bridge.models import File, Outbound

_DOCUMENTS = frozenset(
    {
        "application/pdf", "text/plain", "application/msword", "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    }
)  # fmt: skip
_AUDIO = frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"})
_MEGABYTE = 1_000_000


class Shown(NamedTuple):
    """How WhatsApp shows a type of file: the name of its message, and the largest that it takes, in bytes."""

    kind: str
    largest: int


# https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
_SHOWN = {
    **dict.fromkeys(("image/jpeg", "image/png"), Shown("image", 5 * _MEGABYTE)),
    **dict.fromkeys(("video/mp4", "video/3gpp"), Shown("video", 16 * _MEGABYTE)),
    **dict.fromkeys(_AUDIO, Shown("audio", 16 * _MEGABYTE)),
    **dict.fromkeys(_DOCUMENTS, Shown("document", 100 * _MEGABYTE)),
}


def shown_as(part: Outbound, file: File) -> str | None:
    """The kind of message that a file is uploaded for; `None` if WhatsApp has to fetch it by its link.

    A sound has no words with it, so with words it goes as a document.
    """
    shown = _SHOWN.get(file.mime)
    if shown is None or file.size > shown.largest:
        return None
    return "document" if shown.kind == "audio" and part.text else shown.kind


def message(part: Outbound, kind: str = "text", media: dict[str, str] | None = None) -> dict[str, Any]:
    """The body of the call: text alone, or one file (`{"id": …}` or `{"link": …}`) with its caption."""
    made: dict[str, Any] = {"type": kind, **_recipient(part.urn), "biz_opaque_callback_data": part.message_id}
    if part.reply_to.startswith("wamid."):  # a message of another channel cannot be quoted here
        made["context"] = {"message_id": part.reply_to}
    if media is None:
        return made | {"text": {"body": part.text}}
    content = dict(media)
    if part.text:
        content["caption"] = part.text
    if kind == "document":
        content["filename"] = part.files[0].name or "file"
    return made | {kind: content}


def _recipient(urn: str) -> dict[str, str]:
    """A number, or the id that a customer who hides it has for this business.

    Such an id in `to` would be taken for a number: accepted, and delivered to nobody. See
    https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
    """
    name = urn.removeprefix("whatsapp:")
    return {"to": name.removeprefix("+")} if name.startswith("+") else {"recipient": name}
