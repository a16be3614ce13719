"""The site chat: who a visitor is, where the chat may stand, and what a message becomes."""

from __future__ import annotations

import pytest

from bridge.channels import webchat
from bridge.channels.base import Checks, FetchesMedia, Polls, SetsUp, Site
from bridge.channels.webchat import WebchatChannel, WebchatSettings
from bridge.errors import BadWebhook, SettingsError
from bridge.models import Outbound, Webhook
from bridge.settings import read

OLD, NEW = "o" * 32, "n" * 32


def channel(*origins: str, public_url: str = "https://chat.example.com") -> WebchatChannel:
    """The chat of a gateway."""
    return WebchatChannel(WebchatSettings(allowed_origins=list(origins)), Site(public_url, (NEW,)))


def test_a_token_shows_the_visitor_it_was_given_to() -> None:
    """The token alone says who writes: nothing else of a page is believed."""
    visitor = webchat.new_visitor()
    assert webchat.visitor_of([NEW], webchat.token_for([NEW], visitor)) == visitor


def forgeries(visitor: str, token: str) -> dict[str, str]:
    """What somebody may try who knows a visitor's id."""
    other_end = "A" if token[-1] != "A" else "B"
    return {
        "no signature": visitor,
        "an empty signature": f"{visitor}.",
        "a short signature": token[:-1],
        "another signature": token[:-1] + other_end,
        "a signature of somebody else": webchat.new_visitor() + token[len(visitor) :],
        "a secret of their own": webchat.token_for([OLD], visitor),
        "another dot": token.replace(".", ".."),
        "nothing": "",
        "no text": "\udcff\x00.💥",
    }


def test_a_forged_token_is_nobodys() -> None:
    """Visitor ids are seen by agents and in addresses: knowing one must not open the conversation."""
    visitor = webchat.new_visitor()
    for what, forged in forgeries(visitor, webchat.token_for([NEW], visitor)).items():
        assert webchat.visitor_of([NEW], forged) is None, what


def test_an_older_secret_still_verifies() -> None:
    """Secrets are rotated without throwing every visitor out of their conversation."""
    visitor = webchat.new_visitor()
    token = webchat.token_for([OLD], visitor)
    assert webchat.visitor_of([NEW, OLD], token) == visitor
    assert webchat.token_for([NEW, OLD], visitor) != token


def test_a_message_is_an_event_of_its_visitor() -> None:
    """The page's id makes the key, so that a message that is sent again is the same message."""
    event = webchat.message("v1", "c1", "Ciao", uploads=["f1"], kind="image", page="https://shop.example/a")
    assert (event.key, event.urn, event.external_id) == ("msg:v1:c1", "webchat:v1", "c1")
    assert (event.text, event.kind, event.uploads) == ("Ciao", "image", ("f1",))
    assert event.data == {"page": "https://shop.example/a"}
    assert webchat.message("v2", "c1", "Ciao").key != event.key


def test_without_a_list_only_the_gateway_itself_may_show_the_chat() -> None:
    """The safe default: nobody else's site can open a chat in the business's name."""
    assert channel(public_url="https://Chat.Example.com:443/bridge").origins == ["https://chat.example.com"]


def test_origins_are_compared_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Capital letters, a slash and a default port are how people write an address down."""
    monkeypatch.setenv(
        "WIDGET_ALLOWED_ORIGINS", "https://Shop.Example.com/, http://localhost:3000,https://a.it:443"
    )
    expected = ["https://shop.example.com", "http://localhost:3000", "https://a.it"]
    assert read(WebchatSettings).allowed_origins == expected


@pytest.mark.parametrize(
    "wrong", ["shop.example.com", "https://shop.example.com/chat", "https://*.example.com", "*"]
)
def test_an_origin_that_no_browser_sends_is_refused_at_start(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better than a chat that silently does not open."""
    monkeypatch.setenv("WIDGET_ALLOWED_ORIGINS", wrong)
    with pytest.raises(SettingsError) as refused:
        read(WebchatSettings)
    assert refused.value.problems[0].startswith("WIDGET_ALLOWED_ORIGINS: takes sites")
    assert "Example: WIDGET_ALLOWED_ORIGINS=https://" in refused.value.problems[0]


async def test_it_is_pulled_and_asks_nothing_of_a_vendor() -> None:
    """There is no vendor: no webhook, no poll, nothing to fetch or to set up."""
    chat = channel()
    assert chat.pulled
    assert not chat.webhooks
    assert chat.limits.highest == "read"
    assert not isinstance(chat, Polls | SetsUp | FetchesMedia)
    with pytest.raises(BadWebhook):
        chat.parse(Webhook(path="webchat", url="", headers={}, body=b""))
    assert (await chat.send(Outbound(message_id="m1", part=0, urn="webchat:v1"))).external_id == "m1"
    await chat.close()


async def test_check_gives_the_tag_and_sees_a_site_that_cannot_load_it() -> None:
    """Browsers refuse to load an http script into an https page: the commonest way to see no chat."""
    assert isinstance(channel(), Checks)
    (fine,) = await channel().check()
    assert fine.level == "ok"
    assert '<script async src="https://chat.example.com/widget.js"></script>' in fine.what
    *_, mixed = await channel("https://shop.example.com", public_url="http://chat.example.com").check()
    assert (mixed.level, mixed.todo) == ("error", "give the gateway https (BRIDGE_PUBLIC_URL)")
    assert len(await channel("https://shop.example.com", public_url="http://localhost:8080").check()) == 1
