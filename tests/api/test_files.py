"""Files: taken up to the limit, given back without running any of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.ids import new_id
from bridge.signing import signed_link
from tests.api.house import House, get, house, send

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003"
    "010100c9fe92ef0000000049454e44ae426082"
)
PAGE = b"<!doctype html><script>alert(document.cookie)</script>"


async def upload(
    client: aiohttp.ClientSession, body: Any, name: str = "a.bin", kind: str = "", expect: int = 201
) -> Any:
    """The view of a new file."""
    headers = {"Content-Type": kind} if kind else {}
    async with client.post("/api/files", params={"name": name}, data=body, headers=headers) as response:
        assert response.status == expect, await response.text()
        return await response.json()


async def test_picture_goes_in_and_comes_out(anna: aiohttp.ClientSession) -> None:
    """The type is what the bytes show, and the name stays as it was, whatever its letters."""
    file = await upload(anna, PNG, "Caffè «1».png", "application/octet-stream")
    assert (file["mime"], file["kind"], file["size"], file["name"]) == (
        "image/png", "image", len(PNG), "Caffè «1».png",
    )  # fmt: skip
    async with anna.get(file["url"]) as response:
        assert await response.read() == PNG
        assert response.content_type == "image/png"
        disposition = response.headers["Content-Disposition"]
        assert disposition.startswith('inline; filename="Caff_ _1_.png"; ')
        assert "filename*=UTF-8''Caff%C3%A8%20%C2%AB1%C2%BB.png" in disposition
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
    async with anna.get(file["url"], headers={"Range": "bytes=0-3"}) as response:
        assert (response.status, await response.read()) == (206, PNG[:4])


@pytest.mark.parametrize("claimed", ["audio/ogg", "video/ogg", "application/octet-stream"])
async def test_recording_is_a_voice_message(anna: aiohttp.ClientSession, claimed: str) -> None:
    """Opus in Ogg is what Telegram plays as one; browsers call it by several names."""
    recording = b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead\x01\x01" + bytes(17)
    file = await upload(anna, recording, "nota.ogg", claimed)
    assert (file["mime"], file["kind"]) == ("audio/ogg", "voice")


async def test_what_a_browser_could_run_is_only_downloaded(anna: aiohttp.ClientSession) -> None:
    """A page that calls itself a picture is still a page, and never one of ours."""
    for kind in ["text/html", "image/svg+xml", "image/png", "application/xhtml+xml", "video/mp4"]:
        file = await upload(anna, PAGE, "page.html", kind)
        async with anna.get(file["url"]) as response:
            assert await response.read() == PAGE
            is_shown = response.headers["Content-Disposition"].startswith("inline")
            assert not is_shown or response.content_type in ("image/png", "video/mp4")
            assert response.content_type not in ("text/html", "image/svg+xml", "application/xhtml+xml")
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in response.headers["Content-Security-Policy"]


async def test_name_stays_a_name(anna: aiohttp.ClientSession) -> None:
    """No header, no folder and no direction of text is changed by what a file is called."""
    for name in ["../../etc/passwd", 'a"b\\c.png', "x\r\nSet-Cookie: a=b", "\u202egnp.exe", ""]:
        file = await upload(anna, PNG, name)
        assert file["name"] == name
        async with anna.get(file["url"]) as response:
            assert response.status == 200
            assert "Set-Cookie" not in response.headers
            disposition = response.headers["Content-Disposition"]
        assert not any(mark in disposition for mark in ("..", "/", "\u202e", "%2F", "%E2%80%AE", "%0D"))


async def test_file_over_the_limit_is_refused_with_the_limit(database_url: str, tmp_path: Path) -> None:
    """Told at once where the length is known, and on the way where it is not."""

    async def endless() -> Any:
        for _ in range(100):
            yield b"x" * 100

    async with house(database_url, tmp_path, upload_limit=1000) as home:
        anna = await home.agent()
        assert (await upload(anna, b"x" * 1000))["size"] == 1000
        assert (await upload(anna, b"x" * 1001, expect=413))["limit"] == 1000
        assert (await upload(anna, endless(), expect=413))["limit"] == 1000
        assert not list((tmp_path / "files").glob("part-*"))
    await_nothing_left = [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
    assert len(await_nothing_left) == 1


async def test_empty_file_and_long_name_are_refused(anna: aiohttp.ClientSession) -> None:
    """Nothing to send is a mistake; so is a name that no system keeps."""
    await upload(anna, b"", expect=422)
    await upload(anna, PNG, "x" * 256, expect=422)


async def test_reply_carries_a_file_once(home: House, anna: aiohttp.ClientSession) -> None:
    """An upload belongs to who uploaded it, until a message takes it."""
    await home.write("ciao")
    (item,) = (await get(anna, "/api/conversations"))["items"]
    path = f"/api/conversations/{item['id']}/messages"
    file = await upload(anna, PNG, "a.png")
    body = {"text": "", "client_id": "1", "attachments": [file["id"]]}
    await send(await home.agent("Bea"), "POST", path, body, expect=422)
    made = await send(anna, "POST", path, body, expect=201)
    (attachment,) = made["attachments"]
    assert (attachment["url"], attachment["state"]) == (file["url"], "stored")
    await send(anna, "POST", path, body | {"client_id": "2"}, expect=422)
    assert (await get(anna, "/api/conversations"))["items"][0]["last_message"]["attachments"] == 1


async def test_files_are_for_agents_and_signed_links(home: House, anna: aiohttp.ClientSession) -> None:
    """An id is no key: without a session it takes a signature that has not expired."""
    file = await upload(anna, PNG, "a.png")
    stranger = home.client()
    await get(stranger, file["url"], expect=401)
    path, secrets = f"/media/{file['id']}", home.context.site.secrets
    async with stranger.get(signed_link(secrets, path, 60)) as response:
        assert await response.read() == PNG
    for wrong in (
        path,
        f"{path}?e=9999999999&s=x",
        f"{path}?e=é&s=",
        signed_link(secrets, path, -1),
        signed_link(("t" * 32,), path, 60),
        signed_link(secrets, f"/media/{new_id()}", 60).replace("/media/", f"{path}/../"),
        signed_link(secrets, path, 60).replace("e=", f"e={int(time.time())}0&x="),
    ):
        async with stranger.get(wrong) as response:
            assert response.status in (403, 404), wrong


async def test_unknown_file_is_not_found(home: House, anna: aiohttp.ClientSession) -> None:
    """An id that names nothing, and one that names nothing yet."""
    await get(anna, f"/api/files/{new_id()}", expect=404)
    await get(anna, "/api/files/..%2f..%2fetc%2fpasswd", expect=404)
    await home.write("", media=[{"kind": "image", "ref": "r1"}], kind="image")
    (item,) = (await get(anna, "/api/conversations"))["items"]
    (message,) = (await get(anna, f"/api/conversations/{item['id']}/messages"))["items"]
    await get(anna, f"/api/files/{message['attachments'][0]['id']}", expect=404)
