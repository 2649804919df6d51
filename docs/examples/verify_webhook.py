"""Checks a webhook delivery before believing it: the signature over the raw body, its age, and whether it came before.

As a program it listens on a port and prints what is delivered:

    WEBHOOK_SECRET=whsec_… python verify_webhook.py 9000
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

TOLERANCE_SECONDS = 300


def verify(secret: str, header: str, body: bytes, now: float, tolerance: float = TOLERANCE_SECONDS) -> bool:
    """Whether `header` (X-Verzek-Signature) signs exactly these bytes and is not older than `tolerance` seconds."""
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    at, said = parts.get("t", ""), parts.get("v1", "")
    if not (at.isascii() and at.isdigit()) or abs(now - int(at)) > tolerance:
        return False
    expected = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), said.encode())


class Receiver(BaseHTTPRequestHandler):
    """Answers 200 to a delivery that is right, 400 to one that is not, and takes each event once."""

    secret = ""
    seen: ClassVar[set[str]] = set()  # a real receiver keeps these in its database
    taken: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        """One delivery."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        right = verify(self.secret, self.headers.get("X-Verzek-Signature", ""), body, time.time())
        if right:
            event = json.loads(body)
            if event["id"] not in self.seen:
                self.seen.add(event["id"])
                self.take(event)
        self.send_response(200 if right else 400)
        self.end_headers()

    def take(self, event: dict[str, Any]) -> None:
        """What to do with an event; quickly, or later: the sender waits ten seconds at most."""
        self.taken.append(event)
        sys.stdout.write(f"{event['type']} {event['data']}\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Says nothing for each request."""


if __name__ == "__main__":
    Receiver.secret = os.environ["WEBHOOK_SECRET"]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
