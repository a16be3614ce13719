"""The list of conversations, and what agents do with one."""

from __future__ import annotations

from typing import Any

import aiohttp

from bridge.ids import new_id
from tests.api.house import House, get, send


async def listed(client: aiohttp.ClientSession, **query: Any) -> list[str]:
    """The contacts' names, in the order of the list."""
    page = await get(client, "/api/conversations", **query)
    return [item["contact"]["name"] for item in page["items"]]


async def only(client: aiohttp.ClientSession) -> dict[str, Any]:
    """The one conversation there is."""
    (item,) = (await get(client, "/api/conversations"))["items"]
    return dict(item)


async def test_webhook_answered_means_the_list_shows_it(home: House, anna: aiohttp.ClientSession) -> None:
    """When the vendor gets its 2xx, every agent can see the message."""
    await home.write("Buongiorno", handle="@giulia")
    item = await only(anna)
    assert item["contact"]["name"] == "Giulia"
    assert (item["status"], item["channel"], item["unread"], item["last_seq"]) == ("open", "post", 1, 1)
    assert item["assignee"] is None
    assert item["last_message"] == {
        "seq": 1, "direction": "inbound", "kind": "text", "text": "Buongiorno", "status": "received",
        "author": "", "attachments": 0,
    }  # fmt: skip
    assert item["route"]["channel"] == "post"
    assert item["route"]["handle"] == "@giulia"
    assert item["route"]["blocked"] == ""
    assert item["waiting_since"] == item["last_message_at"]
    assert item["last_message_at"].endswith("Z")


async def test_newest_first_page_by_page(home: House, anna: aiohttp.ClientSession) -> None:
    """Following the cursor shows each conversation once, also while others move to the top."""
    for number in range(7):
        await home.write("hello", f"customer-{number}")
    first = await get(anna, "/api/conversations", limit=3)
    await home.write("me again", "customer-0")
    second = await get(anna, "/api/conversations", limit=3, cursor=first["next_cursor"])
    third = await get(anna, "/api/conversations", limit=3, cursor=second["next_cursor"] or "")
    names = [item["contact"]["name"] for page in (first, second) for item in page["items"]]
    assert names == [f"Customer-{number}" for number in (6, 5, 4, 3, 2, 1)]
    assert second["next_cursor"] is None
    assert third["items"][0]["contact"]["name"] == "Customer-0"


async def test_cursor_that_is_none_of_ours_is_refused(anna: aiohttp.ClientSession) -> None:
    """A wrong cursor must not look like the end of the list."""
    for cursor in ["x", "AAAA", "é", "MTIzNDU2Nzg5MCBub3QtYW4taWQ", "9" * 90]:
        problem = await get(anna, "/api/conversations", expect=400, cursor=cursor)
        assert problem["status"] == 400


