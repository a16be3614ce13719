"""The built pages and scripts, from memory: compressed once, unchanged files answered with 304."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web

from bridge.api.context import CONTEXT
from bridge.errors import NotFound

# Nothing from elsewhere, no inline script, and only our own pages (the sandbox) may frame it.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_ASK_AGAIN = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"
# Vite puts a hash of the content into these names: another content is another name.
_HASHED = re.compile(r"assets/.+-[\w-]{8}\.\w+$")
_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent: its bytes, its compressed bytes where that helps, its tag."""

    body: bytes
    zipped: bytes | None
    mime: str
    tag: str
    changed_at: int


_assets: dict[Path, Asset] = {}


async def home(_: web.Request) -> web.Response:
    """Who opens the address itself wants the inbox."""
    raise web.HTTPFound("/inbox/")


async def inbox(request: web.Request) -> web.Response:
    """The agents' page; it reads the rest of the path itself."""
    return respond(request, "inbox/index.html", {**PAGE_HEADERS, hdrs.CACHE_CONTROL: _ASK_AGAIN})


async def asset(request: web.Request) -> web.Response:
    """A script, style or picture of a page."""
    name = request.match_info["path"]
    caching = _FOR_EVER if _HASHED.search(name) else _ASK_AGAIN
    return respond(request, name, {**PAGE_HEADERS, hdrs.CACHE_CONTROL: caching})


def respond(request: web.Request, name: str, headers: dict[str, str]) -> web.Response:
    """A file below `static/`; 304 if the caller has it, `NotFound` if it is none."""
    found = _read(_inside(request.config_dict[CONTEXT].static, name))
    headers = {**headers, hdrs.ETAG: found.tag, hdrs.VARY: "Accept-Encoding"}
    if found.tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    zip_it = found.zipped is not None and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
    if zip_it:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    body = found.zipped if zip_it else found.body
    return web.Response(body=body, headers={**headers, hdrs.CONTENT_TYPE: found.mime})


def _inside(folder: Path, name: str) -> Path:
    """The file of that name in the folder of the pages; no name leads out of it."""
    path = (folder / name.replace("\0", "")).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise NotFound("There is no such page")
    return path


def _read(path: Path) -> Asset:
    """The file, from memory unless it was built anew."""
    changed_at = path.stat().st_mtime_ns
    known = _assets.get(path)
    if known and known.changed_at == changed_at:
        return known
    body = path.read_bytes()
    mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    zipped = gzip.compress(body, mtime=0) if mime.startswith(_COMPRESSIBLE) and len(body) > 500 else None
    if mime.startswith("text/"):
        mime += "; charset=utf-8"
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    _assets[path] = Asset(body, zipped, mime, tag, changed_at)
    return _assets[path]
