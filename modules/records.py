"""The typed collections: which documents exist, by which key and indexes, and how values become documents and back.

A document is plain JSON: Decimal as text, time as integer milliseconds UTC, enums by value. Reading a document written
by an older version fills new fields from their defaults. Nothing here decides anything.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from database import CollectionSpec, Index, Migration, Store, open_store
from modules.domain.errors import InvalidInput
from modules.domain.market import ms_from_utc, utc_from_ms
from modules.domain.money import plain
from modules.domain.orders import Fill, Order, OrderRequest
from modules.domain.people import Account
from modules.domain.plans import Plan
from modules.domain.positions import Position
from modules.domain.signals import Signal

if typing.TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
Document = dict[str, Any]
_Convert = Callable[[Any], Any]

COLLECTIONS: tuple[CollectionSpec, ...] = (
    CollectionSpec("messages", indexes=(Index(("source", "message_id")), Index(("content_hash", "received_at")))),
    CollectionSpec(
        "signals", indexes=(Index(("status",)), Index(("source", "symbol", "status")), Index(("fingerprint",)))
    ),
    CollectionSpec("users", indexes=(Index(("email",), unique=True), Index(("telegram_id",), unique=True))),
    CollectionSpec("sessions", indexes=(Index(("user_id",)),)),
    CollectionSpec("sign_in_attempts", indexes=(Index(("forget_at",)),)),
    CollectionSpec("one_time_codes", indexes=(Index(("subject", "purpose")), Index(("expires_at",)))),
    CollectionSpec("api_keys", indexes=(Index(("user_id",)), Index(("secret_hash",), unique=True))),
    CollectionSpec("mails", indexes=(Index(("status", "due_at")), Index(("user_id",)))),
    CollectionSpec("accounts", indexes=(Index(("user_id",)),)),
    CollectionSpec(
        "plans",
        indexes=(
            Index(("account_id", "status")),
            Index(("status",)),
            Index(("signal_id",)),
            Index(("account_id", "created_at")),
        ),
    ),
    CollectionSpec("planning_queue", indexes=(Index(("created_at",)),)),
    CollectionSpec(
        "order_requests", indexes=(Index(("account_id", "status")), Index(("plan_id",)), Index(("status",)))
    ),
    CollectionSpec(
        "orders", indexes=(Index(("plan_id",)), Index(("account_id", "state")), Index(("account_id", "created_at")))
    ),
    CollectionSpec("fills", indexes=(Index(("client_order_id",)), Index(("account_id", "at")))),
    CollectionSpec(
        "positions",
        indexes=(
            Index(("plan_id",)),
            Index(("account_id", "status")),
            Index(("status",)),
            Index(("signal_id",)),
            Index(("account_id", "closed_at")),
        ),
    ),
    CollectionSpec("exit_rows", indexes=(Index(("monitor",)),)),
    CollectionSpec("advanced_orders", indexes=(Index(("account_id", "status")), Index(("status",)))),
    CollectionSpec("idempotency_keys", indexes=(Index(("at",)),)),
    CollectionSpec("trading_sessions", indexes=(Index(("account_id", "started_at")),)),
    CollectionSpec("equity_history", indexes=(Index(("account_id", "at")), Index(("fine", "at")))),
    CollectionSpec("day_baselines", indexes=(Index(("account_id", "day"), unique=True),)),
    CollectionSpec("safety"),
    CollectionSpec("equity_marks"),
    CollectionSpec("opinions", indexes=(Index(("kind", "known_at")), Index(("kind", "subject", "known_at")))),
    CollectionSpec("score_weights"),
    CollectionSpec("signal_scores", indexes=(Index(("status",)),)),
    CollectionSpec("refusals", indexes=(Index(("signal_id",)), Index(("account_id", "at")))),
    CollectionSpec("sources"),
    CollectionSpec("posts", indexes=(Index(("chat", "message_id")), Index(("signal_id",)), Index(("content_hash",)))),
    CollectionSpec(
        "deliveries", indexes=(Index(("status", "due_at")), Index(("chat", "status")), Index(("signal_id",)))
    ),
    CollectionSpec("chats", indexes=(Index(("kind",)), Index(("user_id",)))),
    CollectionSpec("hooks", indexes=(Index(("user_id",)), Index(("enabled",)))),
    CollectionSpec(
        "hook_deliveries",
        indexes=(
            Index(("user_id",)),
            Index(("status", "due_at")),
            Index(("hook_id", "created_at")),
            Index(("hook_id", "status")),
        ),
    ),
    CollectionSpec("inbound_hooks", indexes=(Index(("user_id",)),)),
    CollectionSpec("notification_settings", indexes=(Index(("user_id",)),)),
    CollectionSpec("push_devices", indexes=(Index(("user_id",)),)),
    CollectionSpec(
        "push_deliveries",
        indexes=(Index(("user_id",)), Index(("status", "due_at")), Index(("device_id", "status"))),
    ),
    CollectionSpec("local_messages", indexes=(Index(("chat", "number"), unique=True),)),
    CollectionSpec("chat_questions", indexes=(Index(("status", "asked_at")),)),
    CollectionSpec("confirmations"),
    CollectionSpec("reader_states"),
    CollectionSpec("telegram_bots"),
    CollectionSpec("stream_state"),
    CollectionSpec(
        "audit_log",
        key="seq",
        indexes=(
            Index(("at",)),
            Index(("who", "at")),
            Index(("action", "at")),
            Index(("subject", "at")),
            Index(("origin", "at")),
        ),
    ),
    CollectionSpec("audit_heads"),
    CollectionSpec("audit_alerts", indexes=(Index(("at",)), Index(("rule", "about", "at")))),
    CollectionSpec("exchange_keys", indexes=(Index(("user_id",)),)),
    CollectionSpec("paper_accounts"),
    CollectionSpec("paper_orders", indexes=(Index(("account_id", "state")), Index(("state",)), Index(("plan_id",)))),
    CollectionSpec("paper_positions", indexes=(Index(("account_id",)),)),
    CollectionSpec("paper_trades", indexes=(Index(("client_order_id",)), Index(("account_id", "at")))),
    CollectionSpec("strategies", indexes=(Index(("user_id", "created_at")), Index(("enabled",)))),
    CollectionSpec("strategy_versions", indexes=(Index(("strategy_id", "made_at")),)),
    CollectionSpec("strategy_runs", indexes=(Index(("strategy_id",)),)),
    CollectionSpec("indicators", indexes=(Index(("user_id", "created_at")),)),
    CollectionSpec("signal_terms"),
    CollectionSpec(
        "jobs",
        indexes=(Index(("status", "created_at")), Index(("user_id", "created_at")), Index(("changed_at",))),
    ),
    CollectionSpec("backtest_results", indexes=(Index(("user_id", "created_at")),)),
    CollectionSpec("backtest_documents"),
)

#: The class of each collection's documents, where they are values of one.
FORMS: Mapping[str, type[Any]] = {
    "signals": Signal,
    "accounts": Account,
    "plans": Plan,
    "order_requests": OrderRequest,
    "orders": Order,
    "fills": Fill,
    "positions": Position,
}

MIGRATIONS: tuple[Migration, ...] = ()


def open_records(url: str, data_dir: Path) -> Store:
    """The store at `url` with all collections; listeners' bells live in `data_dir`/bells."""
    return open_store(url, COLLECTIONS, MIGRATIONS, bells=data_dir / "bells")