async def test_wrong_filter_is_named(anna: aiohttp.ClientSession) -> None:
    """A filter with a typing error is said, not ignored."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"status": "closed"}, "status"),
        ({"assignee": "you"}, "assignee"),
        ({"q": "x" * 201}, "q"),
    ]
    for query, field in wrong:
        problem = await get(anna, "/api/conversations", expect=422, **query)
        assert [one["field"] for one in problem["fields"]] == [field]


async def test_filters_and_counts(home: House, anna: aiohttp.ClientSession) -> None:
    """Mine, unassigned, all and resolved are told apart, and counted whatever is filtered."""
    for name in ("giulia", "marco", "sara"):
        await home.write("ciao", name)
    me = await get(anna, "/api/me")
    ids = {item["contact"]["name"]: item["id"] for item in (await get(anna, "/api/conversations"))["items"]}
    await send(anna, "PATCH", f"/api/conversations/{ids['Giulia']}", {"assignee_id": me["id"]})
    await send(anna, "PATCH", f"/api/conversations/{ids['Marco']}", {"status": "resolved"})
    assert await listed(anna, assignee="me") == ["Giulia"]
    assert await listed(anna, assignee=me["id"]) == ["Giulia"]
    assert await listed(anna, assignee=new_id()) == []
    assert await listed(anna, assignee="none", status="open") == ["Sara"]
    assert await listed(anna, status="resolved") == ["Marco"]
    assert await listed(anna, status="snoozed") == []
    assert await listed(anna, channel="post") == ["Sara", "Marco", "Giulia"]
    assert await listed(anna, channel="telegram") == []
    page = await get(anna, "/api/conversations", status="resolved")
    assert page["counts"] == {"mine": 1, "unassigned": 1, "all": 2, "resolved": 1}


async def test_search_looks_at_names_addresses_and_messages(home: House, anna: aiohttp.ClientSession) -> None:
    """Every word has to be found somewhere in the conversation; percent signs are just that."""
    await home.write("Where is my PARCEL 100%?", "giulia", handle="@giu_lia")
    await home.write("Hello", "marco")
    await home.write("and my second word", "giulia")
    for q in ("parcel", "Parcel GIULIA", "second parcel", "post:giulia", "@giu_", "100%", " giulia "):
        assert await listed(anna, q=q) == ["Giulia"], q
    for q in ("parcel marco", "1%0", "giuXlia", "\x00", "'; DROP TABLE messages --"):
        assert await listed(anna, q=q) == [], q
    assert await listed(anna, q="   ") == ["Giulia", "Marco"]


async def test_search_treats_accents_alike_on_both_engines(home: House, anna: aiohttp.ClientSession) -> None:
    """A to Z match in either case and other letters as they are written, whatever the database."""
    await home.write("PERCHÉ no", "giulia")
    assert await listed(anna, q="perchÉ") == ["Giulia"]
    assert await listed(anna, q="perché") == []


async def test_one_conversation_shows_my_drafts(home: House, anna: aiohttp.ClientSession) -> None:
    """What I typed is there on my other device; a colleague does not see it."""
    await home.write("ciao")
    path = f"/api/conversations/{(await only(anna))['id']}"
    await send(anna, "PUT", f"{path}/draft", {"kind": "reply", "text": "Salve…"}, expect=204)
    await send(anna, "PUT", f"{path}/draft", {"kind": "note", "text": "x"}, expect=204)
    await send(anna, "PUT", f"{path}/draft", {"kind": "reply", "text": "Salve, Giulia"}, expect=204)
    await send(anna, "PUT", f"{path}/draft", {"kind": "note", "text": ""}, expect=204)
    assert (await get(anna, path))["drafts"] == {"reply": "Salve, Giulia"}
    assert (await get(await home.agent("Bea"), path))["drafts"] == {}


async def test_assigning_and_resolving_leave_lines(home: House, anna: aiohttp.ClientSession) -> None:
    """Who did what stays in the thread."""
    await home.write("ciao")
    path, me = f"/api/conversations/{(await only(anna))['id']}", await get(anna, "/api/me")
    changed = await send(anna, "PATCH", path, {"assignee_id": me["id"]})
    assert changed["assignee"] == {"id": me["id"], "name": "Anna"}
    assert (await send(anna, "PATCH", path, {"status": "resolved"}))["status"] == "resolved"
    assert (await send(anna, "PATCH", path, {"assignee_id": None}))["assignee"] is None
    assert (await send(anna, "PATCH", path, {}))["status"] == "resolved"
    await home.write("ancora io")
    lines = (await get(anna, f"{path}/activity"))["items"]
    assert [line["kind"] for line in lines] == ["assigned", "resolved", "unassigned", "reopened"]
    assert lines[0]["by"] == {"id": me["id"], "name": "Anna"}
    assert lines[0]["after_seq"] == 1
    assert (await get(anna, path))["status"] == "open"


async def test_reading_lowers_the_unread_count(home: House, anna: aiohttp.ClientSession) -> None:
    """What came after the last message on screen stays unread."""
    for number in range(3):
        await home.write(f"message {number}")
    path = f"/api/conversations/{(await only(anna))['id']}"
    assert (await send(anna, "POST", f"{path}/read", {"seq": 2}))["unread"] == 1
    assert (await send(anna, "POST", f"{path}/read", {"seq": 1}))["unread"] == 1
    assert (await send(anna, "POST", f"{path}/read", {"seq": 3}))["unread"] == 0


async def test_customer_who_left_cannot_be_written_to(home: House, anna: aiohttp.ClientSession) -> None:
    """The route says in a word why it is closed, and the reply is refused with the same word."""
    await home.write("ciao")
    await home.post({"key": "stop", "from": "giulia", "state": "opted_out"})
    item = await only(anna)
    assert item["route"]["blocked"] == "opted_out"
    body = {"text": "Wait!", "client_id": "1"}
    problem = await send(anna, "POST", f"/api/conversations/{item['id']}/messages", body, expect=409)
    assert problem["reason"] == "opted_out"
    contact = await get(anna, f"/api/contacts/{item['contact']['id']}")
    assert [address["usable"] for address in contact["addresses"]] == ["opted_out"]


async def test_unknown_conversation_is_not_found(anna: aiohttp.ClientSession) -> None:
    """Whatever stands where an id should: it is no conversation, and no error of the server."""
    for name in (new_id(), "1", "..", "%00", "%ff", "' OR 1=1", "0" * 36, new_id().upper()):
        for path in ("", "/messages", "/activity", "/messages?after=0"):
            problem = await get(anna, f"/api/conversations/{name}{path}", expect=404)
            assert problem["title"] == "Not found"


async def test_contact_can_be_renamed(home: House, anna: aiohttp.ClientSession) -> None:
    """The new name shows in the list; the addresses stay."""
    await home.write("ciao", handle="@giu")
    contact = (await only(anna))["contact"]
    path = f"/api/contacts/{contact['id']}"
    renamed = await send(anna, "PATCH", path, {"name": "Giulia Bianchi 🦊"})
    assert renamed["name"] == "Giulia Bianchi 🦊"
    (address,) = renamed["addresses"]
    assert (address["urn"], address["handle"], address["consent_source"]) == ("post:giulia", "@giu", "wrote")
    assert address["usable"] == ""
    assert (await only(anna))["contact"]["name"] == "Giulia Bianchi 🦊"
    await send(anna, "PATCH", path, {"name": " "}, expect=422)
    await send(anna, "PATCH", f"/api/contacts/{new_id()}", {"name": "x"}, expect=404)


async def test_nameless_contact_is_shown_by_handle(home: House, anna: aiohttp.ClientSession) -> None:
    """A number is better than nothing until the customer says a name."""
    await home.write("ciao", name="", handle="+39 333 123")
    assert (await only(anna))["contact"]["name"] == "+39 333 123"


async def test_channels_say_what_they_carry(anna: aiohttp.ClientSession, home: House) -> None:
    """The page knows no channel by name: it reads labels and limits here."""
    items = (await get(anna, "/api/channels"))["items"]
    post = next(item for item in items if item["id"] == home.channel)
    assert (post["type"], post["label"], post["state"]) == ("post", "Post", "up")
    assert post["limits"]["text"] == 500
    assert await get(anna, "/api/incidents") == {"items": [], "next_cursor": None}


async def test_agents_are_listed_by_name(home: House, anna: aiohttp.ClientSession) -> None:
    """Whom a conversation can be given to."""
    await home.add_agent("Zeno")
    items = (await get(anna, "/api/agents"))["items"]
    assert [(item["name"], item["online"]) for item in items] == [("Anna", False), ("Zeno", False)]
