"""How the stand-ins' controls read requests and answer them."""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from bridge.sandbox.vendor import Upload

Model = TypeVar("Model", bound=BaseModel)


class Body(BaseModel):
    """What a control takes; a field that it does not know is an error."""

    model_config = ConfigDict(extra="forbid")


class FileIn(Body):
    """A file a customer sends, its bytes in base64."""

    name: str
    mime: str = ""
    data: str

    def upload(self) -> Upload:
        """The file; broken base64 is a `ValueError`."""
        try:
            return Upload(self.name, self.mime, base64.b64decode(self.data, validate=True))
        except binascii.Error as error:
            raise ValueError(f"the data of {self.name!r} is not base64") from error


async def read(request: web.Request, model: type[Model]) -> Model:
    """The body; a wrong one is a `ValueError`."""
    try:
        return model.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(problems) from None


def file_answer(upload: Upload | None) -> web.Response:
    """A customer's file, so that a browser shows it and runs nothing."""
    if upload is None:
        return problem(404, "No such file")
    shown = upload.mime.split("/")[0] in ("image", "audio", "video") and "svg" not in upload.mime
    return web.Response(
        body=upload.data, content_type=upload.mime if shown else "application/octet-stream",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"},
    )  # fmt: skip


def json_answer(value: Any) -> web.Response:
    """Anything as JSON."""
    return web.Response(body=orjson.dumps(value, default=as_text), content_type="application/json")


def as_text(value: Any) -> str:
    """For `orjson`: what is no JSON, in words."""
    return f"({len(value)} bytes)" if isinstance(value, bytes) else str(value)


def problem(status: int, detail: str) -> web.Response:
    """An error, as problem+json."""
    body = {"type": "about:blank", "title": detail, "status": status, "detail": detail}
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/problem+json")
