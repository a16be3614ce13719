"""What an update is when it is none of the messages that Bridge shows in full.

The Bot API names some eighty fields of a message (https://core.telegram.org/bots/api#message).
Those that Telegram writes itself make no entry; everything else is a placeholder that names its
kind, so a kind that is new tomorrow is shown tomorrow.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from bridge.models import Event, Ignored, Inbound


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Fields that say something about a message and are none by themselves.
_ABOUT = _names("""
    message_id message_thread_id direct_messages_topic from sender_chat sender_boost_count sender_business_bot
    sender_tag date guest_query_id business_connection_id chat forward_origin is_topic_message
    is_automatic_forward reply_to_message external_reply quote reply_to_story reply_to_checklist_task_id
    reply_to_poll_option_id via_bot guest_bot_caller_user guest_bot_caller_chat edit_date
    has_protected_content is_from_offline is_paid_post media_group_id author_signature paid_star_count
    entities link_preview_options suggested_post_info effect_id caption caption_entities
    show_caption_above_media has_media_spoiler reply_markup receiver_user ephemeral_message_id
    forward_date forward_from forward_from_chat forward_from_message_id forward_sender_name forward_signature
""")

# Notices that Telegram's clients write about a chat: no customer said anything.
_NOTICES = _names("""
    new_chat_members new_chat_member new_chat_participant left_chat_member left_chat_participant
    chat_owner_left chat_owner_changed new_chat_title new_chat_photo delete_chat_photo group_chat_created
    supergroup_chat_created channel_chat_created message_auto_delete_timer_changed migrate_to_chat_id
    migrate_from_chat_id pinned_message successful_payment refunded_payment gift unique_gift
    gift_upgrade_sent connected_website write_access_allowed proximity_alert_triggered boost_added
    chat_background_set checklist_tasks_done checklist_tasks_added direct_message_price_changed
    forum_topic_created forum_topic_edited forum_topic_closed forum_topic_reopened
    general_forum_topic_hidden general_forum_topic_unhidden giveaway_created giveaway_completed
    managed_bot_created paid_message_price_changed poll_option_added poll_option_deleted
    suggested_post_approved suggested_post_approval_failed suggested_post_declined suggested_post_paid
    suggested_post_refunded video_chat_scheduled video_chat_started video_chat_ended
    video_chat_participants_invited community_chat_added community_chat_removed community_chat_joined
""")

# What a customer can send and Bridge cannot show: known, so nobody has to look at the raw update.
_PLACEHOLDERS = _names("""
    rich_message paid_media story checklist game invoice giveaway giveaway_winners web_app_data
    users_shared user_shared chat_shared passport_data
""")

# Updates that are no message to the bot. They are not asked for; an old setting may still send them.
_OTHER_UPDATES = _names("""
    channel_post edited_channel_post business_connection business_message edited_business_message
    deleted_business_messages guest_message message_reaction message_reaction_count inline_query
    chosen_inline_result callback_query shipping_query pre_checkout_query purchased_paid_media poll
    poll_answer chat_member chat_join_request chat_boost removed_chat_boost managed_bot subscription
    stopped_message_generation
""")


class Look(NamedTuple):
    """A message of another kind: its name at Telegram, its words and whether they are all of it,
    and why a person should look at the raw update.
    """

    kind: str
    text: str
    whole: bool = False
    parked: str = ""


def look_at(message: dict[str, Any]) -> Look | None:
    """The placeholder for a message without content that Bridge knows; nothing for a notice."""
    content = [name for name in message if name not in _ABOUT]
    known = next((name for name in content if name in _PLACEHOLDERS), None)
    if known:
        words = _words(known, message)
        return Look(known, words, whole=known == "rich_message" and bool(words))
    if any(name in _NOTICES for name in content):
        return None
    kind = content[0] if content else "empty"
    return Look(kind, _words(kind, message), parked=f"A message of a kind that is not known: {kind}")


def other_update(update: dict[str, Any], key: str, raw: str) -> Ignored:
    """An update that is no message. One of an unknown kind is kept for a person to look at."""
    names = [name for name in update if name != "update_id"]
    if names and all(name in _OTHER_UPDATES for name in names):
        return Ignored(key=key)
    kind = next((name for name in names if name not in _OTHER_UPDATES), "empty")
    return Ignored(key=key, raw=raw, parked=f"An update of a kind that is not known: {kind}")


def unreadable(update: dict[str, Any], raw: str, problem: str) -> Event:
    """A poison update: parked, and shown in its customer's thread when it says whose that is."""
    number = update.get("update_id")
    key = f"update:{number if _is_id(number) else hashlib.sha256(raw.encode()).hexdigest()}"
    parked = f"An update that cannot be read: {problem}"
    message = _dict(update.get("message"))
    chat = _dict(message.get("chat"))
    if chat.get("type") != "private" or not _is_id(chat.get("id")):
        return Ignored(key=key, raw=raw, parked=parked)
    sender = _dict(message.get("from"))
    names = (sender.get("first_name"), sender.get("last_name"))
    words = (message.get("text"), message.get("caption"))
    return Inbound(
        key=key, urn=f"telegram:{chat['id']}", kind="unsupported", data={"kind": "unreadable"},
        external_id=f"{chat['id']}:{message['message_id']}" if _is_id(message.get("message_id")) else "",
        text=next((text for text in words if isinstance(text, str)), ""),
        name=" ".join(name for name in names if isinstance(name, str)), raw=raw, parked=parked,
    )  # fmt: skip


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _words(kind: str, message: dict[str, Any]) -> str:
    """The words in a kind that is not shown in full."""
    value = message.get(kind)
    if kind == "rich_message":
        return _rich(value)
    if kind == "checklist":
        tasks = _list(_dict(value).get("tasks"))
        lines = [_dict(value).get("title"), *(f"• {_rich(task)}" for task in tasks)]
        return "\n".join(line for line in lines if isinstance(line, str))
    words = (message.get("caption"), _dict(value).get("title"), _dict(value).get("data"))
    return next((word for word in words if isinstance(word, str)), "")


def _rich(value: Any) -> str:
    """The plain words of rich text: https://core.telegram.org/bots/api#richtext."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_rich(piece) for piece in value)
    if not isinstance(value, dict):
        return ""
    inline = [_rich(value.get(name)) for name in ("summary", "text", "alternative_text", "caption")]
    blocks = [_rich(item) for name in ("blocks", "items") for item in _list(value.get(name))]
    rows = [" ".join(_rich(cell) for cell in _list(row)) for row in _list(value.get("cells"))]
    return "\n".join(filter(None, inline + blocks + rows))
