"""aiogram without most of its validators: what is used works, and the rest costs nothing."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: in this one aiogram may be there already.
ASK = """
from bridge.channels.telegram_models import import_aiogram
import_aiogram()
from pydantic import BaseModel
from aiogram.methods import TelegramMethod
from aiogram.types import Message, Update
from bridge.channels import telegram_wire

print("built", Update.__pydantic_complete__)
used = [m for m in vars(telegram_wire).values()
        if isinstance(m, type) and issubclass(m, TelegramMethod) and m is not TelegramMethod]
for method in used:
    method.model_rebuild(raise_errors=True)
print("methods", len(used) > 10 and all(method.__pydantic_complete__ for method in used))
chat = {"id": 1, "type": "private"}
print("answer", Message.model_validate({"message_id": 1, "date": 1, "chat": chat, "text": "Ciao"}).text)

class Other(BaseModel):
    name: str

print("others", Other.__pydantic_complete__)
"""


def test_models_are_built_when_they_are_used() -> None:
    """Left alone aiogram takes seconds and 100 MB more, in every process that starts."""
    told = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["built False", "methods True", "answer Ciao", "others True"]
