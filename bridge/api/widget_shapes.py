"""What a visitor's page says and hears, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from yarl import URL

from bridge.api.shapes import Body, Id, Text
from bridge.views import View, VisitorMessage

_LONGEST_TOKEN = 200
_LONGEST_PAGE = 500
_LAST = (1 << 53) - 1

Seq = Annotated[int, Field(ge=0, le=_LAST)]


def _page(value: str) -> str:
    """An address of the site, without what may be private in it; anything else is nothing."""
    try:
        url = URL(value)
        if url.scheme not in ("http", "https") or not url.host:
            return ""
        return str(url.with_query(None).with_fragment(None).with_user(None))[:_LONGEST_PAGE]
    except ValueError:
        return ""


class Hello(Body):
    """The first frame of a socket."""

    type: Literal["hello"]
    token: Annotated[str, Field(max_length=_LONGEST_TOKEN)]


class Word(Body):
    """What a page says by its socket. `seq` belongs to `ack` and `seen`."""

    type: str
    seq: Seq = 0


class Returning(Body):
    """The token that a visitor was given before, if this is one."""

    token: Annotated[str, Field(max_length=_LONGEST_TOKEN)] = ""


class VisitorLimits(View):
    """What a visitor may send: UTF-16 units of a text, bytes of a file, files of a message."""

    text: int
    file_size: int
    files: int


class Visit(View):
    """A visitor, and the token that shows it is them: `Authorization: Bearer <token>`."""

    visitor_id: str
    token: str
    business: str
    limits: VisitorLimits


class VisitorPageQuery(Body):
    """The newest messages, or the newest before a `seq`."""

    before: Seq | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class VisitorPage(View):
    """A piece of the visitor's thread, oldest first; replace by `id` what is known.

    `more` says whether older messages come before it, and is null where a piece is only news.
    The team has read the visitor's own messages up to `read`.
    """

    items: list[VisitorMessage]
    more: bool | None
    read: int


class NewVisitorMessage(Body):
    """What a visitor writes. The same `client_id` again is the same message.

    `attachments` are ids of files that were uploaded, `page` is where the visitor is on the site.
    """

    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    text: Text = ""
    attachments: list[Id] = Field(default_factory=list, max_length=30)
    page: Annotated[Text, AfterValidator(_page)] = ""


class UpTo(Body):
    """The last message that arrived, or was looked at."""

    seq: Seq
