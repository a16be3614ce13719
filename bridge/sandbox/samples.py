"""Small real files that customers send: real enough for a browser to show and a sniffer to name."""

from __future__ import annotations

import struct
import zlib

from bridge.sandbox.vendor import Upload

_TINTS = ((0xC4, 0x53, 0x2A), (0x2A, 0x6F, 0x97), (0x3C, 0x7A, 0x4B), (0x8A, 0x5A, 0x9E))


def of(kind: str) -> Upload:
    """A sample for a kind of file."""
    return _MAKERS[kind]()


def photo(number: int = 0) -> Upload:
    """A picture; another number is another picture."""
    return Upload(f"foto{number}.png", "image/png", _png(320, 240, _TINTS[number % len(_TINTS)]))


def _png(width: int, height: int, tint: tuple[int, int, int]) -> bytes:
    rows = b"".join(
        b"\0" + b"".join(bytes(min(255, c + (x * 60 // width) + (y * 40 // height)) for c in tint) for x in range(width))
        for y in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _document() -> Upload:
    return Upload("ordine.pdf", "application/pdf", b"%PDF-1.4\n%%EOF\n")


def _audio() -> Upload:
    # MPEG-1 layer III frames whose side information is zero: silence.
    return Upload("brano.mp3", "audio/mpeg", (b"\xff\xfb\x90\x64" + bytes(413)) * 80)


_MAKERS = {
    "photo": photo, "document": _document, "audio": _audio, "voice": _audio, "video": _document,
    "animation": _document, "video_note": _document, "sticker": photo,
}  # fmt: skip
