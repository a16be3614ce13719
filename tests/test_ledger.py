"""What the commands on the ledger show: sentences, spans and nothing that a terminal would obey."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from bridge.ids import new_id, now_ms
from bridge.ledger import Deliveries, show_deliveries, show_parked
from bridge.views import DeliveryView, ParkedView, QueueView, Spot

PUBLIC = "https://chat.example.com"
HOUR = 3600 * 1000


def queue(**more: Any) -> QueueView:
    """A channel on which nothing waits."""
    defaults: dict[str, Any] = {
        "channel_id": 1, "channel": "telegram", "label": "Telegram", "state": "up", "detail": "",
        "paused_until": None, "conversations": 0, "unknown": 0,
    }  # fmt: skip
    return QueueView(**(defaults | more))


def delivery(**more: Any) -> DeliveryView:
    """A reply that is about to leave."""
    defaults: dict[str, Any] = {
        "id": new_id(), "conversation_id": new_id(), "seq": 2, "channel": "telegram", "channel_id": 1,
        "status": "queued", "why": "due", "reason": "", "since": now_ms() - 3 * HOUR - 1000,
        "next_try_at": None, "deadline_at": None, "tries": 0,
    }  # fmt: skip
    return DeliveryView(**(defaults | more))


def shown(*items: DeliveryView, queues: tuple[QueueView, ...] = (), more: bool = False) -> list[str]:
    """The lines on a terminal of 80 columns."""
    out = StringIO()
    show_deliveries(Deliveries([*queues], [*items], more), Console(file=out, width=80), PUBLIC)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ({}, "✓ Telegram: nothing waits"),
        ({"conversations": 1, "unknown": 1}, "! Telegram: 1 conversation waits, 1 reply may have arrived"),
        ({"unknown": 2}, "! Telegram: 2 replies may have arrived"),
        ({"conversations": 10_000}, "! Telegram: 10000 or more conversations wait"),
        ({"conversations": 3, "state": "off"}, "✗ Telegram: 3 conversations wait; it is off"),
        ({"state": "setup", "detail": "Log in"}, "✗ Telegram: nothing waits; it is setup: Log in"),
        (
            {"conversations": 2, "paused_until": now_ms() + 5 * HOUR + HOUR // 2},
            "! Telegram: 2 conversations wait; its vendor asks for a pause of 5 h more",
        ),
    ],
)
def test_channel_is_one_line(state: dict[str, Any], line: str) -> None:
    """Which one has a problem is seen before anything is read."""
    assert shown(queues=(queue(**state),)) == [line]


def test_channel_of_old_on_which_nothing_waits_is_not_shown() -> None:
    """Every bot that was ever tried is in the database."""
    assert shown(queues=(queue(state="off"),)) == []


@pytest.mark.parametrize(
    ("why", "line"),
    [
        ({}, "queued: about to leave"),
        ({"why": "behind"}, "queued: waits for the one before it"),
        ({"why": "back_off", "reason": "Telegram cannot be reached", "tries": 3,
          "next_try_at": now_ms() + 5 * HOUR + HOUR // 2},
         "queued: Telegram cannot be reached, 3 tries, the next in 5 h"),
        ({"status": "sending", "why": "on_its_way"}, "sending: on its way"),
        ({"status": "unknown", "why": "unknown", "tries": 1}, "unknown: it may have arrived, 1 try"),
        ({"status": "expired", "why": "expired", "reason": "not sent in time"}, "expired: not sent in time"),
    ],
)  # fmt: skip
def test_reply_is_three_lines(why: dict[str, Any], line: str) -> None:
    """Its id to copy, the reason to read, and a link to the thread, which no line break cuts."""
    item = delivery(**why)
    _, first, second, third = shown(item)
    assert first.startswith(f"{item.id}  telegram  since ")
    assert first.endswith("(3 h)")
    assert second == f"  {line}"
    assert third == f"  {PUBLIC}/inbox/#/all/open/c/{item.conversation_id}"


def test_reply_says_until_when_it_is_tried() -> None:
    """On the clock of the machine where it is read."""
    _, _, line, _ = shown(delivery(deadline_at=now_ms() + HOUR))
    assert line.startswith("  queued: about to leave, until ")
    assert shown(more=True)[-1] == "There are more: see --limit."


def test_what_vendors_say_gives_a_terminal_no_orders() -> None:
    """A customer who finds out how would write on the operator's screen, or worse."""
    _, _, line, _ = shown(delivery(why="back_off", reason="no \x1b[2J\x9b31m"))
    assert line == "  queued: no \ufffd[2J\ufffd31m"
    out = StringIO()
    event = ParkedView(
        id=new_id(), channel="telegram", channel_id=1, since=now_ms(), why="a\x07b", raw='{"text": "\x9b2J"}',
        message=Spot(conversation_id=new_id(), seq=1),
    )  # fmt: skip
    show_parked([event], False, Console(file=out, width=80), PUBLIC)
    assert not any(order in out.getvalue() for order in ("\x07", "\x9b", "\x1b"))
