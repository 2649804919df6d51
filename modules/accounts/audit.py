"""The audit log: who did what to money, keys, roles, sign-in and safety; append-only and chained by hashes.

`record` writes within the caller's transaction, so that a deed and its row exist together or not at all. Every row carries
the hash of the row before it; the head (number and hash of the newest row) is sealed with the installation's secret, so that
changed, missing, reordered and cut-off rows are found by `verify`. A head that does not fit is never overwritten silently:
the row that met it is remembered as the place where doubt begins. Values whose name speaks of a secret are not kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from tinydb import where

from database import Store, Transaction
from modules.accounts.alerts import look
from modules.domain.market import ms_from_utc
from modules.domain.people import Principal, Role
from modules.runtime.logs import REDACTED, redacted

LOG = "audit_log"
HEADS = "audit_heads"
FIRST_HASH = "0" * 64
SYSTEM = Principal("system", Role.OWNER, "system")

_HEAD = "head"
_SECRET_NAME = re.compile(
    r"(?i)pass(word|phrase|code)|secret|token|key|hash|totp|otp\b|backup_codes?|credential|cookie"
)
_LONGEST_TEXT = 2000
_PAGE = 1000
_seal_key: bytes = b""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look through the whole log found. `broken_seq` is the first row that is not as it was written."""

    ok: bool
    rows: int
    broken_seq: int | None = None
    reason: str = "every row is as it was written"


def seal_with(secret: str) -> None:
    """From now on this process seals the head with `secret` (the installation's SECRET_KEY); each process says it once."""
    global _seal_key
    _seal_key = _key_of(secret)


