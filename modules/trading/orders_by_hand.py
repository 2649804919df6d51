"""What people ask for by hand, in the store: asking once per key, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tinydb import where

from database import Store, Transaction
from modules.domain.errors import Refused
from modules.domain.orders import RequestStatus
from modules.domain.people import Account
from modules.records import to_document
from modules.trading.manual import OpenWish, queue_item


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is waiting, done or refused; `refusal` says by which rule, with its figure and limit."""

    status: str
    refusal: Refused | None = None

    @property
    def decided(self) -> bool:
        return self.status != "waiting"


WAITING, DONE = Outcome("waiting"), Outcome("done")


def ask_open(store: Store, tx: Transaction, wish: OpenWish, account: Account) -> bool:
    """Hands the wish to the planner; False when it was asked before."""
    known = tx["plans"].contains(key=wish.plan_id) or tx["refusals"].contains(key=f"plan:{wish.plan_id}")
    if known or tx["planning_queue"].contains(key=wish.plan_id):
        return False
    tx["planning_queue"].insert(queue_item(wish, account, to_document(wish)))
    tx.after_commit(store.doorbell.ring)
    return True


def outcome_of_open(store: Store, plan_id: str) -> Outcome:
    """What became of a trade asked for: done once its entries were sent, refused by the first rule that said no."""
    if store["plans"].contains(key=plan_id):
        entries = store["order_requests"].search(where("plan_id") == plan_id)
        return _worst(_outcome(store, each) for each in entries if str(each["id"]).startswith(f"{plan_id}:entry:"))
    refusal = store["refusals"].get(key=f"plan:{plan_id}")
    return Outcome("refused", _refused(refusal)) if refusal is not None else WAITING


def outcome_of_request(store: Store, request_id: str) -> Outcome:
    """What became of one request."""
    document = store["order_requests"].get(key=request_id)
    return WAITING if document is None else _outcome(store, document)


def _outcome(store: Store, request: dict[str, Any]) -> Outcome:
    match request["status"]:
        case RequestStatus.PENDING.value:
            return WAITING
        case RequestStatus.REFUSED.value:
            refusal = store["refusals"].get(key=f"request:{request['id']}")
            return Outcome("refused", _refused(refusal) if refusal else Refused("refused", "It was refused."))
    return DONE


def _worst(outcomes: Iterable[Outcome]) -> Outcome:
    """One refusal of all refuses; one that waits keeps all waiting."""
    found = sorted(outcomes, key=lambda each: ("refused", "waiting", "done").index(each.status))
    return found[0] if found else DONE


def _refused(document: dict[str, Any]) -> Refused:
    return Refused(document["rule"], document["sentence"], document.get("figure"), document.get("limit"))
