"""What Telegram's updates become: a table of real-shaped samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import BadRequest, BadWebhook, WrongType
from bridge.models import Aside, Edit, Event, Ignored, Inbound, Standing
from tests.channels.made import SAMPLES, SECRET, site, telegram, telegram_hook, update

WEBHOOK_SECRET = "the_secret-1"
CHAT = 5550101
URN = f"telegram:{CHAT}"


def parse(body: bytes | str, secret: str = WEBHOOK_SECRET) -> list[Event]:
    raw = body.encode() if isinstance(body, str) else body
    return telegram(TELEGRAM_WEBHOOK_SECRET=WEBHOOK_SECRET).parse(telegram_hook(raw, secret))


def only(name: str) -> Event:
    (event,) = parse(json.dumps(update(name)))
    return event


# sample → the fields that are particular to it
MESSAGES: dict[str, dict[str, Any]] = {
    "text": {"kind": "text", "text": "Buongiorno, avete ancora la borsa blu?"},
    "photo": {"kind": "image",
              "media": [("image", "AgACAgQAAxkBAAIBy", "image/jpeg", 184210, 1280, 960, None)]},
    "photo_caption": {"kind": "image", "text": "È arrivata così",
                      "data": {"entities": [{"offset": 0, "length": 1, "type": "italic"}]}},
    "live_photo": {"kind": "image", "media": [
        ("image", "AgACAgQAAxkBAAIBlp", "image/jpeg", 184210, 1280, 960, None),
        ("video", "LpAC1", "video/mp4", 912331, 1280, 960, 3)]},
    "video": {"kind": "video", "text": "Si chiude male",
              "media": [("video", "BAACAgQAAxkB1", "video/mp4", 3120044, 1280, 720, 12)]},
    "animation": {"kind": "animation",
                  "media": [("animation", "CgACAgQAAxkB1", "video/mp4", 120233, 480, 270, 3)]},
    "voice": {"kind": "voice", "media": [("voice", "AwACAgQAAxkB1", "audio/ogg", 28211, None, None, 7)]},
    "audio": {"kind": "audio", "media": [("audio", "CQACAgQAAxkB1", "audio/mpeg", 4120044, None, None, 184)]},
    "video_note": {"kind": "video", "media": [("video", "DQACAgQAAxkB1", "", 820044, 384, 384, 9)]},
    "document": {"kind": "document",
                 "media": [("document", "BQACAgQAAxkB1", "application/pdf", 48112, None, None, None)]},
    "sticker": {"kind": "sticker", "data": {"emoji": "👍"},
                "media": [("sticker", "CAACAgQAAxkB1", "image/webp", 18112, 512, 512, None)]},
    "sticker_video": {"kind": "sticker", "data": {"emoji": "🎉"},
                      "media": [("sticker", "CAACAgQAAxkB2", "video/webm", 28112, 512, 512, None)]},
    "location": {"kind": "location", "text": "", "data": {"latitude": 44.286633, "longitude": 11.883075}},
    "venue": {"kind": "location", "text": "Bottega Lume, Via Saffi 12, Faenza",
              "data": {"latitude": 44.2866, "longitude": 11.883,
                       "title": "Bottega Lume", "address": "Via Saffi 12, Faenza"}},
    "contact": {"kind": "contact", "text": "Luca Marini, +393331112233",
                "data": {"name": "Luca Marini", "phone": "+393331112233", "own": False}},
    "contact_own": {"kind": "contact",
                    "data": {"name": "Giulia Ferri", "phone": "+393331234567", "own": True}},
    "contact_forwarded": {"kind": "contact", "data": {
        "name": "Giulia", "phone": "+393331234567", "own": False, "forwarded_from": "Qualcuno"}},
    "poll": {"kind": "poll", "text": "Blu o verde?\n• Blu\n• Verde",
             "data": {"question": "Blu o verde?", "options": ["Blu", "Verde"]}},
    "dice": {"kind": "dice", "text": "🎲 4", "data": {"emoji": "🎲", "value": 4}},
    "album_1": {"kind": "image", "text": "Ecco i difetti", "album": f"{CHAT}:13594712345"},
    "album_2": {"kind": "image", "text": "", "album": f"{CHAT}:13594712345"},
    "reply": {"text": "Quella da 39 euro", "reply_to": f"{CHAT}:12", "quote": "Quale borsa intende?"},
    "reply_caption": {"text": "Questa", "reply_to": f"{CHAT}:14", "quote": "Il modello Sera"},
    "reply_quote": {"text": "Sì", "reply_to": f"{CHAT}:13", "quote": "La verde va bene?"},
    "reply_external": {"text": "Come questa", "reply_to": "", "quote": "La nuova collezione"},
    "forwarded_user": {"text": "Confermo per venerdì", "data": {"forwarded_from": "Sara Conti"}},
    "forwarded_channel": {"text": "Saldi da lunedì", "data": {"forwarded_from": "Lume News"}},
    "via_bot": {"text": "@gif ciao", "data": {}},
    "topic": {"text": "Nel tema ordini", "data": {}},
    "start": {"kind": "start", "text": "/start", "data": {"payload": ""}},
    "start_payload": {"kind": "start", "data": {"payload": "Ym9yc2EtYmx1_7-x"}},
    "start_words": {"kind": "text", "text": "/start adesso per favore"},
    "paid_media": {"kind": "unsupported", "text": "Solo per te", "data": {"kind": "paid_media"}},
    "story": {"kind": "unsupported", "data": {"kind": "story"}},
    "checklist": {"kind": "unsupported",
                  "text": "Da ordinare\n• Borsa blu\n• Cintura", "data": {"kind": "checklist"}},
    "game": {"kind": "unsupported", "text": "Lumberjack", "data": {"kind": "game"}},
    "web_app_data": {"kind": "unsupported", "text": '{"order":1042}', "data": {"kind": "web_app_data"}},
    "users_shared": {"kind": "unsupported", "data": {"kind": "users_shared"}},
    "rich_message": {"kind": "text", "text": "Reso\nOrdine 1042, grazie\nBorsa blu\nTaglia M",
                     "data": {"kind": "rich_message"}},
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_each_kind_becomes_one_message(name: str) -> None:
    """A customer's message of any kind is in the thread once, with what it says."""
    raw, event = update(name), only(name)
    assert isinstance(event, Inbound)
    message = raw["message"]
    assert event.key == f"update:{raw['update_id']}"
    assert event.external_id == f"{CHAT}:{message['message_id']}"
    assert (event.urn, event.name, event.handle) == (URN, "Giulia Ferri", "@giuliaferri")
    assert event.provider_at == message["date"] * 1000
    assert json.loads(event.raw) == raw
    assert event.parked == ""
    for field, expected in MESSAGES[name].items():
        found: Any = getattr(event, field)
        if field == "media":
            found = [(m.kind, m.ref, m.mime, m.size, m.width, m.height, m.duration) for m in event.media]
        assert found == expected, field


