"""What the Graph API shows of a WhatsApp number, apart from sending: the number, templates, files.

https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account-to-number-current-status
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from bridge.sandbox.feed import Json
from bridge.sandbox.vendor import Answer, Call
from bridge.sandbox.whatsapp_account import Account
from bridge.sandbox.whatsapp_messages import GraphError
from bridge.sandbox.whatsapp_sending import check_upload

_USUAL = (
    "verified_name", "code_verification_status", "display_phone_number", "quality_rating", "platform_type",
    "throughput", "webhook_configuration",
)  # fmt: skip


class Api:
    """Reads and uploads of one account. `url` is asked when needed: where the files lie."""

    def __init__(self, account: Account, business: str, url: Callable[[], str]) -> None:
        self._account, self._business, self._url = account, business, url
        number, owner = account.phone_number_id, account.business_id
        self._routes: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
            ("POST", rf"{number}/media", self._upload),
            ("GET", number, self._number),
            ("GET", rf"{owner}/message_templates", self._templates),
            ("GET", rf"{owner}/subscribed_apps", self._subscribed),
            ("GET", r"(\d+)", self._media),
            ("DELETE", r"(\d+)", self._delete),
        )

    def answer(self, call: Call) -> Answer:
        """The object asked for; `GraphError` with 100 and subcode 33 where there is none."""
        for method, pattern, handler in self._routes:
            found = re.fullmatch(pattern, call.target)
            if found and method == call.method:
                return handler(call, *found.groups())
        raise _missing(call)

    def download(self, media_id: str) -> Answer:
        """The bytes behind a file's address."""
        upload = self._account.files.get(media_id)
        if upload is None:
            return Answer(status=404)
        return Answer(
            body=upload.data, content_type=upload.mime or "application/octet-stream", note=upload.name
        )

    def _upload(self, call: Call) -> Answer:
        upload = call.files.get("file")
        if call.params.get("messaging_product") != "whatsapp" or upload is None:
            missing = "messaging_product" if upload else "file"
            raise GraphError(100, message=f"(#100) The parameter {missing} is required.")
        check_upload(upload)
        return Answer(body={"id": self._account.upload(upload)}, note=upload.name)

    def _number(self, call: Call) -> Answer:
        account = self._account
        webhook = {"application": account.webhook} if account.webhook else {}
        able = {"can_send_message": "AVAILABLE"}
        known: Json = {
            "verified_name": self._business, "code_verification_status": "VERIFIED",
            "display_phone_number": account.number, "quality_rating": "GREEN", "platform_type": "CLOUD_API",
            "throughput": {"level": "STANDARD"}, "webhook_configuration": webhook, "status": "CONNECTED",
            "name_status": "APPROVED", "account_mode": "LIVE", "messaging_limit_tier": "TIER_1K",
            "health_status": {
                **able, "entities": [
                    {"entity_type": "PHONE_NUMBER", "id": account.phone_number_id, **able},
                    {"entity_type": "WABA", "id": account.business_id, **able},
                ],
            },
        }  # fmt: skip
        asked = str(call.params.get("fields") or "")
        names = [name for name in re.split(r"[,\s]+", asked) if name and name != "id"] if asked else _USUAL
        for name in names:
            if name not in known:
                raise GraphError(
                    100, message=f"(#100) Tried accessing nonexisting field ({name}) on node type "
                    "(WhatsAppBusinessPhoneNumber)",
                )  # fmt: skip
        return Answer(body={**{name: known[name] for name in names}, "id": account.phone_number_id})

    def _templates(self, call: Call) -> Answer:
        items: list[Json] = [
            {
                "name": name, "language": known["language"], "status": "APPROVED",
                "category": known["category"], "id": str(10**14 + number),
                "components": [{"type": "BODY", "text": known["text"]}],
            }
            for number, (name, known) in enumerate(self._account.templates.items())
        ]  # fmt: skip
        wanted = call.params.get("name")
        return _list([item for item in items if wanted in (None, "", item["name"])])

    def _subscribed(self, call: Call) -> Answer:
        app = {"whatsapp_business_api_data": {"id": "1", "name": self._business, "link": ""}}
        return _list([app] if self._account.webhook else [])

    def _media(self, call: Call, media_id: str) -> Answer:
        upload = self._account.files.get(media_id)
        if upload is None:
            raise _missing(call)
        body = {
            "messaging_product": "whatsapp", "id": media_id, "mime_type": upload.mime,
            "url": f"{self._url()}/whatsapp_business/attachments/?mid={media_id}",
            "sha256": hashlib.sha256(upload.data).hexdigest(), "file_size": len(upload.data),
        }  # fmt: skip
        return Answer(body=body, note=upload.name)

    def _delete(self, call: Call, media_id: str) -> Answer:
        if self._account.files.pop(media_id, None) is None:
            raise _missing(call)
        return Answer(body={"success": True})


def _list(items: list[Any]) -> Answer:
    """The only page of a list."""
    return Answer(body={"data": items, "paging": {"cursors": {"before": "QVFI", "after": "QVFI"}}})


def _missing(call: Call) -> GraphError:
    name = call.target.partition("/")[0]
    return GraphError(
        100, subcode=33, message=f"Unsupported {call.method.lower()} request. Object with ID '{name}' does "
        "not exist, cannot be loaded due to missing permissions, or does not support this operation",
    )  # fmt: skip
