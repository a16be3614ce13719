"""What Twilio's webhooks become, and which are believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.request_validator import RequestValidator

from bridge.channels.base import Answer
from bridge.errors import BadRequest, BadWebhook, WrongType
from bridge.models import Event, Ignored, Inbound, Receipt, Standing, Webhook
from tests.channels.made import ACCOUNT, AUTH, PUBLIC, SAMPLES, sms

FORM = "application/x-www-form-urlencoded; charset=UTF-8"
URL = f"{PUBLIC}/webhooks/twilio"


def body(name: str) -> str:
    """A sample form as it came."""
    return (SAMPLES / "sms" / f"{name}.form").read_text().strip()


def hook(
    form: str, *, url: str = URL, signed: str | None = None, token: str = AUTH, algorithm: str = "",
    signature: str | None = None, content_type: str = FORM,
) -> Webhook:  # fmt: skip
    """Twilio's call, signed by Twilio's own code over the URL `signed` (the called one by default)."""
    fields = dict(parse_qsl(form, keep_blank_values=True))
    made = RequestValidator(token).compute_signature(signed or url, fields, algorithm or None)
    headers = {"content-type": content_type, "x-twilio-signature": made if signature is None else signature}
    if algorithm:
        headers["x-twilio-webhooks-signature-settings"] = f"key=webhooks_sharedkey_1,algorithm={algorithm}"
    path = url.partition("/webhooks/")[2].partition("?")[0]
    return Webhook(path=path, url=url, headers=headers, body=form.encode())


def parse(name: str) -> list[Event]:
    path = "twilio/status" if name.startswith("status_") else "twilio"
    return sms().parse(hook(body(name), url=f"{PUBLIC}/webhooks/{path}"))


def fields(name: str) -> dict[str, str]:
    return dict(parse_qsl(body(name), keep_blank_values=True))


MESSAGES: dict[str, dict[str, Any]] = {
    "text": {"text": "Buongiorno, avete ancora la borsa blu? 👜 100% & più", "urn": "tel:+393331234567",
             "handle": "+39 333 123 4567", "kind": "text"},
    "empty": {"text": "", "kind": "text"},
    "mms": {"kind": "image", "text": "Ecco le foto", "media": [
        ("image", f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/MM1/Media/ME1",
         "image-1.jpg", "image/jpeg"),
        ("document", f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/MM1/Media/ME2",
         "document-2.vcf", "text/x-vcard")]},
    "mms_without_files": {"kind": "text", "parked": "Files were announced and none came"},
    "pooled": {"text": "Sul numero nuovo"},
    "short_code": {"urn": "tel:48212", "handle": "48212"},
    "named_sender": {"urn": "tel:PosteItalia", "handle": "PosteItalia"},
    "stop_in_a_sentence": {"text": "Non fate stop alle consegne"},
    "help": {"text": "HELP"},
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_each_message_is_one_entry(name: str) -> None:
    """What a customer wrote is in the thread once, under the vendor's own id."""
    (event,) = parse(name)
    assert isinstance(event, Inbound)
    assert event.key == event.external_id == fields(name)["MessageSid"]
    assert event.raw == body(name)
    for field, expected in MESSAGES[name].items():
        found: Any = getattr(event, field)
        if field == "media":
            found = [(media.kind, media.ref, media.name, media.mime) for media in event.media]
        assert found == expected, field


@pytest.mark.parametrize(
    ("name", "state"),
    [("stop", "opted_out"), ("opt_out_type", "opted_out"), ("start", "open"), ("yes", "open")],
)
def test_f18_word_that_changes_consent_is_a_message_and_a_standing(name: str, state: str) -> None:
    """The agent sees the word, and the number is closed or opened; neither twice."""
    message, standing = parse(name)
    assert isinstance(message, Inbound)
    assert isinstance(standing, Standing)
    assert (standing.urn, standing.state) == ("tel:+393331234567", state)
    assert standing.key != message.key
    assert standing.key.startswith(message.key)