def test_formatting_keeps_offsets_and_links_only() -> None:
    """Entities are shown, so nothing else of Telegram's users travels along with them."""
    event = only("text_entities")
    assert isinstance(event, Inbound)
    assert event.data["entities"][0] == {"offset": 5, "length": 25, "type": "url"}
    assert {name for entity in event.data["entities"] for name in entity} == {"type", "offset", "length"}


def test_file_keeps_its_name() -> None:
    """An agent saves the receipt under the name the customer gave it."""
    event = only("document")
    assert isinstance(event, Inbound)
    assert event.media[0].name == "ricevuta ordine 1042.pdf"


def test_f24_edit_is_a_second_version() -> None:
    """Both versions are kept, so the edit names the message that it changes."""
    raw, event = update("edited"), only("edited")
    assert isinstance(event, Edit)
    assert event.external_id == f"{CHAT}:{raw['edited_message']['message_id']}"
    assert event.text == "Buongiorno, avete ancora la borsa verde?"


@pytest.mark.parametrize(
    ("name", "text", "data"),
    [
        ("edited_caption", "È arrivata rotta", {}),
        ("edited_location", "", {"latitude": 44.29, "longitude": 11.89}),
    ],
)
def test_edit_of_a_file_or_place(name: str, text: str, data: dict[str, Any]) -> None:
    """Captions and live positions change too."""
    event = only(name)
    assert isinstance(event, Edit)
    assert (event.text, event.data) == (text, data)


