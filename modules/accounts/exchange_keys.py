"""Exchange keys of users: kept closed, shown masked, held to the right that they must not have (withdrawing).

Whether a key is good is asked of the exchange elsewhere and handed in as a `KeyReport`; here it is judged and kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import SecretStr
from tinydb import where

from database import Document, Store, Transaction
from modules.accounts.audit import record
from modules.accounts.listing import page
from modules.accounts.vault import Keyring, Place, seal
from modules.domain.errors import Conflict, InvalidInput, NotFound
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.people import Principal

KEYS = "exchange_keys"
MOST_KEYS = 20
MOST_LEVERAGE = 125


class WithdrawRight(StrEnum):
    """Whether a key may take money away; some exchanges don't tell."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What the exchange said of a key. `ok` is whether it accepts it; None is what it does not tell."""

    ok: bool
    sentence: str
    withdrawals: WithdrawRight = WithdrawRight.UNKNOWN
    can_trade: bool | None = None
    ip_restricted: bool | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """What somebody hands in. Secrets stay wrapped, so that nothing prints them."""

    exchange: str
    label: str
    api_key: SecretStr
    secret: SecretStr
    passphrase: SecretStr | None = None
    testnet: bool = False
    confirmed_no_withdrawals: bool = False

    def fields(self) -> dict[str, SecretStr]:
        """What the exchange needs to know who asks."""
        given = {"api_key": self.api_key, "secret": self.secret, "passphrase": self.passphrase}
        return {name: value for name, value in given.items() if value is not None}


def judge(wish: NewKey, report: KeyReport) -> None:
    """Raises InvalidInput, saying what to do, for a key that must not be kept."""
    if not report.ok:
        raise InvalidInput(report.sentence, code="key_refused", fields={"api_key": report.sentence})
    if report.withdrawals is WithdrawRight.YES:
        sentence = "This key may withdraw money. Make one without that right; trading needs none."
        raise InvalidInput(sentence, code="withdrawals_enabled", fields={"api_key": sentence})
    if report.withdrawals is WithdrawRight.UNKNOWN and not (wish.testnet or wish.confirmed_no_withdrawals):
        sentence = "This exchange does not tell whether a key may withdraw: look there and confirm that it may not."
        raise InvalidInput(sentence, code="withdrawals_unknown", fields={"i_confirm_no_withdrawals": sentence})


def add(
    tx: Transaction, ring: Keyring, who: Principal, wish: NewKey, report: KeyReport, *, now: datetime, origin: str = ""
) -> Document:
    """Keeps a key of `who` within `tx`. Raises InvalidInput (see `judge`), Conflict (there already, or too many)."""
    judge(wish, report)
    mine = tx[KEYS].search(where("user_id") == who.user_id)
    mark = mark_of(ring, wish.exchange, wish.api_key, testnet=wish.testnet)
    if any(each["mark"] == mark for each in mine):
        raise Conflict("This key is here already.", code="key_exists")
    if len(mine) >= MOST_KEYS:
        raise Conflict(f"You have {MOST_KEYS} keys; remove one first.", code="too_many_keys")
    place = Place(f"ek-{secrets.token_hex(8)}", who.user_id, wish.exchange)
    row: Document = {
        "id": place.row_id,
        "user_id": who.user_id,
        "exchange": wish.exchange,
        "label": wish.label,
        "testnet": wish.testnet,
        "masked": masked(wish.api_key),
        "mark": mark,
        "sealed": seal(ring, wish.fields(), place),
        "confirmed_no_withdrawals": wish.confirmed_no_withdrawals,
        "leverage_cap": None,
        "enabled": True,
        "created_at": ms_from_utc(now),
        "check": _check_row(report, now),
    }
    tx[KEYS].insert(row)
    after = {"exchange": wish.exchange, "label": wish.label, "testnet": wish.testnet, "ending": row["masked"]}
    record(tx, who, "exchange_key.added", f"exchange_key:{row['id']}", now=now, origin=origin, after=after)
    return row


