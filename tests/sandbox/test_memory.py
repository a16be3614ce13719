"""What the stand-ins remember over a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from bridge.sandbox import samples
from bridge.sandbox.memory import Memory
from bridge.sandbox.vendors import Vendors

MARCO = "+393331234567"


async def test_restart_changes_nothing_that_customers_see(tmp_path: Path) -> None:
    """The inbox keeps its conversations, so the phones beside it must keep theirs."""
    memory = Memory(tmp_path)
    async with Vendors() as before:
        await before.telegram.say("guarda", kind="photo")
        await before.telegram.say(kind="blocked", chat_id=1002)
        await before.sms.say("ecco", sender=MARCO, media=[samples.photo(1)])
        await before.sms.say("STOP", sender="+393330000000")
        picture = await before.whatsapp.say("ecco", kind="image", sender=MARCO, file=samples.photo(2))
        await before.whatsapp.say("STOP", sender=MARCO, hidden=True)
        memory.save(before)
        state = _phones(before)
    async with Vendors(**memory.credentials()) as after:
        memory.load(after)
        assert _phones(after) == state
        assert (after.telegram.token, after.sms.account.sid) == (
            before.telegram.token,
            before.sms.account.sid,
        )
        assert "+393330000000" in after.sms.account.opted_out
        assert after.whatsapp.account.token == before.whatsapp.account.token
        assert after.whatsapp.account.phone_number_id == before.whatsapp.account.phone_number_id
        assert after.whatsapp.account.phones[MARCO].user_id == picture["from_user_id"]
        assert after.whatsapp.account.files[picture["image"]["id"]] == samples.photo(2)
        photo = after.telegram.files.get(state[0]["1001"]["messages"][0]["photo"][-1]["file_id"])
        assert photo
        assert photo.upload == samples.photo()


async def test_ids_are_never_given_twice(tmp_path: Path) -> None:
    """The gateway drops what it knows by id: a new message with an old id would be lost."""
    memory = Memory(tmp_path)
    async with Vendors() as before:
        memory.save(before)
        first = await before.telegram.say("after the last save")
    async with Vendors(**memory.credentials()) as after:
        memory.load(after)
        second = await after.telegram.say("after the restart")
    assert second["update_id"] > first["update_id"]


async def test_updates_that_wait_are_still_there(tmp_path: Path) -> None:
    """Telegram keeps for a day what a bot has not fetched."""
    memory = Memory(tmp_path)
    async with Vendors() as before:
        await before.telegram.say("are you there?")
        memory.save(before)
    async with Vendors(**memory.credentials()) as after:
        memory.load(after)
        session = AiohttpSession(api=TelegramAPIServer.from_base(after.telegram_base))
        async with Bot(after.telegram.token, session=session) as bot:
            assert [u.message.text for u in await bot.get_updates() if u.message] == ["are you there?"]


async def test_state_that_cannot_be_read_is_left_behind(tmp_path: Path) -> None:
    """A broken file must not keep the demo from starting."""
    (tmp_path / "state.json").write_text("{half")
    memory = Memory(tmp_path)
    async with Vendors(**memory.credentials()) as vendors:
        memory.load(vendors)
        assert vendors.telegram.state()["chats"] == {}


def _phones(vendors: Vendors) -> tuple[dict[str, Any], ...]:
    """What all customers see."""
    return (
        vendors.telegram.state()["chats"], vendors.sms.state()["phones"], vendors.whatsapp.state()["phones"],
    )  # fmt: skip
