"""Agents and contacts."""

from __future__ import annotations

from bridge.api.endpoint import Call
from bridge.api.live import LIVE
from bridge.api.shapes import Colleague, Colleagues, ContactChange, ProfileChange
from bridge.errors import NotFound
from bridge.store import agents, contacts
from bridge.views import AgentView, ContactView


async def me(call: Call) -> AgentView:
    """The agent who asks."""
    return call.agent


async def change_me(call: Call, body: ProfileChange) -> AgentView:
    """Change what is given of the agent who asks."""
    values = body.model_dump(exclude_none=True)
    if not values:
        return call.agent
    return await call.context.database.write(lambda tx: agents.change(tx, call.agent.id, values))


async def colleagues(call: Call) -> Colleagues:
    """Every agent, and who has the inbox open."""
    online = call.request.app[LIVE].presence.online
    return Colleagues(
        items=[
            Colleague(id=a.id, name=a.name, email=a.email, role=a.role, online=a.id in online)
            for a in await call.context.database.read(agents.everyone)
        ]
    )


async def contact(call: Call, contact_id: str) -> ContactView:
    """A person, with every address."""
    found = await call.context.database.read(lambda tx: contacts.views(tx, [contact_id]))
    if contact_id not in found:
        raise NotFound("There is no such contact")
    return found[contact_id]


async def rename_contact(call: Call, contact_id: str, body: ContactChange) -> ContactView:
    """Give a contact another name."""
    renamed = await call.context.database.write(lambda tx: contacts.rename(tx, contact_id, body.name.strip()))
    call.context.bus.ring("changes")
    return renamed