def record(
    tx: Transaction,
    who: Principal,
    action: str,
    subject: str,
    *,
    now: datetime,
    origin: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> int:
    """Writes one row within `tx` and raises an alert where it completes a suspicious pattern; returns its number.

    `action` is what was done, dotted (`user.role`, `safety.kill`, `session.failed`), `subject` to what (`user:u1`, `global`),
    `origin` the address the request came from. `before` and `after` are what changed: money as Decimal, times as datetime.
    """
    head, doubt = _newest(tx)
    row: dict[str, Any] = {
        "seq": head["seq"] + 1,
        "at": ms_from_utc(now),
        "who": who.user_id,
        "role": who.role.value,
        "via": who.via,
        "origin": _text(origin, 200),
        "action": action,
        "subject": _text(subject, 300),
        "before": None if before is None else kept(before),
        "after": None if after is None else kept(after),
        "previous_hash": head["hash"],
    }
    row["hash"] = hash_of(row)
    tx[LOG].insert(row)
    first_doubt = head["doubt"] or ({"seq": row["seq"], "reason": doubt} if doubt else None)
    tx[HEADS].upsert(_sealed(row["seq"], row["hash"], first_doubt, _seal_key))
    look(tx, LOG, row, now)
    return int(row["seq"])


def verify(store: Store, secret: str) -> Verdict:
    """Looks through every row and the head; `secret` is the installation's SECRET_KEY. Others may write meanwhile."""
    walk = _Walk()
    for row in _rows(store):
        if (broken := walk.step(row)) is not None:
            return broken
    with store.transaction() as tx:  # what came during the walk, and the head that belongs to it
        for row in tx[LOG].search(where("seq") > walk.seq, order_by="seq"):
            if (broken := walk.step(row)) is not None:
                return broken
        head = tx[HEADS].get(key=_HEAD)
    return walk.end(head, _key_of(secret))


def hash_of(row: Mapping[str, Any]) -> str:
    """The hash over a row's canonical JSON (sorted names, no spaces), without the hash itself."""
    body = {name: value for name, value in row.items() if name != "hash"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """What of `values` is written: plain JSON, and nothing whose name or shape says that it is a secret."""
    return {
        _text(str(name), 200): REDACTED if value is not None and _SECRET_NAME.search(str(name)) else _plain(value)
        for name, value in values.items()
    }


def _plain(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case int():
            return value if abs(value) < 2**63 else str(value)
        case Enum():
            return value.value
        case str():
            return _text(value, _LONGEST_TEXT)
        case Decimal():
            return format(value, "f")
        case datetime():
            return ms_from_utc(value)
        case Mapping():
            return kept(value)
        case list() | tuple():
            return [_plain(each) for each in value]
        case set() | frozenset():
            return sorted(str(_plain(each)) for each in value)
    return _text(str(value), _LONGEST_TEXT)


def _text(value: str, longest: int) -> str:
    """Text as the store can keep it; whoever acts chooses parts of it."""
    return str(redacted(value))[:longest].replace("\x00", "").encode("utf-8", "replace").decode()


def _newest(tx: Transaction) -> tuple[dict[str, Any], str]:
    """The head to go on from, and what is wrong with it, if anything."""
    rows = tx[LOG].search(order_by="seq", descending=True, limit=1)
    last: dict[str, Any] = {"seq": 0, "hash": FIRST_HASH}
    if rows:
        last = {"seq": rows[0]["seq"], "hash": rows[0]["hash"]}
    head = tx[HEADS].get(key=_HEAD)
    if head is None:
        return {**last, "doubt": None}, "the head was missing" if rows else ""
    doubt = head["doubt"]
    if not _seal_fits(head, _seal_key):
        return {**last, "doubt": doubt}, "the head's seal did not fit"
    if (head["seq"], head["hash"]) != (last["seq"], last["hash"]):
        newest = max(int(head["seq"]), int(last["seq"]))
        return {"seq": newest, "hash": head["hash"], "doubt": doubt}, "rows before this one were cut off or slipped in"
    return {**last, "doubt": doubt}, ""


class _Walk:
    """One look through the rows in order."""

    def __init__(self) -> None:
        self.seq = 0
        self._hash = FIRST_HASH

    def step(self, row: Mapping[str, Any]) -> Verdict | None:
        """The verdict when this row can't follow the one before."""
        seq, expected = int(row["seq"]), self.seq + 1
        if seq != expected:
            return Verdict(ok=False, rows=self.seq, broken_seq=expected, reason="the row is missing")
        if hash_of(row) != row["hash"]:
            return Verdict(ok=False, rows=self.seq, broken_seq=seq, reason="the row was changed")
        if row["previous_hash"] != self._hash:
            return Verdict(ok=False, rows=self.seq, broken_seq=seq, reason="the row does not follow the one before it")
        self.seq, self._hash = seq, row["hash"]
        return None

    def end(self, head: Mapping[str, Any] | None, key: bytes) -> Verdict:
        """The verdict over the head, once every row was looked at."""
        if head is None:
            missing = Verdict(ok=False, rows=self.seq, broken_seq=self.seq or 1, reason="the head is missing")
            return missing if self.seq else Verdict(ok=True, rows=0)
        if not _seal_fits(head, key):
            return Verdict(ok=False, rows=self.seq, broken_seq=self.seq or 1, reason="the head's seal does not fit")
        if head["seq"] > self.seq:
            return Verdict(ok=False, rows=self.seq, broken_seq=self.seq + 1, reason="rows at the end are missing")
        if head["seq"] < self.seq:
            slipped = int(head["seq"]) + 1
            return Verdict(ok=False, rows=self.seq, broken_seq=slipped, reason="the row is not known to the head")
        if head["hash"] != self._hash:
            return Verdict(ok=False, rows=self.seq, broken_seq=self.seq, reason="the rows were written anew")
        if head["doubt"] is not None:
            doubt = head["doubt"]
            return Verdict(ok=False, rows=self.seq, broken_seq=int(doubt["seq"]), reason=str(doubt["reason"]))
        return Verdict(ok=True, rows=self.seq)


def _rows(store: Store) -> Iterator[dict[str, Any]]:
    after: int | None = None
    while rows := store[LOG].search(order_by="seq", limit=_PAGE, after=after):
        yield from rows
        after = rows[-1]["seq"]


def _sealed(seq: int, row_hash: str, doubt: Mapping[str, Any] | None, key: bytes) -> dict[str, Any]:
    head = {"id": _HEAD, "seq": seq, "hash": row_hash, "doubt": doubt}
    return {**head, "seal": _seal(head, key)}


def _seal(head: Mapping[str, Any], key: bytes) -> str:
    text = json.dumps([head["seq"], head["hash"], head["doubt"]], sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _seal_fits(head: Mapping[str, Any], key: bytes) -> bool:
    return hmac.compare_digest(str(head.get("seal", "")), _seal(head, key))


def _key_of(secret: str) -> bytes:
    """A key for this one use, so that no seal is worth anything elsewhere."""
    return hashlib.sha256(b"audit head\x00" + secret.encode()).digest()
