"""The pure parts: text, parts, back-off, rates, signatures."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Throttled
from bridge.ids import new_id
from bridge.models import Limits
from bridge.parts import parts_of
from bridge.retry import LONGEST_PAUSE, AddressRates, Bucket, pause
from bridge.signing import link_is_good, sign, signed_link, verify
from bridge.text import clean, split, utf16_length

SECRETS = ("a" * 32, "b" * 32)


@dataclass(frozen=True)
class Weight:
    """A file of so many bytes."""

    size: int


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=400), st.integers(2, 50))
def test_split_loses_no_word_and_keeps_the_limit(text: str, limit: int) -> None:
    """Whatever the text, each piece fits and all words arrive in order."""
    pieces = split(text, limit)
    assert all(utf16_length(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece.strip() for piece in pieces) or pieces == [text[:limit]]


def test_split_cuts_after_a_word() -> None:
    """A reader never meets half a word that would have fitted."""
    assert split("uno due tre quattro", 8) == ["uno due", "tre", "quattro"]


def test_split_leaves_out_what_is_blank() -> None:
    """Telegram refuses an empty message: a long line of blanks must not cost the words around it."""
    assert split("uno" + " " * 29 + "due", 8) == ["uno", "due"]
    assert split(" " * 30 + "due", 8) == ["due"]
    assert split("uno due" + "\n" * 30, 8) == ["uno due"]
    assert split(" " * 30, 8) == [" " * 8]


def test_split_never_cuts_an_emoji() -> None:
    """A pair of UTF-16 units is one character."""
    assert split("🐘🐘🐘", 3) == ["🐘", "🐘", "🐘"]


@given(st.text())
def test_clean_text_can_be_stored_anywhere(text: str) -> None:
    """Both engines take what is clean, and nothing else is changed."""
    cleaned = clean(text)
    assert "\x00" not in cleaned
    cleaned.encode()
    assert len(cleaned) == len(text)


def test_text_travels_with_its_first_file_when_it_fits() -> None:
    """One photo with its words is one thing to a customer."""
    limits = Limits(text=100, part=10, caption=5)
    a, b = Weight(1), Weight(2)
    assert parts_of("ciao", [a, b], limits) == [("ciao", (a,)), ("", (b,))]
    assert parts_of("too long", [a], limits) == [("too long", ()), ("", (a,))]
    assert parts_of("word word word", [], limits) == [("word word", ()), ("word", ())]


def test_files_share_a_part_where_the_channel_takes_several() -> None:
    """An MMS carries ten files."""
    limits = Limits(text=100, part=100, caption=100, files_per_part=2)
    a, b, c = Weight(1), Weight(2), Weight(3)
    assert parts_of("x", [a, b, c], limits) == [("x", (a, b)), ("", (c,))]


def test_files_that_are_too_heavy_together_go_apart() -> None:
    """Five megabytes are the limit of an MMS, not of each of its files."""
    limits = Limits(text=100, part=100, caption=100, files_per_part=10, part_size=5)
    two, three, four = Weight(2), Weight(3), Weight(4)
    assert parts_of("", [two, three, four, two], limits) == [("", (two, three)), ("", (four,)), ("", (two,))]


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True), st.floats(0, 600))
def test_pause_is_bounded_and_keeps_the_vendors_wish(tries: int, chance: float, wish: float) -> None:
    """Back-off grows, ends, and never undercuts `retry_after`."""
    assert 0 < pause(tries, chance) <= LONGEST_PAUSE
    assert pause(tries, chance, wish) >= wish


@pytest.mark.parametrize("wish", [10**400, float("inf")], ids=["huge", "endless"])
def test_no_vendor_can_ask_for_a_pause_without_end(wish: float) -> None:
    """Nonsense in a header must not stop a channel for ever, nor be too large to store."""
    assert Throttled("", retry_after=wish).retry_after == 24 * 3600


def test_bucket_keeps_its_rate() -> None:
    """Over any time no more leaves than burst and rate allow."""
    bucket, now, sent = Bucket(30, 30, -1.0), 0.0, 0
    while now < 10:
        if bucket.available(now) >= 1:
            bucket.take(now)
            sent += 1
        else:
            now += bucket.wait(now)
    assert 325 <= sent <= 331


def test_bucket_begins_empty_for_all_and_for_each_address() -> None:
    """Who had the duty a moment ago may have used what the vendor allows."""
    bucket, rates = Bucket(30, 30, 0.0), AddressRates(1.0, 1.0, since=0.0)
    assert bucket.available(0.0) == 0
    assert rates.wait("telegram:1", 0.25) == pytest.approx(0.75)
    assert rates.wait("telegram:2", 60.0) == 0
    bucket.take(0.0, 10)
    assert bucket.debt(0.2) == pytest.approx(4 / 30)
    assert bucket.debt(0.5) == 0


def test_where_many_are_allowed_at_once_the_first_replies_after_a_start_leave_at_once() -> None:
    """One message in six seconds, but after 45: a few of them are there, whoever had the duty before."""
    rates, sent = AddressRates(1 / 6, 45, since=0.0), 0
    while rates.wait("whatsapp:+393331234567", 0.0) == 0:
        rates.take("whatsapp:+393331234567", 0.0)
        sent += 1
    assert 2 <= sent <= 45 / 4
    assert rates.wait("whatsapp:+393331234567", 0.0) == pytest.approx(6.0)


def test_what_is_taken_beyond_what_there_is_is_waited_for() -> None:
    """Many long replies in pieces: the second pieces must not all leave in the same instant."""
    bucket, waits = Bucket(2, 1, -0.5), []
    for _ in range(4):
        waits.append(bucket.wait(0.0))
        bucket.take(0.0)
    assert waits == pytest.approx([0, 0.5, 1.0, 1.5])


def test_addresses_wait_apart() -> None:
    """One chatty customer slows only the answers to that customer."""
    rates = AddressRates(1.0, 1.0, since=-1.0)
    rates.take("telegram:1", 0.0)
    assert rates.wait("telegram:2", 0.0) == 0
    assert rates.wait("telegram:1", 0.0) == pytest.approx(1.0)
    rates.take("telegram:1", 0.0)
    assert rates.wait("telegram:1", 0.0) == pytest.approx(2.0)


def test_signature_is_good_for_its_purpose_and_secret_only() -> None:
    """A visitor's token is no link; an old secret still verifies, a foreign one never."""
    signature = sign(SECRETS[1:], "visitor", "v1")
    assert verify(SECRETS, "visitor", "v1", signature)
    assert not verify(SECRETS, "link", "v1", signature)
    assert not verify(SECRETS, "visitor", "v2", signature)
    assert not verify(("c" * 32,), "visitor", "v1", signature)


def test_link_expires_and_cannot_be_stretched() -> None:
    """A link in an MMS is good for a day, for one file."""
    link = signed_link(SECRETS, "/media/x", 60)
    path, query = link.split("?")
    expires, signature = (pair.split("=", 1)[1] for pair in query.split("&"))
    assert link_is_good(SECRETS, path, expires, signature)
    assert not link_is_good(SECRETS, "/media/y", expires, signature)
    assert not link_is_good(SECRETS, path, str(int(expires) + 60), signature)
    past = signed_link(SECRETS, "/media/x", -60).split("?")[1]
    assert not link_is_good(SECRETS, path, *(pair.split("=", 1)[1] for pair in past.split("&")))


def test_ids_are_version_7_and_in_order_of_time() -> None:
    """Rows of one time lie together in an index."""
    first = new_id()
    time.sleep(0.002)  # the ids' clock has a resolution of one millisecond
    second = new_id()
    assert first < second
    assert (first[14], first[19] in "89ab") == ("7", True)
