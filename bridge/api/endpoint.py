"""What stands between HTTP and a handler: who asks, what they send, how the answer looks.

A handler of the JSON API is a typed function. Its signature is the whole truth about it, for
requests as for the OpenAPI document:

    async def rename(call: Call, id: str, body: ContactChange) -> ContactView: ...

`body` is the JSON body, `query` the query, other names are parts of the path: ids, which are UUIDs, or of
a channel numbers. It returns a view
(200), `Made` of a view (201, 200 for a repeat), nothing (204), or a response of its own.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ValidationError

from bridge.api import sessions
from bridge.api.context import CONTEXT, Context
from bridge.api.problems import PLAIN_HEADERS
from bridge.errors import BadRequest, Invalid, NotAllowed, NotFound, TooLarge, WrongType
from bridge.store.tokens import Holder
from bridge.views import AgentView

# No JSON that the API takes is near this; files are not JSON.
BODY_LIMIT = 1_000_000

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
ApiHandler = Callable[..., Awaitable[Any]]
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class Call:
    """One request: who asks, and the session to hand out with the answer (empty: to take away)."""

    context: Context
    request: web.Request
    holder: Holder | None = None
    new_session: str | None = None

    @property
    def agent(self) -> AgentView:
        """The agent who asks; only routes for agents have one."""
        assert self.holder is not None
        return self.holder.agent


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """A view of something made by this request; not `new` when it was made by the same one before."""

    view: T
    new: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """What a handler takes and gives."""

    body: type[BaseModel] | None
    query: type[BaseModel] | None
    path: Mapping[str, type]
    answer: type[BaseModel] | None
    status: int


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the route table.

    Who may call it: an `agent`, an `admin`, `anybody`, or whom the handler `itself` lets in. `repeats` says
    that the same request again answers 200. A handler that reads the body itself `takes` a media type; one
    that answers by itself `gives` statuses.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: ApiHandler
    summary: str
    access: Literal["agent", "admin", "anybody", "itself"] = "agent"
    repeats: bool = False
    takes: str = ""
    gives: Mapping[int, str] = field(default_factory=dict)


def shape_of(handler: ApiHandler) -> Shape:
    """Read a handler's signature."""
    signature = inspect.signature(handler, eval_str=True)
    _call, *rest = signature.parameters.values()
    kinds = {parameter.name: parameter.annotation for parameter in rest}
    path = {name: kind for name, kind in kinds.items() if name not in ("body", "query")}
    answer, status = signature.return_annotation, 200
    if get_origin(answer) is Made:
        answer, status = get_args(answer)[0], 201
    elif answer is None:
        status = 204
    view = answer if inspect.isclass(answer) and issubclass(answer, BaseModel) else None
    return Shape(kinds.get("body"), kinds.get("query"), path, view, status)


def serve(route: Route) -> Handler:
    """The aiohttp handler of a route: signs in, reads, calls, answers."""
    shape = shape_of(route.handler)

    async def handle(request: web.Request) -> web.StreamResponse:
        context = request.config_dict[CONTEXT]
        call = Call(context, request)
        if route.access in ("agent", "admin"):
            call.holder, call.new_session = await sessions.sign_in_of(request, context)
            if route.access == "admin" and call.agent.role != "admin":
                raise NotAllowed("Only administrators may do this")
        else:
            sessions.refuse_foreign_page(request, context)
        given: dict[str, Any] = {
            name: _number(request.match_info[name]) if kind is int else _id(request.match_info[name])
            for name, kind in shape.path.items()
        }
        if shape.query:
            given["query"] = read_query(request.query, shape.query)
        if shape.body:
            given["body"] = await read_body(request, shape.body)
        response = _response(await route.handler(call, **given))
        if call.new_session is not None and not response.prepared:
            sessions.hand_out(response, call.new_session, context.settings)
        return response

    return handle


async def read_body(request: web.Request, model: type[M]) -> M:
    """The JSON body as a model; `WrongType`, `TooLarge`, `BadRequest` or `Invalid` if it is none."""
    if request.content_type != "application/json":
        raise WrongType("Send JSON, with Content-Type: application/json")
    if (request.content_length or 0) > BODY_LIMIT:
        raise TooLarge(f"At most {BODY_LIMIT} bytes", limit=BODY_LIMIT)
    body = await request.read()
    if len(body) > BODY_LIMIT:
        raise TooLarge(f"At most {BODY_LIMIT} bytes", limit=BODY_LIMIT)
    return validate(model, _json(body), strict=True)


def read_query(query: Mapping[str, str], model: type[M]) -> M:
    """The query as a model, where an empty value is a missing one; `Invalid` if it is none."""
    return validate(model, {name: value for name, value in query.items() if value})


def validate(model: type[M], data: Any, *, strict: bool = False) -> M:
    """`data` as a model; what is wrong becomes an `Invalid` with its fields.

    JSON is taken strictly (`"5"` is no number); in a query everything is text.
    """
    try:
        return model.model_validate(data, strict=strict)
    except ValidationError as error:
        fields = [_field(dict(problem)) for problem in error.errors(include_url=False, include_context=False)]
        raise Invalid(f"{fields[0]['field'] or 'body'}: {fields[0]['problem']}", fields=fields) from None


def json_response(view: BaseModel, status: int = 200) -> web.Response:
    """A view as JSON."""
    return web.Response(
        body=view.model_dump_json().encode(),
        status=status,
        content_type="application/json",
        headers=PLAIN_HEADERS,
    )


def _response(result: Any) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    if result is None:
        return web.Response(status=204, headers=PLAIN_HEADERS)
    if isinstance(result, Made):
        return json_response(result.view, 201 if result.new else 200)
    return json_response(result)


def _id(text: str) -> str:
    """A part of the path that is an id of ours; nothing else can exist."""
    if not _ID.fullmatch(text):
        raise NotFound
    return text


def _number(text: str) -> int:
    """The same of a channel's id."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise NotFound
    return int(text)


def _json(body: bytes) -> Any:
    """JSON, lone surrogates included: they are replaced later, like everything that cannot be stored."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        where = (
            f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise BadRequest(f"This is not JSON{where}") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _field(problem: dict[str, Any]) -> dict[str, str]:
    message = str(problem["msg"]).removeprefix("Value error, ")
    return {"field": ".".join(map(str, problem["loc"])), "problem": message[:1].lower() + message[1:]}
