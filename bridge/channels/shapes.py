"""What the shapes of vendors' JSON share: numbers that can be stored, and what may be nonsense."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator


def or_none(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """A decoration that makes no sense is dropped; the message it adorns is not."""
    try:
        return validate(value)
    except ValidationError:
        return None


# Telegram's numbers have at most 52 significant bits: https://core.telegram.org/bots/api#user. Larger
# ones would be lost on the way to a page, and no database could keep them.
_WHOLE = (1 << 53) - 1
_LARGEST = (1 << 31) - 1
_LAST_DATE = 253_402_300_799  # the end of the year 9999

Whole = Annotated[int, Field(ge=-_WHOLE, le=_WHOLE)]
Date = Annotated[int, Field(ge=0, le=_LAST_DATE)]
Size = Annotated[Annotated[int, Field(ge=0, le=_WHOLE)] | None, WrapValidator(or_none)]
Measure = Annotated[Annotated[int, Field(ge=0, le=_LARGEST)] | None, WrapValidator(or_none)]


def as_dict(value: Any) -> dict[str, Any]:
    """A JSON object, or an empty one where something else stands in its place."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The same of an array."""
    return value if isinstance(value, list) else []
