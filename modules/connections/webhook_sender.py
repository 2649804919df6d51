"""Sends one webhook delivery: its bytes, its signature over them, and what the receiver answered."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from database import Document
from modules.connections.safe_http import SafeHttp
from modules.notices.webhook_rules import signature
from modules.notices.webhooks import Answered

AGENT = "VerzekAutoTrader-Webhook/1"


class WebhookSender:
    """The sender over a client that reaches only where users' addresses may lead."""

    def __init__(self, http: SafeHttp) -> None:
        self._http = http

    async def send(self, row: Document, url: str, secret: str, now: datetime) -> Answered:
        """Posts the delivery's body. Raises InvalidInput where nothing may be sent, Unavailable where nobody answered."""
        body = str(row["body"]).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            "X-Verzek-Event": str(row["type"]),
            "X-Verzek-Delivery": str(row["event_id"]),
            "X-Verzek-Signature": signature(secret, int(now.timestamp()), body),
        }
        reply = await self._http.post(url, body, headers)
        return Answered(reply.status, reply.milliseconds, reply.excerpt, _hint(reply.headers.get("retry-after"), now))

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.close()


def _hint(said: str | None, now: datetime) -> float | None:
    """Retry-After as seconds from now: a number, or a date."""
    if said is None:
        return None
    if said.strip().isdigit():
        return float(said.strip()[:9])
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
