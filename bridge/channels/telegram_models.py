"""aiogram, imported so that only those of its models get validators that are used.

Left alone it builds them for all its models, each with all that it mentions: seconds of work at each start,
and 100 MB in each process. A bot needs a dozen methods, and its answers are read as plain JSON.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Optional, Union

from pydantic import BaseModel, ConfigDict


def import_aiogram() -> None:
    """Import it, if nobody has yet. A model's validator is then built when it is first used."""
    if "aiogram" in sys.modules:
        return
    with _no_validators():
        types = importlib.import_module("aiogram.types")
    controller = importlib.import_module("aiogram.client.context_controller")
    default = importlib.import_module("aiogram.client.default").Default
    # The names that its annotations use, which most of its modules import for type checkers only.
    names = {name: getattr(types, name) for name in types.__all__}
    names |= {"Default": default, "List": list, "Optional": Optional, "Union": Union, "Literal": Literal}

    build = BaseModel.__dict__["model_rebuild"].__func__

    def rebuild(cls: Any, /, **options: Any) -> Any:
        return build(cls, **options | {"_types_namespace": names})

    controller.BotContextController.model_rebuild = classmethod(rebuild)


@contextmanager
def _no_validators() -> Iterator[None]:
    """Have models made without validators. What others make meanwhile gets them when first used, too."""
    config, rebuild = BaseModel.model_config, BaseModel.__dict__["model_rebuild"]
    BaseModel.model_config = ConfigDict(defer_build=True)
    BaseModel.model_rebuild = classmethod(lambda _, **__: None)  # type: ignore[assignment, method-assign]  # it is put back
    try:
        yield
    finally:
        BaseModel.model_config, BaseModel.model_rebuild = config, rebuild  # type: ignore[method-assign]  # as it was
