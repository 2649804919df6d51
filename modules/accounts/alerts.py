"""Alerts about suspicious deeds: kept once, told to those who run the service, open until somebody looked at them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tinydb import where

from database import Document, Store, Transaction
from modules.accounts.suspicion import SIGN_IN, Finding, burst, bursts_of, new_network
from modules.domain.errors import NotFound
from modules.domain.events import Event, EventKind
from modules.domain.market import ms_from_utc
from modules.domain.people import Principal
from modules.journal import append

ALERTS = "audit_alerts"
#: The same rule about the same one is told again only after this long.
QUIET = timedelta(hours=1)
_EARLIER_SIGN_INS = 100


def look(tx: Transaction, log: str, row: Mapping[str, Any], now: datetime) -> list[Finding]:
    """Asks every rule that a new row of the collection `log` concerns; raises the alerts that are news."""
    found = []
    for rule in bursts_of(row):
        since = row["at"] - rule.seconds * 1000
        recent = tx[log].search((where(rule.field) == row[rule.field]) & (where("at") > since))
        found.append(burst(rule, row, recent))
    if row["action"] == SIGN_IN:
        mine = (where("subject") == row["subject"]) & (where("action") == SIGN_IN) & (where("seq") < row["seq"])
        earlier = tx[log].search(mine, order_by="seq", descending=True, limit=_EARLIER_SIGN_INS)
        found.append(new_network(row, earlier))
    news = [each for each in found if each is not None and _is_news(tx, each, now)]
    for finding in news:
        _raise(tx, finding, now)
    return news


def acknowledge(tx: Transaction, alert_id: str, who: Principal, now: datetime) -> Document:
    """Somebody looked at the alert; the first who did is kept. Raises NotFound."""
    alert = tx[ALERTS].get(key=alert_id)
    if alert is None:
        raise NotFound("There is no such alert.")
    if alert["acknowledged_at"] is None:
        alert |= {"acknowledged_at": ms_from_utc(now), "acknowledged_by": who.user_id}
        tx[ALERTS].replace(alert)
    return alert


def open_count(reader: Store | Transaction) -> int:
    """How many alerts nobody looked at yet."""
    return reader[ALERTS].count(where("acknowledged_at") == None)  # noqa: E711 - a query


def _is_news(tx: Transaction, finding: Finding, now: datetime) -> bool:
    alike = (where("rule") == finding.rule) & (where("about") == finding.about)
    return not tx[ALERTS].contains(alike & (where("at") > ms_from_utc(now - QUIET)))


def _raise(tx: Transaction, finding: Finding, now: datetime) -> None:
    alert = {
        "id": f"{finding.rule}:{finding.evidence[-1]}",
        "at": ms_from_utc(now),
        "rule": finding.rule,
        "about": finding.about,
        "sentence": finding.sentence,
        "evidence": list(finding.evidence),
        "acknowledged_at": None,
        "acknowledged_by": None,
    }
    tx[ALERTS].insert(alert)
    append(tx, Event(EventKind.ALARM, now, {"area": "security", "sentence": finding.sentence}))
