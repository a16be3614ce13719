"""The only route table."""

from __future__ import annotations

import asyncio

from aiohttp import web

from bridge.api import (
    channels,
    conversations,
    deliveries,
    events,
    files,
    health,
    live,
    messages,
    openapi,
    pages,
    people,
    webhooks,
    widget,
)
from bridge.api.context import CONTEXT, Context
from bridge.api.endpoint import Route, serve
from bridge.api.problems import answer_errors
from bridge.api.sign_in import Door, set_up_needed, sign_out

# The largest body that is read into memory, WhatsApp's webhooks; each handler has its own limit below.
_LARGEST_BODY = 3_200_000

_CONVERSATION = "/api/conversations/{conversation_id}"
_MESSAGE = "/api/messages/{message_id}"
_CONTACT = "/api/contacts/{contact_id}"


def api() -> list[Route]:
    """The agents' JSON API, as the OpenAPI document describes it."""
    door = Door()
    return [
        Route("GET", "/api/setup", set_up_needed, "Whether there is no agent yet", access="anybody"),
        Route("POST", "/api/setup", door.set_up, "Become the first administrator", access="anybody"),
        Route("POST", "/api/session", door.sign_in, "Sign in", access="anybody"),
        Route("DELETE", "/api/session", sign_out, "Sign out"),
        Route("GET", "/api/me", people.me, "Who I am"),
        Route("PATCH", "/api/me", people.change_me, "Change my profile"),
        Route("GET", "/api/agents", people.colleagues, "All agents"),
        Route("GET", "/api/channels", channels.listed, "The channels that are on, and how they are"),
        Route("PUT", "/api/channels/{channel_id}/switch", channels.switch,
              "Treat a channel as down, as up, or as it is", access="admin"),
        Route("GET", "/api/incidents", channels.incidents, "Times in which a channel was down"),
        Route("GET", "/api/incidents/{incident_id}", channels.incident, "One of them"),
        Route("GET", "/api/conversations", conversations.listed, "List conversations"),
        Route("GET", _CONVERSATION, conversations.one, "One conversation"),
        Route("PATCH", _CONVERSATION, conversations.change, "Resolve, reopen or assign"),
        Route("POST", f"{_CONVERSATION}/read", conversations.seen, "Mark as read up to a message"),
        Route("PUT", f"{_CONVERSATION}/draft", conversations.save_draft, "Keep what I have typed"),
        Route("POST", f"{_CONVERSATION}/typing", conversations.typing, "Show that I am writing"),
        Route("GET", f"{_CONVERSATION}/activity", conversations.happened, "What happened besides messages"),
        Route("GET", f"{_CONVERSATION}/messages", messages.listed, "A page of the thread"),
        Route("POST", f"{_CONVERSATION}/messages", messages.write, "Send a reply or a note", repeats=True),
        Route("GET", f"{_MESSAGE}/versions", messages.all_versions, "All versions of an edited message"),
        Route("POST", f"{_MESSAGE}/settle", messages.settle, "Say what became of an unknown reply"),
        Route("POST", f"{_MESSAGE}/retry", messages.retry, "Send a failed reply again"),
        Route("POST", f"{_MESSAGE}/cancel", messages.cancel, "Take a waiting reply back"),
        Route("POST", f"{_MESSAGE}/give-up", messages.give_up, "Try a reply no more"),
        Route("GET", "/api/deliveries", deliveries.listed, "Replies that wait or need a person"),
        Route("GET", _CONTACT, people.contact, "One contact"),
        Route("PATCH", _CONTACT, people.rename_contact, "Rename a contact"),
        Route("GET", "/api/events/parked", events.listed, "Events that could not be read", access="admin"),
        Route("POST", "/api/events/replay", events.replay, "Read them again", access="admin"),
        Route("POST", "/api/events/give-up", events.give_up, "Wait no longer for them", access="admin"),
        Route("POST", "/api/files", files.upload, "Upload a file", takes="application/octet-stream"),
        Route("GET", "/api/files/{file_id}", files.download, "Download a file",
             gives={200: "The file", 206: "A part of the file", 304: "Not changed"}),
        Route("GET", "/api/live", live.live, "The live feed", access="itself", gives={101: "A WebSocket"}),
    ]  # fmt: skip


def build(context: Context) -> web.Application:
    """The application with every route; its feed and sockets start and end with it."""
    app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[answer_errors])
    app[CONTEXT] = context
    app[health.READINESS] = health.Readiness(context)
    app[live.LIVE] = live.Live(context)
    app[widget.WIDGET] = widget.Widget(context)
    app.on_startup.append(_start)
    app.on_shutdown.append(_stop)
    router = app.router
    router.add_routes(webhooks.Webhooks(context).routes())
    table = api()
    for route in table:
        router.add_route(route.method, route.path, serve(route))
    router.add_get("/api/openapi.json", openapi.handler(table, context.settings.public_url))
    router.add_get("/healthz", health.alive)
    router.add_get("/readyz", health.ready)
    router.add_get("/metrics", health.metrics)
    router.add_get("/media/{file_id}", files.public)
    router.add_get("/", pages.home)
    router.add_get("/inbox", pages.home)
    router.add_get("/inbox/{path:.*}", pages.inbox)
    router.add_get("/static/{path:.+}", pages.asset)
    router.add_routes(app[widget.WIDGET].routes())
    return app


async def _start(app: web.Application) -> None:
    await app[CONTEXT].feed.start()
    app[live.LIVE].start()
    app[widget.WIDGET].start()


async def _stop(app: web.Application) -> None:
    await asyncio.gather(app[live.LIVE].close(), app[widget.WIDGET].close())
    await app[CONTEXT].feed.close()
