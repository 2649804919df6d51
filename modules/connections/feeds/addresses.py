"""Where exchanges are, and how `EXCHANGE_URLS` says that they are elsewhere.

`EXCHANGE_URLS` is a JSON object: exchange id → address, or → {"ws": address, "rest": address}. A plain `http(s)` address
serves both; the stream address is then the same with `ws(s)`. An address without a path gets the exchange's own paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from modules.domain.errors import Misconfigured

_STREAM_KEYS = ("ws", "stream", "websocket")
_REST_KEYS = ("rest", "api", "http")
#: Paths that belong to the requests themselves: an address that ends in one means the server.
_REST_PATHS = ("/api", "/fapi")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Base addresses of one exchange, without a trailing slash."""

    stream: str
    rest: str

    def stream_url(self, path: str) -> str:
        """The stream base with `path`, unless the base was given with a path of its own."""
        return self.stream if urlsplit(self.stream).path.strip("/") else self.stream + path


def addresses_of(
    exchange: str, usual: Addresses, elsewhere: Mapping[str, Any] | None, *, family: str | None = None
) -> Addresses:
    """The addresses of an exchange after `EXCHANGE_URLS`, those of its `family` where it has none of its own.

    Raises Misconfigured, naming the exchange, for a wrong one.
    """
    given = (elsewhere or {}).get(exchange) or (elsewhere or {}).get(family or exchange)
    if not given:
        return usual
    if isinstance(given, str):
        given = {"rest": given, "ws": given}
    if not isinstance(given, Mapping):
        raise Misconfigured([f"EXCHANGE_URLS: {exchange} must be an address or an object with ws and rest"])
    stream = _first(given, _STREAM_KEYS) or _first(given, _REST_KEYS)
    rest = _first(given, _REST_KEYS) or _first(given, _STREAM_KEYS)
    if stream is None or rest is None:
        raise Misconfigured([f"EXCHANGE_URLS: {exchange} names neither ws nor rest"])
    same_place = _first(given, _STREAM_KEYS) in (None, _first(given, _REST_KEYS))
    return Addresses(_as(exchange, stream, "ws", keep_path=not same_place), _as(exchange, rest, "http", keep_path=True))


def _first(given: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((str(given[key]) for key in keys if given.get(key)), None)


def _as(exchange: str, address: str, scheme: str, *, keep_path: bool) -> str:
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname:
        raise Misconfigured([f"EXCHANGE_URLS: {exchange} has the address {address!r}, which is no http or ws address"])
    secure = parts.scheme in {"https", "wss"}
    path = parts.path.rstrip("/") if keep_path and not parts.path.startswith(_REST_PATHS) else ""
    return urlunsplit((scheme + ("s" if secure else ""), parts.netloc, path, "", ""))
