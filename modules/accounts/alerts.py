"""Alerts about suspicious deeds: kept once, told to those who run the service, open until somebody looked at them."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from tinydb import where
from tinydb.queries import QueryInstance

from database import Document, Store, Transaction
from modules.accounts.suspicion import SIGN_IN, Burst, Finding, burst, bursts_of, new_network
from modules.domain.errors import NotFound
from modules.domain.events import Event, EventKind
from modules.domain.market import ms_from_utc
from modules.domain.people import Principal
from modules.journal import append

ALERTS = "audit_alerts"
#: The same rule about the same one is told again only after this long.
QUIET = timedelta(hours=1)
#: A network or program of a sign-in is known for this long.
KNOWN_FOR = timedelta(days=180)


def look(tx: Transaction, log: str, row: Mapping[str, Any], now: datetime) -> list[Finding]:
    """Asks every rule that a new row of the collection `log` concerns; raises the alerts that are news."""
    # Whether it would be news is asked first: a long burst is counted through only once.
    open_rules = [rule for rule in bursts_of(row) if _is_news(tx, rule.rule, row[rule.field], now)]
    found = [burst(rule, row, tx[log].search(_alike(rule, row))) for rule in open_rules]
    if row["action"] == SIGN_IN:
        since = row["at"] - int(KNOWN_FOR.total_seconds() * 1000)
        mine = (where("subject") == row["subject"]) & (where("at") > since) & (where("action") == SIGN_IN)
        finding = new_network(row, tx[log].search(mine & (where("seq") < row["seq"])))
        found.append(finding if finding and _is_news(tx, finding.rule, finding.about, now) else None)
    news = [each for each in found if each is not None]
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


def _alike(rule: Burst, row: Mapping[str, Any]) -> QueryInstance:
    """Rows of the rule's span, field and kind, as a query that an index answers."""
    kinds = [(where("action") >= each) & (where("action") < f"{each}\uffff") for each in rule.actions]
    kind: QueryInstance = reduce(operator.or_, kinds)
    found: QueryInstance = kind & (where(rule.field) == row[rule.field])
    found &= where("at") > row["at"] - rule.seconds * 1000
    return found


def _is_news(tx: Transaction, rule: str, about: str, now: datetime) -> bool:
    alike = (where("rule") == rule) & (where("about") == about)
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
