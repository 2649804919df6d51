"""A house for accounts over HTTP: the application over one store and one scripted clock, and the mails it wrote."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.rooms import Rooms
from modules.accounts.desk import Accounts, open_accounts
from modules.accounts.first_start import prepare
from modules.analysis_views import AnalysisViews
from modules.records import open_records
from modules.runtime.settings import Settings
from modules.signals.intake import Intake
from modules.views import Views
from tests.contracts.test_http_api import SilentPrices
from tests.fakes.clock import ScriptedClock

PASSWORD = "four red boats at sea"
ANN = "ann@example.com"
BOT_TOKEN = "123456789:AAabcdefghijklmnopqrstuvwxyz0123456"


class House:
    """Everything; `call` checks the shape of every answer on the way."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = ScriptedClock()
        self.store = open_records(f"sqlite:///{folder / 'accounts.db'}", folder)
        # many requests within one scripted second are what these tests are made of
        rates = {"rate_auth_per_minute": 10**6, "rate_address_per_minute": 10**6, "rate_user_per_minute": 10**6}
        given = {"telegram_bot_token": BOT_TOKEN, "telegram_bot_name": "verzek_bot", **rates, **settings}
        self.settings = Settings(_env_file=None, data_dir=folder, **given)
        self.operator_token = prepare(self.store, self.settings, self.clock.now()).token
        self.rooms = Rooms(
            store=self.store,
            views=Views(self.store, folder / "run"),
            intake=Intake(self.store, late_after=timedelta(minutes=15)),
            clock=self.clock,
            prices=SilentPrices(),  # type: ignore[arg-type]
            settings=self.settings,
            analysis=AnalysisViews(folder / "candles", self.store),
        )
        self.app = create_app(self.rooms)
        self.desk: Accounts = open_accounts(self.store, self.clock, self.settings)
        self.client: FlaskClient = self.app.test_client(use_cookies=False)

    def begin_anew(self) -> House:
        """As it was at the first start: making the application again for each test would take most of the time."""
        for name in self.store.collections:
            self.store[name].truncate()
        self.clock.set(ScriptedClock().now())
        prepare(self.store, self.settings, self.clock.now())
        return self

    def send(self, method: str, path: str, token: str | None = None, **options: Any) -> TestResponse:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **options)

    def call(self, method: str, path: str, token: str | None = None, **options: Any) -> tuple[int, dict[str, Any]]:
        answer = self.send(method, path, token, **options)
        assert answer.mimetype == "application/json", answer.data[:200]
        body: dict[str, Any] = json.loads(answer.data, parse_constant=lambda name: pytest.fail(f"{name} in an answer"))
        assert body["success"] is (answer.status_code < 400), body
        if not body["success"]:
            assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "fields"}
        return answer.status_code, body

    def code(self, method: str, path: str, token: str | None = None, **options: Any) -> tuple[int, str]:
        """The status and the code of a no."""
        status, body = self.call(method, path, token, **options)
        return status, body["error"]["code"] if not body["success"] else ""

    # ---- people

    def register(self, email: str = ANN, password: str = PASSWORD, name: str = "Ann") -> str:
        """Registers and confirms; the user's id."""
        status, _ = self.call("POST", "/api/auth/register", json={"email": email, "password": password, "name": name})
        assert status == 202
        status, body = self.call("POST", "/api/auth/verify-email", json={"token": self.mailed("verify", email)})
        assert status == 200, body
        (user,) = [each for each in self.store["users"].all() if each.get("email") == email]
        return str(user["id"])

    def log_in(self, email: str = ANN, password: str = PASSWORD, **more: Any) -> tuple[int, dict[str, Any]]:
        return self.call("POST", "/api/auth/login", json={"email": email, "password": password, **more})

    def signed_in(self, email: str = ANN, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """The tokens of a new sign-in."""
        status, body = self.log_in(email, password, **more)
        assert status == 200, body
        return body

    def with_totp(self, token: str) -> str:
        """Turns the second factor on; its secret."""
        _, enrolled = self.call("POST", "/api/2fa/enroll", token)
        status, body = self.call("POST", "/api/2fa/verify", token, json={"code": self.totp(enrolled["secret"])})
        assert status == 200, body
        return str(enrolled["secret"])

    def totp(self, secret: str) -> str:
        return pyotp.TOTP(secret).at(self.clock.now())

    # ---- what was written

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        return [each for each in self.store["mails"].all() if to is None or each["to"] == to]

    def mailed(self, letter: str, to: str = ANN) -> str:
        """The code in the newest mail of this kind."""
        found = [each for each in self.mails(to) if each["letter"] == letter]
        return str(found[-1]["fields"]["code"])

    def letters(self, to: str = ANN) -> list[str]:
        return [each["letter"] for each in self.mails(to)]

    def audited(self, action: str) -> list[dict[str, Any]]:
        return [each for each in self.store["audit_log"].all() if each["action"] == action]

    def close(self) -> None:
        self.store.close()