def to_document(value: Any) -> Document:
    """The JSON document of a domain dataclass."""
    kind: Any = type(value)
    document: Document = _encoder(kind)(value)
    return document


def from_document(kind: type[T], document: Mapping[str, Any]) -> T:
    """The domain value in `document`. Raises InvalidInput when it can't be one."""
    try:
        wanted: Any = kind
        value: T = _decoder(wanted)(document)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise InvalidInput(f"a stored {kind.__name__} can't be read: {error}") from error
    return value


def check_form(collection: str, document: object) -> None:
    """Raises ValueError where a document is none that the collection's readers could read."""
    kind = FORMS.get(collection)
    if not isinstance(document, dict):
        raise ValueError("a document must be an object")
    if kind is not None:
        try:
            from_document(kind, document)
        except InvalidInput as error:
            raise ValueError(f"document {document.get('id')!r}: {error.message}") from error


def changes(before: Any, after: Any) -> Document:
    """The fields of two values of one class that differ, as the document fields to update."""
    old, new = to_document(before), to_document(after)
    return {name: value for name, value in new.items() if old[name] != value}


@cache
def _encoder(hint: Any) -> _Convert:
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        fields = [(f.name, _encoder(hints[f.name])) for f in dataclasses.fields(hint)]
        return lambda value: {name: encode(getattr(value, name)) for name, encode in fields}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = _encoder(_not_none(hint, arguments))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        item = _encoder(arguments[0])
        return lambda value: [item(each) for each in value]
    if hint is Decimal:
        return plain
    if hint is datetime:
        return ms_from_utc
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: value.value
    return _same


@cache
def _decoder(hint: Any) -> _Convert:
    if dataclasses.is_dataclass(hint):
        return _dataclass_decoder(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = _decoder(_not_none(hint, arguments))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        item = _decoder(arguments[0])
        return lambda value: tuple(item(each) for each in value)
    if hint is Decimal:
        return Decimal
    if hint is datetime:
        return utc_from_ms
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return _same


def _dataclass_decoder(kind: Any) -> _Convert:
    hints = typing.get_type_hints(kind)
    fields = [(f.name, _decoder(hints[f.name])) for f in dataclasses.fields(kind)]

    def decode(document: Mapping[str, Any]) -> Any:
        return kind(**{name: convert(document[name]) for name, convert in fields if name in document})

    return decode


def _not_none(hint: Any, arguments: tuple[Any, ...]) -> Any:
    kinds = [each for each in arguments if each is not type(None)]
    if len(kinds) != 1 or len(arguments) != 2:
        raise TypeError(f"only `X | None` can be stored, not {hint}")
    return kinds[0]


def _same(value: Any) -> Any:
    return value
