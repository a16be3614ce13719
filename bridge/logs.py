"""Logs: one event per line on standard output, as JSON or, on a terminal, to be read by people.

No line carries a message's text, a phone number or a token.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Literal, TextIO, cast

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError


def configure(form: Literal["auto", "json", "text"], level: str) -> None:
    """Set up logging for the process."""
    as_json = form == "json" or (form == "auto" and not sys.stdout.isatty())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        # The plain one shows no variables: they hold what customers wrote.
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else _as_is,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy(sys.stdout))),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module: their warnings are worth a line, their chatter is not.
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("aiohttp.server").addFilter(_is_ours)


class _Lossy:
    """A stream that loses what finds no room, or nobody who reads: work goes on without the line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        """Write, if it can be."""
        with contextlib.suppress(OSError):
            self._out.write(text)

    def flush(self) -> None:
        """Hand on what was written, if it can be."""
        with contextlib.suppress(OSError):
            self._out.flush()


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line is about us: bytes that are no HTTP are answered 400, and may hold a token."""
    theirs = HttpProcessingError | RequestPayloadError
    return not (record.exc_info and isinstance(record.exc_info[1], theirs))


def _as_is(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event
