"""Files: uploading what is to be sent, and serving what is there without running any of it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from bridge.api.context import CONTEXT
from bridge.api.endpoint import Call, Made
from bridge.api.shapes import FileName
from bridge.errors import Invalid, NotAllowed, NotFound, TooLarge, WrongType
from bridge.signing import link_is_good
from bridge.store import uploads
from bridge.store.files import Files
from bridge.store.uploads import StoredFile
from bridge.views import FileView

_CHUNK = 64 * 1024
_LONGEST_TYPE = 100
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

# Whatever is in a file, nothing of it runs, and nothing is loaded by it.
_POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"

# A day: a file never changes, but whoever may see it can.
_CACHE = "private, max-age=86400"


async def upload(call: Call, query: FileName) -> Made[FileView]:
    """Keep the body as a file, to name in a reply's `attachments`."""
    file = await receive(call, f"agent:{call.agent.id}", query.name)
    return Made(file.model_copy(update={"url": f"/api/files/{file.id}"}))


async def download(call: Call, file_id: str) -> web.StreamResponse:
    """A file of a message, or of an upload."""
    return serve(await find(call.request, file_id), call.context.files)


async def public(request: web.Request) -> web.StreamResponse:
    """A file by a signed link that expires: vendors fetch what they send from here."""
    file_id = request.match_info["file_id"]
    secrets = request.config_dict[CONTEXT].site.secrets
    given = request.query
    if not link_is_good(secrets, request.path, given.get("e", ""), given.get("s", "")):
        raise NotAllowed("This link is not signed, or has expired")
    return serve(await find(request, file_id), request.config_dict[CONTEXT].files)


async def receive(call: Call, owner: str, name: str) -> FileView:
    """Stream the request's body into a file of `owner`; the view has no url yet.

    `TooLarge` over the limit, which is looked at before the body is, where the length is told. A form
    with the file in it is a `WrongType`.
    """
    if call.request.content_type.startswith("multipart/"):
        raise WrongType("Send the file itself as the body, and its name in the query")
    limit = call.context.settings.upload_limit
    if (call.request.content_length or 0) > limit:
        raise TooLarge(f"Files may have at most {limit} bytes", limit=limit)
    claimed = call.request.content_type[:_LONGEST_TYPE]
    stored = await call.context.files.put(
        call.request.content.iter_chunked(_CHUNK), limit=limit, claimed=claimed
    )
    if not stored.size:
        raise Invalid("The file is empty", fields=[{"field": "body", "problem": "is empty"}])
    return await call.context.database.write(lambda tx: uploads.add(tx, stored, owner=owner, name=name))


async def find(request: web.Request, file_id: str) -> StoredFile:
    """The file behind an id; `NotFound` until it is in place."""
    file = await request.config_dict[CONTEXT].database.read(lambda tx: uploads.find(tx, file_id))
    if file is None:
        raise NotFound("There is no such file")
    return file


def serve(file: StoredFile, files: Files) -> web.StreamResponse:
    """A file's bytes, ranges included, with headers that keep a browser from running it as a page."""
    path: Path = files.path(file.sha256)
    if not path.is_file():
        raise NotFound("This file is gone")
    shown = _may_be_shown(file.mime)
    return web.FileResponse(
        path,
        headers={
            "Content-Type": file.mime if shown else "application/octet-stream",
            "Content-Disposition": _disposition("inline" if shown else "attachment", file.name),
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Cache-Control": _CACHE,
        },
    )


def _may_be_shown(mime: str) -> bool:
    if mime == "application/pdf":
        return True
    return mime.startswith(("image/", "audio/", "video/")) and "xml" not in mime


def _disposition(kind: str, name: str) -> str:
    """RFC 6266: the name in ASCII for old programs, and as it is for all others.

    Folders, control characters and marks that turn the direction of text stay out of it.
    """
    name = _UNSAFE.sub("", re.split(r"[/\\]", name)[-1]).strip(" .")
    if not name:
        return kind
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
