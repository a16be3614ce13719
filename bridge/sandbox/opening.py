"""The first words of the demo's customers: they come in the real way, through the stand-ins."""

from __future__ import annotations

import asyncio

from bridge.sandbox import samples
from bridge.sandbox.vendors import Vendors

MARCO, CHIARA = "+393331234567", "+393471112233"


async def opening_words(vendors: Vendors) -> None:
    """Four customers of the shop write, with the pauses that people make."""
    telegram, sms, whatsapp = vendors.telegram, vendors.sms, vendors.whatsapp
    await telegram.say("Buongiorno! Il negozio è aperto anche domenica?", chat_id=1002)
    await asyncio.sleep(0.4)
    await whatsapp.say("Ciao! La lampada Onda si può anche appendere?", sender=CHIARA)
    await asyncio.sleep(0.4)
    await sms.say("Buongiorno, avete il vaso grande anche in verde salvia?", sender=MARCO)
    await asyncio.sleep(0.4)
    await sms.say("Mi servirebbe per sabato", sender=MARCO)
    await asyncio.sleep(0.4)
    await telegram.say("È appena arrivata, ma il paralume è crepato", kind="photo", file=samples.photo())
