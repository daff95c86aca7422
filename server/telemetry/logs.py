"""Logs: one event per line, JSON for machines or aligned text for a terminal, always on stderr."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import NamedTuple, TextIO

import structlog

from server.telemetry.log_settings import LogRules, rules_of

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "json", "text")
_ALL_LEVELS = (*LEVELS, "critical")


class _Output(NamedTuple):
    """Where lines go, and whether as text or as JSON."""

    stream: TextIO | None
    as_text: bool


_output = _Output(None, as_text=False)


def configure_logs(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Set up structlog and route the libraries' own loggers through it.

    `log_format` is `json`, `text`, or `auto`: text where the stream is a terminal.
    """
    global _output
    stream = stream or sys.stderr
    _output = _Output(stream, log_format == "text" or (log_format == "auto" and stream.isatty()))
    use_log_rules(rules_of(level))
    handler = _Forward()
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def use_log_rules(rules: LogRules) -> None:
    """Write what `rules` say from here on, in the form and to where it goes already."""
    stream, as_text = _output.stream or sys.stderr, _output.as_text
    short = as_text and not rules.iso
    levels = rules.levels
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if short else "iso", utc=not short),
        structlog.processors.UnicodeDecoder(),
    ]
    lowest = min(map(_number, levels), default=logging.CRITICAL)
    if not levels.issuperset(level for level in _ALL_LEVELS if _number(level) >= lowest):
        shared.insert(0, partial(_drop_others, levels))
    renderer: list[structlog.typing.Processor] = (
        [_escape_controls, _text_renderer(stream)]
        if as_text
        # JSON escapes control characters, so that no name from outside can forge a line.
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _drop_others(
    levels: frozenset[str], _logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Let only lines of `levels` pass; an exception is an error that brings its traceback."""
    if {"exception": "error", "warn": "warning"}.get(method, method) not in levels:
        raise structlog.DropEvent
    return event


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
