"""Refuses a wheel without the pages: it would install and then serve nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGES = ("bridge/static/inbox/index.html", "bridge/static/widget.js")


class PagesHook(BuildHookInterface):  # type: ignore[type-arg]  # generic only in newer hatchlings' stubs
    """Looks for the built pages before a wheel is made; an editable install may go without."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # the interface
        """Raises `RuntimeError` with what to run when a page is missing."""
        missing = [page for page in PAGES if not (Path(self.root) / page).is_file()]
        if missing and version != "editable":
            raise RuntimeError(
                f"The wheel would lack {' and '.join(missing)}: build the pages first, with "
                "`make web` (or `npm ci && npm run build` in web/)."
            )
