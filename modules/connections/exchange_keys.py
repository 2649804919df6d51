"""Asks exchanges about the keys of users, through ccxt: whether they are good, what they may, what money lies there.

Nothing an exchange or ccxt says is passed on in its own words: those may carry the key or a signature. ccxt takes seconds
to import, so that happens on first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from modules.accounts.exchange_keys import KeyReport, NewKey, WithdrawRight, place_of
from modules.accounts.vault import Keyring
from modules.accounts.vault_opening import open_sealed
from modules.connections.candle_download import redirect
from modules.connections.feeds.addresses import Addresses, addresses_of
from modules.domain.errors import InvalidInput, Misconfigured, Rejected, Trouble, Unavailable
from modules.domain.money import plain
from modules.runtime.logs import log

TIMEOUT_SECONDS = 10.0
_ACCEPTED = "The exchange accepts this key."


@dataclass(frozen=True, slots=True)
class Venue:
    """An exchange whose keys are taken: its name, its family (for addresses), and whether it tells what a key may."""

    name: str
    family: str
    tells_rights: bool = False
    needs_passphrase: bool = False


VENUES: Mapping[str, Venue] = {
    "binance": Venue("Binance spot", "binance", tells_rights=True),
    "binanceusdm": Venue("Binance USDⓈ-M futures", "binance", tells_rights=True),
    "bybit": Venue("Bybit", "bybit", tells_rights=True),
    "okx": Venue("OKX", "okx", tells_rights=True, needs_passphrase=True),
    "phemex": Venue("Phemex", "phemex"),
    "krakenfutures": Venue("Kraken Futures", "krakenfutures"),
    "kraken": Venue("Kraken", "kraken"),
    "bitget": Venue("Bitget", "bitget", needs_passphrase=True),
    "kucoin": Venue("KuCoin", "kucoin", needs_passphrase=True),
    "gate": Venue("Gate", "gate"),
    "mexc": Venue("MEXC", "mexc"),
    "bingx": Venue("BingX", "bingx"),
}


class KeyCheck:
    """Asks about keys. `elsewhere` is EXCHANGE_URLS."""

    def __init__(
        self, ring: Keyring, elsewhere: Mapping[str, Any], *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._ring = ring
        self._elsewhere = elsewhere
        self._timeout = timeout_seconds

    def check(self, wish: NewKey) -> KeyReport:
        """What the exchange says of a key that was just handed in.

        Raises InvalidInput for an exchange not known here or a missing passphrase, Unavailable when it does not answer.
        """
        venue = VENUES.get(wish.exchange)
        if venue is None:
            raise InvalidInput(f"Keys are taken for {', '.join(VENUES)}.", fields={"exchange": "is not known here"})
        if venue.needs_passphrase and wish.passphrase is None:
            raise InvalidInput(f"{venue.name} needs the key's passphrase.", fields={"passphrase": "is needed"})
        return self._report(wish.exchange, wish.fields(), testnet=wish.testnet)

    def check_kept(self, row: Mapping[str, Any]) -> KeyReport:
        """What the exchange says now of a key that is kept. Raises as `check`, and what `open_sealed` raises."""
        return self._report(row["exchange"], self._opened(row), testnet=row["testnet"])

    def balance(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        """The money that lies there: asset, free, used, total as decimal strings, without assets of which there is none.

        Raises Unavailable when the exchange does not answer sensibly, InvalidInput when it refuses the key.
        """
        try:
            with self._client(row["exchange"], self._opened(row), testnet=row["testnet"]) as client:
                told = client.fetch_balance()
        except Rejected as refused:
            raise InvalidInput(refused.message, code="key_refused") from refused
        totals = {asset: amount for asset, amount in (told.get("total") or {}).items() if amount}
        return [
            {"asset": asset, **{part: _number((told.get(asset) or {}).get(part)) for part in ("free", "used", "total")}}
            for asset in sorted(totals)
        ]

    def _opened(self, row: Mapping[str, Any]) -> dict[str, SecretStr]:
        try:
            return open_sealed(self._ring, row["sealed"], place_of(row))
        except Misconfigured as error:
            log("exchange_keys").error("a key can't be opened", key_id=row["id"], problems=error.problems)
            raise Unavailable("This key can't be opened right now; whoever runs the service must look.") from error

    def _report(self, exchange: str, fields: Mapping[str, SecretStr], *, testnet: bool) -> KeyReport:
        ask = None if testnet and exchange.startswith("binance") else _RIGHTS.get(exchange)
        try:
            with self._client(exchange, fields, testnet=testnet) as client:
                if ask is not None:
                    return ask(client)
                client.fetch_balance()
                return KeyReport(True, f"{_ACCEPTED} It does not tell whether the key may withdraw.")
        except Rejected as refused:
            return KeyReport(False, refused.message)

    @contextmanager
    def _client(self, exchange: str, fields: Mapping[str, SecretStr], *, testnet: bool) -> Iterator[Any]:
        """A ccxt client with the key; its errors come out as ours, without a word of theirs."""
        given = {name: value.get_secret_value() for name, value in fields.items()}
        if not all(value.isascii() and value.isprintable() for value in given.values()):
            raise Rejected("This can't be the key as the exchange showed it: it holds characters that no key has.")
        package = importlib.import_module("ccxt")
        client = getattr(package, exchange)(
            {
                "apiKey": given["api_key"],
                "secret": given["secret"],
                "password": given.get("passphrase", ""),
                "timeout": int(self._timeout * 1000),
                "enableRateLimit": False,
                "options": {"fetchCurrencies": False, "warnOnFetchOpenOrdersWithoutSymbol": False},
            }
        )
        # A balance names assets, not markets: loading thousands of markets for it would take longer than all the rest.
        client.markets, client.markets_by_id = {"-": {}}, {"-": []}
        try:
            with _own_errors(package, exchange):
                if testnet:
                    client.set_sandbox_mode(True)
                self._redirect(client, exchange)
                yield client
        finally:
            client.session.close()

    def _redirect(self, client: Any, exchange: str) -> None:
        usual = Addresses("", "")
        places = addresses_of(exchange, usual, self._elsewhere, family=VENUES[exchange].family)
        if places.rest:
            redirect(client, places.rest)


@contextmanager
def _own_errors(package: Any, exchange: str) -> Iterator[None]:
    name = VENUES[exchange].name
    try:
        yield
    except Trouble:
        raise
    except (package.PermissionDenied, package.AccountNotEnabled):
        raise Rejected(f"{name} says that this key may not do this, or not from this server's address.") from None
    except package.AuthenticationError:
        raise Rejected(f"{name} does not accept this key.") from None
    except package.InvalidNonce:
        raise Unavailable(f"{name} says that this server's clock is off.") from None
    except package.NotSupported:
        raise Rejected(f"{name} has no test network.") from None
    except package.OperationFailed:
        raise Unavailable(f"{name} does not answer right now.") from None
    except (package.BaseError, KeyError, IndexError, TypeError, AttributeError):
        # Trouble over there, or an answer of another shape: no verdict over the key.
        raise Unavailable(f"{name} gave an answer that says nothing of this key. Try again later.") from None
    except ValueError:  # as a secret that is not base64 makes; the error's own text may show it
        raise Rejected(f"{name} can't be asked with this key: it is damaged.") from None


def _binance(client: Any) -> KeyReport:
    """Source: Binance, Wallet, "Get API Key Permission"."""
    told = client.sapiGetAccountApiRestrictions()
    trades = _yes(told.get("enableSpotAndMarginTrading")) or _yes(told.get("enableFutures"))
    return _rights(withdraws=_yes(told["enableWithdrawals"]), trades=trades, bound=_yes(told.get("ipRestrict")))


def _bybit(client: Any) -> KeyReport:
    """Source: Bybit V5, "Get API Key Information"; the wallet's right is named Withdraw."""
    told = client.privateGetV5UserQueryApi()["result"]
    permissions = told["permissions"]
    withdraws = any("withdraw" in str(right).lower() for right in permissions.get("Wallet") or ())
    trading = ("ContractTrade", "Spot", "Derivatives", "Options")
    trades = str(told.get("readOnly")) == "0" and any(permissions.get(name) for name in trading)
    return _rights(withdraws=withdraws, trades=trades, bound=(told.get("ips") or ["*"]) != ["*"])


def _okx(client: Any) -> KeyReport:
    """Source: OKX V5, "Get account configuration": `perm` lists read_only, trade, withdraw."""
    told = client.privateGetAccountConfig()["data"][0]
    rights = {each.strip() for each in str(told["perm"]).split(",")}
    return _rights(withdraws="withdraw" in rights, trades="trade" in rights, bound=bool(told.get("ip")))


_RIGHTS: Mapping[str, Callable[[Any], KeyReport]] = {
    "binance": _binance,
    "binanceusdm": _binance,
    "bybit": _bybit,
    "okx": _okx,
}


def _rights(*, withdraws: bool, trades: bool, bound: bool) -> KeyReport:
    right = WithdrawRight.YES if withdraws else WithdrawRight.NO
    may = "may withdraw money" if withdraws else "may not withdraw"
    trading = "may trade" if trades else "may not trade, so that nothing can be traded with it"
    free = "" if bound else " It works from any address; binding it to this server's is safer."
    return KeyReport(True, f"{_ACCEPTED} It {may} and {trading}.{free}", right, trades, bound)


def _yes(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _number(value: Any) -> str:
    return plain(Decimal(str(value))) if value is not None else "0"
