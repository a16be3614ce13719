"""What waits and what needs a person, over all conversations, and what can be done about it."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from bridge.ids import new_id
from bridge.store.tables import messages
from tests.api.house import House, get, send


async def reply(home: House, client: aiohttp.ClientSession, name: str, **becomes: str) -> dict[str, Any]:
    """A reply to a new customer, which nobody sends in these tests, and what becomes of it."""
    await home.write("Buongiorno", sender=name)
    threads = (await get(client, "/api/conversations"))["items"]
    thread = next(one["id"] for one in threads if one["contact"]["name"] == name.title())
    body = {"text": f"Salve {name}", "client_id": new_id()}
    made: dict[str, Any] = await send(client, "POST", f"/api/conversations/{thread}/messages", body, 201)
    if becomes:
        of = sa.update(messages).where(messages.c.id == made["id"]).values(becomes)
        await home.database.write(lambda tx: tx.run(of))
    return made


async def test_list_says_what_waits_and_nothing_of_what_was_written(
    home: House, anna: aiohttp.ClientSession
) -> None:
    """Unknown ones need a person, so they come first; above the list stands how much waits where."""
    waits = await reply(home, anna, "giulia")
    lost = await reply(home, anna, "marco", status="unknown", reason="no answer in time")
    await reply(home, anna, "piero", status="sent")
    page = await get(anna, "/api/deliveries")
    assert [(one["id"], one["why"], one["reason"]) for one in page["items"]] == [
        (lost["id"], "unknown", "no answer in time"), (waits["id"], "due", ""),
    ]  # fmt: skip
    assert page["items"][1]["since"] == waits["created_at"]
    assert not any(word in str(page) for word in ("Salve", "giulia", "Giulia", "marco"))
    counted = {one["channel"]: (one["state"], one["unknown"]) for one in page["channels"]}
    assert counted == {"post": ("up", 1), "webchat": ("up", 0)}


async def test_list_is_filtered_and_paged(home: House, anna: aiohttp.ClientSession) -> None:
    """By state and channel; a cursor belongs to the list that it came from."""
    ids = [(await reply(home, anna, f"customer {number}"))["id"] for number in range(3)]
    ids.append((await reply(home, anna, "marco", status="failed", reason="30003"))["id"])
    seen: list[str] = []
    cursor = ""
    while not seen or cursor:
        page = await get(anna, "/api/deliveries", limit=2, cursor=cursor)
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"] or ""
    assert sorted(seen) == ids[:3]
    assert [one["id"] for one in (await get(anna, "/api/deliveries", state="failed"))["items"]] == ids[3:]
    assert (await get(anna, "/api/deliveries", channel="sms"))["items"] == []
    waiting = (await get(anna, "/api/deliveries", state="waiting", limit=1))["next_cursor"]
    for state in ("failed", "unknown"):
        await get(anna, "/api/deliveries", expect=400, state=state, cursor=waiting)
    await get(anna, "/api/deliveries", expect=400, cursor="AAAA")
    for query in ({"state": "lost"}, {"limit": 0}, {"limit": 101}, {"hours": 0}):
        await get(anna, "/api/deliveries", expect=422, **query)


@pytest.mark.parametrize(
    ("status", "reason"), [("queued", "given_up"), ("unknown", "given_up"), ("rejected", ""), ("sent", "")]
)
async def test_reply_is_given_up_while_something_can_be_given_up(
    home: House, anna: aiohttp.ClientSession, status: str, reason: str
) -> None:
    """What has ended has ended: an agent may have it sent again, nobody can end it twice."""
    made = await reply(home, anna, "giulia", status=status)
    ended = await send(anna, "POST", f"/api/messages/{made['id']}/give-up", expect=200 if reason else 409)
    if reason:
        assert (ended["status"], ended["reason"]) == ("rejected", reason)
        again = await send(anna, "POST", f"/api/messages/{made['id']}/give-up", expect=409)
        assert again["status_now"] == "rejected"
        await send(anna, "POST", f"/api/messages/{made['id']}/retry")
    else:
        assert ended["detail"] == f"This reply is {status} now"


async def test_reply_on_its_way_says_so_to_who_gives_it_up(home: House, anna: aiohttp.ClientSession) -> None:
    """The vendor may be taking it in this moment."""
    made = await reply(home, anna, "giulia", status="sending")
    refused = await send(anna, "POST", f"/api/messages/{made['id']}/give-up", expect=409)
    assert refused["detail"] == "This reply is on its way: it ends by itself"
    await send(anna, "POST", f"/api/messages/{new_id()}/give-up", expect=404)