def test_f24_edit_of_a_picture_names_its_album() -> None:
    """Its message may be known by another picture's id."""
    raw = {"update_id": 1, "edited_message": update("album_2")["message"] | {"caption": "E il retro"}}
    (event,) = parse(json.dumps(raw))
    assert isinstance(event, Edit)
    assert (event.text, event.album) == ("E il retro", f"{CHAT}:13594712345")


@pytest.mark.parametrize(("name", "state"), [("blocked", "blocked"), ("unblocked", "open")])
def test_f17_blocking_the_bot_closes_the_address(name: str, state: str) -> None:
    """Telegram says so at once; nothing is sent to a closed address."""
    event = only(name)
    assert isinstance(event, Standing)
    assert (event.urn, event.state) == (URN, state)
    assert event.key == f"update:{update(name)['update_id']}"


@pytest.mark.parametrize(
    ("name", "group"),
    [("group_message", -1001870001), ("group_added", -1001870001), ("group_photo", -4110001)],
)
def test_group_is_told_once_that_nobody_reads_there(name: str, group: int) -> None:
    """The key is the group's, so the core says it once whatever is written there."""
    event = only(name)
    assert isinstance(event, Aside)
    assert (event.key, event.urn) == (f"group:{group}", f"telegram:{group}")
    assert "private" in event.text


@pytest.mark.parametrize(
    "name",
    ["group_removed", "group_joined", "group_edited", "channel_post", "pinned", "auto_delete", "write_access",
     "callback_query", "reaction"],
)  # fmt: skip
def test_notices_and_other_updates_make_no_message(name: str) -> None:
    """No customer said anything, and nobody has to look at it."""
    event = only(name)
    assert isinstance(event, Ignored)
    assert event.parked == ""


def test_f15_kind_of_tomorrow_is_a_placeholder_that_names_it() -> None:
    """A kind that Telegram adds later is seen, its raw update kept."""
    event = only("kind_of_tomorrow")
    assert isinstance(event, Inbound)
    assert (event.kind, event.data, event.text) == ("unsupported", {"kind": "hologram"}, "Guardate qui")
    assert "hologram" in event.parked
    assert json.loads(event.raw) == update("kind_of_tomorrow")


def test_update_of_tomorrow_is_kept_for_a_look() -> None:
    """It may matter, and it is no customer's message."""
    event = only("update_of_tomorrow")
    assert isinstance(event, Ignored)
    assert "telepathy" in event.parked
    assert json.loads(event.raw) == update("update_of_tomorrow")


@pytest.mark.parametrize(("name", "text"), [("poison_photo", "Questa foto"), ("poison_text", "")])
def test_f15_poison_update_is_shown_in_its_thread_and_parked(name: str, text: str) -> None:
    """What cannot be read is still one entry for its customer, and says where it is wrong."""
    event = only(name)
    assert isinstance(event, Inbound)
    assert (event.kind, event.urn, event.text) == ("unsupported", URN, text)
    assert event.parked.startswith("An update that cannot be read: message.")
    assert json.loads(event.raw) == update(name)


@pytest.mark.parametrize("date", [10**12, 2**62, 2**70, -1, 1.5])
def test_f15_date_that_no_calendar_has_is_poison(date: float) -> None:
    """No page can show it and no database keeps it: the words are shown without it."""
    raw = update("text")
    raw["message"]["date"] = date
    (event,) = parse(json.dumps(raw))
    assert isinstance(event, Inbound)
    assert (event.kind, event.text, event.provider_at) == ("unsupported", raw["message"]["text"], None)
    assert event.parked


@pytest.mark.parametrize("number", [2**70, 2**53, -1, 3.5, "large"])
def test_measure_that_makes_no_sense_is_dropped(number: float | str) -> None:
    """A file is fetched and shown whatever is said of its size."""
    raw = update("video")
    raw["message"]["video"] |= {"file_size": number, "width": number, "duration": number}
    (event,) = parse(json.dumps(raw))
    assert isinstance(event, Inbound)
    (media,) = event.media
    assert (media.ref, media.size, media.width, media.duration) == ("BAACAgQAAxkB1", None, None, None)


@pytest.mark.parametrize("name", ["poison_chat", "poison_group"])
def test_poison_update_of_nobody_is_parked(name: str) -> None:
    """Without a customer there is no thread to show it in; it is kept all the same."""
    event = only(name)
    assert isinstance(event, Ignored)
    assert event.parked
    assert event.raw


