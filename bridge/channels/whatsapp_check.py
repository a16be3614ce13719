"""What `bridge check` makes of what WhatsApp says of a number.

https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-phone-number
"""

from __future__ import annotations

from typing import Any

from bridge.channels.shapes import as_dict, as_list
from bridge.models import Finding

FIELDS = "display_phone_number,verified_name,quality_rating,health_status,webhook_configuration"
_WHERE = "In Meta's App Dashboard, WhatsApp > Configuration"


def findings(number: dict[str, Any], wanted: str) -> list[Finding]:
    """The number's name, whether it may send, how customers like it, and whom Meta calls."""
    shown, name = number.get("display_phone_number") or "?", number.get("verified_name") or "no name yet"
    named = Finding(level="ok", what=f"WhatsApp: the number is {shown} ({name})")
    return [named, *_health(number), *_quality(number), _webhook(number, wanted)]


def _health(number: dict[str, Any]) -> list[Finding]:
    """`AVAILABLE`, `LIMITED` or `BLOCKED`; each thing that is in the way says why."""
    health = as_dict(number.get("health_status"))
    state = health.get("can_send_message")
    if state not in ("LIMITED", "BLOCKED"):
        return []
    blocked = state == "BLOCKED"
    entities = [as_dict(each) for each in as_list(health.get("entities"))]
    faults = [as_dict(fault) for entity in entities for fault in as_list(entity.get("errors"))]
    why = next((str(fault["error_description"]) for fault in faults if fault.get("error_description")), "")
    todo = next((str(fault["possible_solution"]) for fault in faults if fault.get("possible_solution")), "")
    what = (
        f"WhatsApp: the number may {'not send' if blocked else 'send only little'}{f': {why}' if why else ''}"
    )
    todo = todo or "See the account in Meta's WhatsApp Manager"
    return [Finding(level="error" if blocked else "warning", what=what, todo=todo)]


def _quality(number: dict[str, Any]) -> list[Finding]:
    rating = number.get("quality_rating")
    if rating not in ("YELLOW", "RED"):
        return []
    what = f"WhatsApp: the number's quality is {'low' if rating == 'RED' else 'medium'}"
    todo = "Customers block or report it: see WhatsApp Manager > Phone numbers > Insights"
    return [Finding(level="warning", what=what, todo=todo)]


def _webhook(number: dict[str, Any], wanted: str) -> Finding:
    """The number's own webhook goes before the account's, and that before the app's."""
    configured = as_dict(number.get("webhook_configuration"))
    order = ("phone_number", "whatsapp_business_account", "application")
    url = next((str(configured[name]) for name in order if configured.get(name)), "")
    if url == wanted:
        return Finding(level="ok", what=f"WhatsApp: calls {wanted}")
    todo = f"{_WHERE}, set the callback URL to {wanted} and subscribe to messages"
    return Finding(level="error", what=f"WhatsApp: calls {url or 'nothing'} instead of {wanted}", todo=todo)
