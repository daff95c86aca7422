"""Logs: one event per line, JSON for machines or aligned text for a terminal, always on stderr."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "json", "text")


def configure_logs(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Set up structlog and route the libraries' own loggers through it.

    `log_format` is `json`, `text`, or `auto`: text where the stream is a terminal.
    """
    stream = stream or sys.stderr
    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if as_text else "iso", utc=not as_text),
        structlog.processors.UnicodeDecoder(),
    ]
    renderer: list[structlog.typing.Processor] = (
        [_escape_controls, _text_renderer(stream)]
        if as_text
        # JSON escapes control characters, so that no name from outside can forge a line.
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = _Forward()
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _escape_controls(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Show control characters as escapes: what a model prints must not steer a terminal."""
    return {
        key: _escaped(value) if isinstance(value, str) and not value.isprintable() else value
        for key, value in event.items()
    }


def _escaped(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _text_renderer(stream: TextIO) -> structlog.dev.ConsoleRenderer:
    # Plain tracebacks: the pretty ones print local variables, which may hold a client's data.
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        pad_event_to=0,
        exception_formatter=structlog.dev.plain_traceback,
    )


class _Forward(logging.Handler):
    """Hands what libraries log to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on under its own level."""
        logger = structlog.get_logger(library=record.name)
        error = record.exc_info if record.exc_info and record.exc_info[0] else None
        logger.log(record.levelno, record.getMessage(), exc_info=error)