@pytest.mark.parametrize("body", ["{}", '{"update_id": "x"}', '{"update_id": null, "message": 5}'])
def test_object_that_is_no_update_is_parked_under_its_hash(body: str) -> None:
    """Telegram would send a refused update again and again; a repeat must have the same key."""
    (first,), (second,) = parse(body), parse(body)
    assert isinstance(first, Ignored)
    assert isinstance(second, Ignored)
    assert first.key == second.key
    assert first.parked


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b"7", b"\xff\xfe{}", b"[" * 100_000, b'{"update_id":']
)
def test_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """400: Telegram never sends such a thing."""
    with pytest.raises(BadRequest):
        parse(body)


def test_lone_surrogate_and_nul_are_replaced() -> None:
    """No engine can store them; the rest of the message is not lost for it."""
    raw = update("text")
    raw["message"]["text"] = "a\x00b\ud83dc"
    raw["message"]["from"]["first_name"] = "Giu\x00lia"
    (event,) = parse(json.dumps(raw))
    assert isinstance(event, Inbound)
    assert event.text == "a\ufffdb\ufffdc"
    assert event.name == "Giu\ufffdlia Ferri"
    assert event.parked == ""


def test_unstorable_text_inside_data_is_replaced() -> None:
    """A poll's question goes into a JSON column."""
    raw = update("poll")
    raw["message"]["poll"]["question"] = "Blu\x00?"
    (event,) = parse(json.dumps(raw))
    assert isinstance(event, Inbound)
    assert event.data["question"] == "Blu\ufffd?"


def test_decoration_that_makes_no_sense_is_dropped() -> None:
    """A strange quote or entity must not cost the words."""
    raw = update("reply_quote")
    raw["message"] |= {
        "quote": 5,
        "reply_to_message": {"chat": None},
        "entities": [{"type": 1}],
        "forward_origin": 7,
    }
    (event,) = parse(json.dumps(raw))
    assert isinstance(event, Inbound)
    assert (event.text, event.reply_to, event.quote, event.data) == ("Sì", "", "", {})


@pytest.mark.parametrize("secret", ["", "wrong", "the_secret-1 ", "the_secret-é"])
def test_webhook_with_wrong_secret_is_refused(secret: str) -> None:
    """Anybody can find the URL; only Telegram knows the secret."""
    with pytest.raises(BadWebhook):
        parse(json.dumps(update("text")), secret)


def test_webhook_without_the_header_is_refused() -> None:
    """No header is no secret."""
    hook = telegram_hook(b"{}", "")
    hook.headers.pop("x-telegram-bot-api-secret-token")  # type: ignore[attr-defined]  # a dict here
    with pytest.raises(BadWebhook):
        telegram().parse(hook)


def test_every_webhook_secret_of_the_list_is_taken() -> None:
    """So a secret can be changed without losing what is on its way."""
    channel = telegram(TELEGRAM_WEBHOOK_SECRET="new,old")
    for secret in ("new", "old"):
        assert channel.parse(telegram_hook(json.dumps(update("text")).encode(), secret))


def test_derived_secret_follows_the_installation_and_the_bot() -> None:
    """Nobody has to invent one, and another installation's does not open ours."""
    ours = telegram()._secrets[0].decode()
    body = json.dumps(update("text")).encode()
    assert telegram(site(secrets=("n" * 32, SECRET))).parse(telegram_hook(body, ours))
    with pytest.raises(BadWebhook):
        telegram(site(secrets=("n" * 32,))).parse(telegram_hook(body, ours))
    with pytest.raises(BadWebhook):
        telegram(TELEGRAM_BOT_TOKEN="99:another").parse(telegram_hook(body, ours))


def test_another_content_type_is_refused() -> None:
    """415 rather than a guess."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        with pytest.raises(WrongType):
            telegram(TELEGRAM_WEBHOOK_SECRET="s").parse(telegram_hook(b"{}", "s", content_type))


def test_every_sample_is_in_a_test() -> None:
    """A sample that nobody reads says nothing."""
    text = Path(__file__).read_text()
    assert [path.stem for path in (SAMPLES / "telegram").glob("*.json") if f'"{path.stem}"' not in text] == []
