"""Small real files that customers send: a browser shows them, a sniffer names them.

The pictures, the tune and the film in `media/` were drawn for this project.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bridge.sandbox.vendor import Upload

_FOLDER = Path(__file__).with_name("media")
_PHOTOS = ("paralume.jpg", "lampada-blu.jpg", "vaso.jpg", "lampada-verde.jpg")
_FILES = {
    "video": ("video.mp4", "lampada.mp4", "video/mp4"),
    "animation": ("video.mp4", "lampada.gif.mp4", "video/mp4"),
    "video_note": ("video.mp4", "nota.mp4", "video/mp4"),
    "voice": ("voice.ogg", "voce.ogg", "audio/ogg"),
    "sticker": ("sticker.webp", "sticker.webp", "image/webp"),
}


def of(kind: str) -> Upload:
    """A sample for a kind of file; a kind without one is a `ValueError`."""
    if kind == "photo":
        return photo()
    if kind == "document":
        return Upload("ordine-1042.pdf", "application/pdf", _pdf("Ordine 1042 - Bottega Lume"))
    if kind == "audio":
        # MPEG-1 layer III frames whose side information is zero: silence, and a true MP3.
        return Upload("brano.mp3", "audio/mpeg", (b"\xff\xfb\x90\x64" + bytes(413)) * 80)
    if kind not in _FILES:
        raise ValueError(f"no sample of kind {kind}")
    stored, name, mime = _FILES[kind]
    return Upload(name, mime, _read(stored))


def photo(number: int = 0) -> Upload:
    """A picture; another number is another picture, four in all."""
    number %= len(_PHOTOS)
    return Upload(_PHOTOS[number], "image/jpeg", _read(f"photo{number}.jpg"))


@cache
def _read(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def _pdf(line: str) -> bytes:
    """A PDF of one page with one line."""
    content = f"BT /F1 20 Tf 72 760 Td ({line}) Tj ET".encode("ascii")
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    made, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size, start = len(objects) + 1, len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    return made + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
