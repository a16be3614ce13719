"""Files of customers and agents: kept once per content, under the SHA-256 of what is in them.

A file is written before the row that names it, and only ever whole: a crash leaves a stray file,
never a row without its file. An S3 store can take the place of the folder behind the same class.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import puremagic

from bridge.errors import TooLarge, Unavailable

# Enough for every signature that is looked for.
_HEAD = 8192
_PART = "part-"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file on disk: `mime` is what its content says it is, whatever was claimed."""

    sha256: str
    size: int
    mime: str


class Files:
    """A folder of files by content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Where the file with this content is."""
        return self._folder / sha256[:2] / sha256

    async def put(self, chunks: AsyncIterator[bytes], *, limit: int, claimed: str = "") -> Stored:
        """Keep a file of at most `limit` bytes; `claimed` is its given type.

        `TooLarge`: over the limit. `Unavailable`: the disk is full.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=_PART)
        except OSError as error:
            raise Unavailable("There is no room for files") from error
        digest, size, head = hashlib.sha256(), 0, b""
        try:
            with os.fdopen(handle, "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise TooLarge(f"Files may have at most {limit} bytes", limit=limit)
                    if len(head) < _HEAD:
                        head += chunk[:_HEAD]
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            await asyncio.to_thread(self._settle, name, digest.hexdigest())
        except OSError as error:
            _forget(name)
            raise Unavailable("There is no room for files") from error
        except BaseException:
            _forget(name)
            raise
        return Stored(digest.hexdigest(), size, sniff(head, claimed))

    def _settle(self, part: str, sha256: str) -> None:
        target = self.path(sha256)
        target.parent.mkdir(exist_ok=True)
        Path(part).replace(target)
        for folder in (target.parent, self._folder):  # a power cut must not take back its name
            _sync(folder)

    def old(self, folder: int, *, older_than: float) -> list[str]:
        """The contents in one of the 256 folders that were put more than so many seconds ago."""
        place, latest = self._folder / f"{folder:02x}", time.time() - older_than
        if not place.is_dir():
            return []
        with os.scandir(place) as entries:
            return [entry.name for entry in entries if entry.stat().st_mtime < latest]

    def remove_broken(self, *, older_than: float) -> None:
        """Delete what a crash left of files that were being written so many seconds ago."""
        for part in self._folder.glob(f"{_PART}*"):
            with contextlib.suppress(FileNotFoundError):  # it was finished meanwhile
                if part.stat().st_mtime < time.time() - older_than:
                    part.unlink()

    def remove(self, sha256: str, *, older_than: float) -> None:
        """Delete a file that no row names, unless it was put again less than so many seconds ago.

        Its new row may be on its way: the file is always there first.
        """
        path = self.path(sha256)
        if path.exists() and path.stat().st_mtime < time.time() - older_than:
            path.unlink(missing_ok=True)


def _forget(part: str) -> None:
    """Delete at once, also while the task is being cancelled; it may have found its place just now."""
    Path(part).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sniff(head: bytes, claimed: str) -> str:
    """The media type that the first bytes show, else a harmless form of the claimed one.

    Anything a browser could run (HTML, SVG, scripts) that is only claimed becomes plain bytes.
    """
    if head.startswith(b"OggS") and head[28:36] == b"OpusHead":  # RFC 7845: what recorders make
        return "audio/ogg"
    try:
        found = puremagic.from_string(head, mime=True) if head else ""
    except puremagic.PureError:
        found = ""
    mime = (found or claimed).split(";")[0].strip().lower()
    if not mime or "/" not in mime:
        return "application/octet-stream"
    # Containers share signatures: a voice note is "video/mp4" or "application/ogg" to a sniffer.
    family = claimed.split("/")[0]
    if family in ("audio", "video") and mime.split("/")[0] in ("audio", "video", "application") and found:
        return claimed.split(";")[0].strip().lower()
    return mime


def kind_of(mime: str) -> Literal["image", "video", "audio", "voice", "document"]:
    """The kind of attachment that a media type makes."""
    if mime == "audio/ogg":
        return "voice"
    if mime in ("image/jpeg", "image/png", "image/webp", "image/gif"):
        return "image"
    if mime.startswith("video/"):
        return "video"
    return "audio" if mime.startswith("audio/") else "document"
