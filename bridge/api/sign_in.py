"""Signing in and out, and the first administrator."""

from __future__ import annotations

from bridge.api import passwords, sessions
from bridge.api.client import client_address
from bridge.api.endpoint import Call, Made
from bridge.api.live import SIGNED_OUT
from bridge.api.shapes import SetUp, SetUpNeeded, SignedIn, SignIn
from bridge.api.throttle import Throttle
from bridge.errors import Conflict, NotSignedIn
from bridge.store import agents, tokens
from bridge.store.agents import Credentials

_WINDOW = 300.0


class Door:
    """Lets agents in who know their password, and stops those who guess."""

    def __init__(self) -> None:
        self._per_email = Throttle(limit=10, window=_WINDOW)
        self._per_address = Throttle(limit=50, window=_WINDOW)

    async def sign_in(self, call: Call, body: SignIn) -> SignedIn:
        """A session for the right pair. Whether the email or the password is wrong, nobody learns."""
        email, address = agents.normal_email(body.email), client_address(call.request, call.context.settings)
        self._per_address.take(address)
        self._per_email.take(email)
        known = await call.context.database.read(lambda tx: agents.by_email(tx, email))
        right = await passwords.check_aside(known.password_hash if known else "", body.password)
        if not known or not right:
            raise NotSignedIn("Email or password is not right")
        self._per_address.give_back(address)
        self._per_email.forget(email)
        await _refresh_hash(call, known, body.password)
        call.new_session = await sessions.begin(call.context, known.agent.id)
        return SignedIn(agent=known.agent)

    async def set_up(self, call: Call, body: SetUp) -> Made[SignedIn]:
        """The first administrator, by the token of the one-time link."""
        self._per_address.take(client_address(call.request, call.context.settings))
        password_hash = await passwords.hash_aside(body.password)
        agent = await call.context.database.write(
            lambda tx: tokens.set_up(
                tx, body.token, email=body.email, name=body.name, password_hash=password_hash
            )
        )
        call.new_session = await sessions.begin(call.context, agent.id)
        return Made(SignedIn(agent=agent))


async def sign_out(call: Call) -> None:
    """End the session that asks; its live feed ends with it."""
    holder = call.holder
    assert holder is not None
    if holder.kind != "session":
        raise Conflict("This is an API token, not a session")
    await call.context.database.write(lambda tx: tokens.end(tx, holder.hash))
    call.context.bus.tell(SIGNED_OUT, {"session": holder.hash})
    call.new_session = ""


async def set_up_needed(call: Call) -> SetUpNeeded:
    """Whether there is no agent yet, so that the page can say where the link is."""
    return SetUpNeeded(needed=not await call.context.database.read(agents.exist))


async def _refresh_hash(call: Call, known: Credentials, password: str) -> None:
    """Hashes made with older parameters are replaced while the password is at hand."""
    if passwords.is_outdated(known.password_hash):
        fresh = await passwords.hash_aside(password)
        await call.context.database.write(
            lambda tx: agents.change(tx, known.agent.id, {"password_hash": fresh})
        )
