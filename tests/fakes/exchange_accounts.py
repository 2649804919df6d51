"""Exchanges' account endpoints on loopback: they check signatures and tell what a key may, as the real ones document it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_KEY = "api-key-of-ann-0123456789-wxyz"
SECRET = "secret-of-ann-0123456789"
PASSPHRASE = "passphrase-of-ann"


@dataclass
class ExchangeAccounts:
    """One key at every exchange. `trouble` is a status that every request gets; `asked` are the paths."""

    withdraws: bool = False
    trades: bool = True
    api_key: str = API_KEY
    trouble: int = 0
    wallet: dict[str, str] = field(default_factory=lambda: {"USDT": "1250.5", "BTC": "0.25"})
    asked: list[str] = field(default_factory=list)
    address: str = ""

    @contextmanager
    def open(self) -> Iterator[ExchangeAccounts]:
        """Serves until the end of the block."""
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = double.answer(self.path, {k.lower(): v for k, v in self.headers.items()})
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, target: str, headers: dict[str, str]) -> tuple[int, Any]:
        """What the exchange at that path says."""
        path, query = urlsplit(target).path, urlsplit(target).query
        self.asked.append(path)
        if self.trouble:
            return self.trouble, {"code": -1, "msg": f"trouble with {self.api_key}"}
        if path.startswith(("/sapi/", "/fapi/", "/api/v3/account")):
            return self._binance(path, query, headers)
        if path.startswith("/v5/user/"):
            return self._bybit(query, headers)
        if path.startswith("/api/v5/"):
            return self._okx(path, query, headers)
        if path.startswith("/api/v4/"):
            return self._gate(path, headers)
        return 404, {}

    def _binance(self, path: str, query: str, headers: dict[str, str]) -> tuple[int, Any]:
        signed, _, signature = query.rpartition("&signature=")
        good = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest() == signature
        if headers.get("x-mbx-apikey") != self.api_key or not good or "timestamp" not in parse_qs(query):
            return 401, {
                "code": -2015,
                "msg": f"Invalid API-key, IP, or permissions for {headers.get('x-mbx-apikey')}.",
            }
        if path == "/sapi/v1/account/apiRestrictions":
            return 200, {
                "ipRestrict": False,
                "createTime": 1623840271000,
                "enableReading": True,
                "enableWithdrawals": self.withdraws,
                "enableInternalTransfer": False,
                "enableMargin": False,
                "enableFutures": self.trades,
                "permitsUniversalTransfer": False,
                "enableVanillaOptions": False,
                "enableSpotAndMarginTrading": False,
            }
        if path == "/api/v3/account":
            return 200, {"balances": [{"asset": a, "free": n, "locked": "0"} for a, n in self.wallet.items()]}
        return 200, {
            "assets": [
                {"asset": a, "walletBalance": n, "availableBalance": n, "marginBalance": n, "initialMargin": "0"}
                for a, n in self.wallet.items()
            ]
        }

    def _bybit(self, query: str, headers: dict[str, str]) -> tuple[int, Any]:
        text = headers["x-bapi-timestamp"] + headers["x-bapi-api-key"] + headers["x-bapi-recv-window"] + query
        good = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest() == headers["x-bapi-sign"]
        if headers["x-bapi-api-key"] != self.api_key or not good:
            return 200, {"retCode": 10003, "retMsg": "API key is invalid.", "result": {}}
        wallet = ["AccountTransfer", "SubMemberTransfer", *(["Withdraw"] if self.withdraws else [])]
        trade = ["Order", "Position"] if self.trades else []
        result = {
            "id": "13770661",
            "readOnly": 0,
            "ips": ["127.0.0.1"],
            "permissions": {"ContractTrade": trade, "Spot": [], "Wallet": wallet, "Options": [], "Derivatives": []},
        }
        return 200, {"retCode": 0, "retMsg": "", "result": result}

    def _okx(self, path: str, query: str, headers: dict[str, str]) -> tuple[int, Any]:
        text = headers["ok-access-timestamp"] + "GET" + path + (f"?{query}" if query else "")
        made = base64.b64encode(hmac.digest(SECRET.encode(), text.encode(), "sha256")).decode()
        known = (headers["ok-access-key"], headers["ok-access-passphrase"]) == (self.api_key, PASSPHRASE)
        if not known or headers["ok-access-sign"] != made:
            return 401, {"code": "50111", "msg": "Invalid OK-ACCESS-KEY", "data": []}
        rights = ["read_only", *(["withdraw"] if self.withdraws else []), *(["trade"] if self.trades else [])]
        return 200, {"code": "0", "msg": "", "data": [{"uid": "1", "perm": ",".join(rights), "ip": ""}]}

    def _gate(self, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        if headers.get("key") != self.api_key:
            return 401, {"label": "INVALID_KEY", "message": f"Invalid key {headers.get('key')} provided"}
        if path == "/api/v4/spot/accounts":
            return 200, [{"currency": a, "available": n, "locked": "0"} for a, n in self.wallet.items()]
        return 200, {"user_id": 1}