@pytest.mark.parametrize(
    "word",
    [
        "STOP",
        "stopall",
        " Unsubscribe ",
        "CANCEL\n",
        "end",
        "Quit.",
        '\t"stop"!',
        "revoke",
        "OptOut",
        "\u00a0Stop\u00a0",
        "\u200eSTOP\u200b",
        "\ufeffstop\u2003",
    ],
)
def test_f18_every_stop_word_counts_in_any_case_and_with_blanks(word: str) -> None:
    """Twilio acts on them with or without `OptOutType`, and so must we."""
    form = urlencode(fields("text") | {"Body": word})
    states = [event.state for event in sms().parse(hook(form)) if isinstance(event, Standing)]
    assert states == ["opted_out"]


@pytest.mark.parametrize(
    "text", ["stop it", "Can you cancel?", "yes please", "the end", "STOP STOP", "opt out", "", ".", "\u200b"]
)
def test_word_within_a_sentence_changes_nothing(text: str) -> None:
    """Only the single word is a command."""
    form = urlencode(fields("text") | {"Body": text})
    assert not [event for event in sms().parse(hook(form)) if isinstance(event, Standing)]


def test_twilios_own_verdict_wins_over_the_word() -> None:
    """With Advanced Opt-Out the words are the operator's: END may mean something else there."""
    form = urlencode(fields("text") | {"Body": "END", "OptOutType": "HELP"})
    assert [type(event) for event in sms().parse(hook(form))] == [Inbound]


@pytest.mark.parametrize("name", ["whatsapp", "without_sender"])
def test_webhook_that_is_no_sms_is_parked(name: str) -> None:
    """A WhatsApp number that points here is a mistake for a person to see, and no SMS contact."""
    (event,) = parse(name)
    assert isinstance(event, Ignored)
    assert event.parked
    assert event.raw == body(name)


STATUSES: dict[str, tuple[str, str] | None] = {
    "status_queued": None,
    "status_sending": None,
    "status_sent": ("sent", ""),
    "status_delivered": ("delivered", ""),
    "status_read": ("read", ""),
    "status_canceled": ("failed", "The message was cancelled at Twilio"),
    "status_undelivered": ("failed", "The phone is off or out of reach (30003)"),
    "status_landline": ("failed", "The number is a landline or its operator takes no SMS (30006)"),
    "status_opted_out": ("failed", "The customer has opted out of SMS (STOP) (21610)"),
}


@pytest.mark.parametrize("name", STATUSES)
def test_f23_status_is_a_receipt_for_its_message(name: str) -> None:
    """By SID alone, so order and early arrival are the core's to sort out; a failure says why."""
    expected = STATUSES[name]
    receipts = [event for event in parse(name) if isinstance(event, Receipt)]
    assert [(receipt.status, receipt.reason) for receipt in receipts] == ([expected] if expected else [])
    assert all(receipt.external_id == fields(name)["MessageSid"] for receipt in receipts)


@pytest.mark.parametrize(
    ("name", "state"), [("status_opted_out", "opted_out"), ("status_landline", "invalid")]
)
def test_f18_failure_for_good_closes_the_number(name: str, state: str) -> None:
    """Error 21610 closes it as STOP does; a landline will never take an SMS."""
    (standing,) = [event for event in parse(name) if isinstance(event, Standing)]
    assert (standing.urn, standing.state) == ("tel:+393331234567", state)


def test_status_of_tomorrow_is_parked() -> None:
    """A state that Twilio adds later is seen by a person."""
    (event,) = parse("status_of_tomorrow")
    assert isinstance(event, Ignored)
    assert event.parked


def test_answer_is_empty_twiml() -> None:
    """Twilio reads the answer; anything else is logged as an error there."""
    for path in sms().webhooks:
        assert sms().answer(path) == Answer(body="<Response/>", content_type="text/xml")


# Who is believed


