"""Structured logs: one line per fact, with bound ids, and no secret ever.

Secrets are redacted by type (`SecretStr`) and, as a second net, by the shape of a bot token, a bearer token or a
password in a URL.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from pydantic import SecretBytes, SecretStr

REDACTED = "[secret]"
_NOISY = (
    *("httpx", "httpcore", "telegram", "telethon", "apscheduler", "asyncio"),
    *("uvicorn.access", "websockets", "numba", "matplotlib"),
)
_SHAPES = (
    (re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}"), REDACTED),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)\b(sk|rk|whsec|vzk)_[A-Za-z0-9_-]{8,}"), REDACTED),
    (re.compile(r"(://[^/\s:@]+:)[^@\s/]+@"), rf"\1{REDACTED}@"),
)


def set_up_logs(process: str, level: str = "INFO", style: str = "text", *, out: TextIO | None = None) -> None:
    """Every log line of this process, also of libraries, goes to `out` (stdout) in one format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_process(process),
        _redact,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact,
            renderer,
            _redact_line,
        ],
    )
    _send(formatter, level, out or sys.stdout)


def _send(formatter: logging.Formatter, level: str, out: TextIO) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def log(name: str) -> Any:
    """A logger; call it as `log("desk").info("order submitted", order_id=...)`."""
    return structlog.get_logger(name)


def redacted(value: Any) -> Any:
    """`value` with every secret in it replaced."""
    if isinstance(value, SecretStr | SecretBytes):
        return REDACTED
    if isinstance(value, str):
        for shape, replacement in _SHAPES:
            value = shape.sub(replacement, value)
        return value
    if isinstance(value, BaseException):
        return redacted(repr(value))
    if isinstance(value, dict):
        return {key: redacted(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(redacted(each) for each in value)
    return value


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if not key.startswith("_"):
            event[key] = redacted(value)
    return event


def _redact_line(_logger: Any, _method: str, line: Any) -> str:
    """The whole line once more: whatever object was in it has become text by now."""
    return str(redacted(line))


def _name_process(process: str) -> Any:
    def named(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return named