def own(reader: Store | Transaction, who: Principal, key_id: str) -> Document:
    """One's own key by its id, or by the exchange's name where one has a single one there. Raises NotFound."""
    mine = reader[KEYS].search(where("user_id") == who.user_id)
    found = [each for each in mine if each["id"] == key_id] or [each for each in mine if each["exchange"] == key_id]
    if len(found) != 1:
        raise NotFound("You have no such exchange key.")
    return found[0]


def list_own(
    store: Store, who: Principal, *, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """One's own keys, newest first, masked."""
    mine = where("user_id") == who.user_id
    found, following = page(store[KEYS], mine, order_by="created_at", limit=limit, cursor=cursor)
    return [key_row(each) for each in found], following


def note_check(
    tx: Transaction, who: Principal, key_id: str, report: KeyReport, *, now: datetime, origin: str = ""
) -> Document:
    """Keeps what a new check said. A key that was taken back or may withdraw by now is not used any more."""
    row = own(tx, who, key_id)
    usable = report.ok and report.withdrawals is not WithdrawRight.YES
    changed = {"check": _check_row(report, now), "enabled": usable}
    tx[KEYS].update(changed, key=row["id"])
    if usable != row["enabled"]:
        after = {"enabled": usable, "withdrawals": report.withdrawals, "sentence": report.sentence}
        record(tx, who, "exchange_key.checked", f"exchange_key:{row['id']}", now=now, origin=origin, after=after)
    return {**row, **changed}


def set_leverage_cap(
    tx: Transaction, who: Principal, key_id: str, cap: int | None, *, now: datetime, origin: str = ""
) -> Document:
    """The most leverage that is used with this key; None leaves it to the trade settings."""
    if cap is not None and not 1 <= cap <= MOST_LEVERAGE:
        raise InvalidInput(f"The leverage cap is from 1 to {MOST_LEVERAGE}.", fields={"leverage_cap": "out of range"})
    row = own(tx, who, key_id)
    if row["leverage_cap"] != cap:
        tx[KEYS].update({"leverage_cap": cap}, key=row["id"])
        before, after = {"leverage_cap": row["leverage_cap"]}, {"leverage_cap": cap}
        subject = f"exchange_key:{row['id']}"
        record(tx, who, "exchange_key.leverage", subject, now=now, origin=origin, before=before, after=after)
    return {**row, "leverage_cap": cap}


def remove(tx: Transaction, who: Principal, key_id: str, *, now: datetime, origin: str = "") -> None:
    """Takes a key away for good."""
    row = own(tx, who, key_id)
    tx[KEYS].remove(key=row["id"])
    before = {"exchange": row["exchange"], "label": row["label"], "ending": row["masked"]}
    record(tx, who, "exchange_key.removed", f"exchange_key:{row['id']}", now=now, origin=origin, before=before)


def place_of(row: Mapping[str, Any]) -> Place:
    """What a row's secrets are bound to."""
    return Place(str(row["id"]), str(row["user_id"]), str(row["exchange"]))


def key_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A key as its owner sees it: named field by field, so that nothing secret can slip in."""
    return {
        "id": row["id"],
        "exchange": row["exchange"],
        "label": row["label"],
        "testnet": row["testnet"],
        "api_key": row["masked"],
        "enabled": row["enabled"],
        "leverage_cap": row["leverage_cap"],
        "created_at": iso_from_ms(row["created_at"]),
        "check": {**row["check"], "at": iso_from_ms(row["check"]["at"])},
    }


def masked(api_key: SecretStr) -> str:
    """The last four characters, of keys long enough to spare them."""
    text = api_key.get_secret_value()
    return f"…{text[-4:]}" if len(text) >= 12 else "…"


def mark_of(ring: Keyring, exchange: str, api_key: SecretStr, *, testnet: bool) -> str:
    """Tells whether the same key comes again, and nothing else."""
    text = f"{exchange}\0{testnet}\0{api_key.get_secret_value()}"
    return hmac.new(bytes.fromhex(ring.current.secret.get_secret_value()), text.encode(), hashlib.sha256).hexdigest()


def _check_row(report: KeyReport, now: datetime) -> Document:
    return {**asdict(report), "withdrawals": report.withdrawals.value, "at": ms_from_utc(now)}