@pytest.mark.parametrize("algorithm", ["", "HMAC_SHA1", "HMAC_SHA256"])
@pytest.mark.parametrize(
    ("url", "signed"),
    [
        (URL, URL),
        (URL, "https://chat.example.com:443/webhooks/twilio"),
        ("https://chat.example.com:443/webhooks/twilio", URL),
        ("https://chat.example.com:8443/webhooks/twilio", "https://chat.example.com/webhooks/twilio"),
        ("http://localhost:8080/webhooks/twilio", "http://localhost:8080/webhooks/twilio"),
        (f"{URL}?region=eu&x=1", f"{URL}?region=eu&x=1"),
    ],
)
def test_f22_true_webhook_is_believed_behind_any_proxy(url: str, signed: str, algorithm: str) -> None:
    """Twilio's own validator agrees on each: with and without port, SHA-1 and SHA-256."""
    call = hook(body("text"), url=url, signed=signed, algorithm=algorithm)
    signature = call.headers["x-twilio-signature"]
    assert RequestValidator(AUTH).validate(url, fields("text"), signature, algorithm or None)
    assert len(sms().parse(call)) == 1


def test_signature_covers_names_that_come_twice_as_twilios_validator_does() -> None:
    """The same name with several values: each value once, sorted."""
    form = "A=2&A=1&A=2&" + body("text")
    flat = dict(parse_qsl(form, keep_blank_values=True))

    class Multi(dict[str, str]):
        def getall(self, name: str) -> list[str]:
            return [value for key, value in parse_qsl(form, keep_blank_values=True) if key == name]

    signature = RequestValidator(AUTH).compute_signature(URL, Multi(flat))
    assert len(sms().parse(hook(form, signature=signature))) == 1


def test_f22_number_of_a_pool_is_believed() -> None:
    """With a Messaging Service the customer may write to any of its numbers."""
    channel = sms(TWILIO_FROM=None, TWILIO_MESSAGING_SERVICE_SID="MG9752274e9e519418a7406176694466fa")
    assert len(channel.parse(hook(body("pooled")))) == 1


def test_f22_forged_webhook_is_refused() -> None:
    """A wrong token, another URL, changed fields, another account, no signature, an unknown algorithm."""
    true = hook(body("text"))
    changed = body("text").replace("borsa", "giacca")
    other = body("text").replace(ACCOUNT, "AC" + "f" * 32)
    forged = [
        hook(body("text"), token="another"),
        hook(body("text"), signed="https://elsewhere.example/webhooks/twilio"),
        hook(body("text"), signed=f"{PUBLIC}/webhooks/twilio/status"),
        hook(changed, signature=true.headers["x-twilio-signature"]),
        hook(other),
        hook("Body=hi&From=%2B39333"),
        hook(body("text"), signature=""),
        hook(body("text"), signature="è"),
        Webhook(path="twilio", url=URL, headers={"content-type": FORM}, body=true.body),
        Webhook(path="twilio", url=URL, body=true.body, headers={
            **true.headers, "x-twilio-webhooks-signature-settings": "algorithm=HMAC_MD5"}),
    ]  # fmt: skip
    for call in forged:
        with pytest.raises(BadWebhook):
            sms().parse(call)


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "text/plain", "multipart/form-data; boundary=x"]
)
def test_another_content_type_is_refused(content_type: str) -> None:
    """415 rather than a guess."""
    with pytest.raises(WrongType):
        sms().parse(hook(body("text"), content_type=content_type))


def test_unknown_charset_is_refused() -> None:
    """Nobody can tell what the text was."""
    with pytest.raises(WrongType):
        sms().parse(hook(body("text"), content_type=FORM.replace("UTF-8", "klingon-8")))


@pytest.mark.parametrize("form", [b"nonsense", b"Body=%ff%fe", b"\xff\xfe", b"&".join([b"a=b"] * 501)])
def test_broken_form_is_refused(form: bytes) -> None:
    """400, and nothing stored."""
    call = Webhook(path="twilio", url=URL, headers={"content-type": FORM}, body=form)
    with pytest.raises(BadRequest):
        sms().parse(call)


def test_every_sample_is_in_a_test() -> None:
    """A sample that nobody reads says nothing."""
    text = Path(__file__).read_text()
    assert [path.stem for path in (SAMPLES / "sms").glob("*.form") if f'"{path.stem}"' not in text] == []
