"""Fetches an exchange's market list once, in a process of its own, and leaves the trading rules where processes find them.

The exchange library is large and slow to import; a process that ends gives its memory back and can be stopped when the
exchange does not answer. Run as a program: `EXCHANGE DATA_DIR [REST_ADDRESS]`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog

from modules.connections.feeds.addresses import Addresses, addresses_of
from modules.connections.instrument_catalogue import InstrumentCatalogue, instruments_from_ccxt
from modules.domain.errors import InvalidInput

_log = structlog.get_logger(__name__)
#: Our exchange id → the library's id and the kinds of market to ask for.
_LIBRARY: dict[str, tuple[str, list[str]]] = {
    "binance": ("binance", ["spot", "linear"]),
    "binanceusdm": ("binanceusdm", ["linear"]),
    "bybit": ("bybit", ["spot"]),
    "bybitlinear": ("bybit", ["linear"]),
}
_FAMILY = {"binanceusdm": "binance", "bybitlinear": "bybit"}


async def refresh_rules(
    exchange: str, data_dir: Path, *, urls: Mapping[str, Any] | None = None, timeout_seconds: float = 60.0
) -> bool:
    """Fetch and keep the rules of `exchange`; False (and a log line) when that fails or takes too long.

    What was kept before stays as it is then. `urls` is `EXCHANGE_URLS`. Raises InvalidInput for an unknown exchange.
    """
    if exchange not in _LIBRARY:
        raise InvalidInput(f"no market list is known of {exchange}")
    rest = addresses_of(exchange, Addresses("", ""), urls, family=_FAMILY.get(exchange)).rest
    command = [sys.executable, "-m", "modules.connections.feeds.market_rules", exchange, str(data_dir), rest]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            _, said = await process.communicate()
    except TimeoutError:
        _log.warning("market_rules_not_fetched", exchange=exchange, reason=f"no answer in {timeout_seconds:g} s")
        return False
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        reason = said.decode(errors="replace").strip().splitlines()[-1:] or [""]
        _log.warning("market_rules_not_fetched", exchange=exchange, reason=reason[0][:200])
        return False
    _log.info("market_rules_fetched", exchange=exchange)
    return True


def fetch_rules(exchange: str, data_dir: Path, rest: str) -> int:
    """Load the markets and keep their rules; how many there are. Blocks; raises what the library raises."""
    library, kinds = _LIBRARY[exchange]
    made = getattr(importlib.import_module("ccxt"), library)(
        {
            "timeout": 20_000,
            "enableRateLimit": True,
            "options": {"fetchMarkets": {"types": kinds}, "fetchCurrencies": False, "fetchMargins": False},
        }
    )
    if rest:
        made.urls["api"] = moved(made.urls["api"], rest)
    found = instruments_from_ccxt(exchange, made.load_markets())
    if not found:
        raise InvalidInput(f"{exchange} lists no market")
    InstrumentCatalogue(data_dir).keep(found)
    return len(found)


def moved(addresses: Any, base: str) -> Any:
    """The library's addresses (nested) with scheme and host of `base` in place of their own."""
    if isinstance(addresses, Mapping):
        return {name: moved(address, base) for name, address in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    there = urlsplit(base)
    return urlunsplit((there.scheme, there.netloc, urlsplit(addresses).path, "", ""))


if __name__ == "__main__":
    fetch_rules(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
