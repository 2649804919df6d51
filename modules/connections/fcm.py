"""Push to apps over Firebase Cloud Messaging's HTTP v1, where the operator gave a service account's credentials.

An access token is asked for with a signed assertion and used until shortly before it ends. Without credentials nothing here
is made, and devices of this kind are refused.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt

from database import Document
from modules.domain.errors import Misconfigured, Rejected, Unavailable
from modules.notices.push import TTL_SECONDS, DeviceGone

API = "https://fcm.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_LIFE = timedelta(minutes=30)
_EARLY = timedelta(minutes=5)
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class FcmAccount:
    """A service account, as its credentials file tells it."""

    project_id: str
    client_email: str
    private_key: str
    token_uri: str


def read_account(path: Path) -> FcmAccount:
    """The account in a credentials file. Raises Misconfigured where it can't be read or lacks something."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return FcmAccount(said["project_id"], said["client_email"], said["private_key"], said["token_uri"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misconfigured([f"FCM_CREDENTIALS: {path} is no service account's file: {error!r}"]) from error


class FcmPush:
    """Sends to apps. `api` is the service's address."""

    def __init__(self, account: FcmAccount, *, api: str = API) -> None:
        self._account = account
        self._address = f"{api}/v1/projects/{account.project_id}/messages:send"
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._token = ""
        self._until: datetime | None = None
        self._asking = asyncio.Lock()

    async def send(self, device: Document, payload: bytes, *, urgent: bool, now: datetime) -> None:
        """Sends one message. Raises DeviceGone, Rejected, or Unavailable where it is worth another try."""
        shown = json.loads(payload)
        message = {
            "token": device["address"],
            "notification": {"title": shown["title"], "body": shown["body"]},
            "data": {"kind": shown["kind"], "tag": shown["tag"], "url": shown["url"]},
            "android": {"priority": "HIGH" if urgent else "NORMAL", "ttl": f"{TTL_SECONDS}s"},
        }
        headers = {"Authorization": f"Bearer {await self._access_token(now)}"}
        self._settle(await self._post(self._address, json={"message": message}, headers=headers))

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._client.aclose()

    def _settle(self, response: httpx.Response) -> None:
        status = response.status_code
        if status < 300:
            return
        if status == 404 or _error_code(response) == "UNREGISTERED":
            raise DeviceGone("the messaging service does not know this device any more")
        if status == 401:  # the token was withdrawn before its time
            self._until = None
            raise Unavailable("the messaging service did not take the access token")
        if status == 429 or status >= 500:
            hint = response.headers.get("retry-after", "")
            raise Unavailable(
                f"the messaging service answered {status}",
                retry_after_seconds=float(hint) if hint.isdigit() and len(hint) < 7 else None,
            )
        raise Rejected(f"the messaging service answered {status} {_error_code(response)}".strip())

    async def _access_token(self, now: datetime) -> str:
        async with self._asking:
            if self._until is not None and now < self._until:
                return self._token
            claims = {
                "iss": self._account.client_email,
                "scope": _SCOPE,
                "aud": self._account.token_uri,
                "iat": int(now.timestamp()),
                "exp": int((now + _ASSERTION_LIFE).timestamp()),
            }
            assertion = jwt.encode(claims, self._account.private_key, algorithm="RS256")
            asked = {"grant_type": _GRANT, "assertion": assertion}
            response = await self._post(self._account.token_uri, data=asked)
            if response.status_code >= 300:
                raise Unavailable(f"no access token for the messaging service: {response.status_code}")
            said = response.json()
            self._token = str(said["access_token"])
            self._until = now + timedelta(seconds=float(said.get("expires_in", 0))) - _EARLY
            return self._token

    async def _post(self, address: str, **content: Any) -> httpx.Response:
        try:
            return await self._client.post(address, **content)
        except httpx.HTTPError as error:
            raise Unavailable(f"the messaging service does not answer: {type(error).__name__}") from error


def _error_code(response: httpx.Response) -> str:
    """The service's own word for the error: in the details where there is one, else the status's name."""
    try:
        error = response.json()["error"]
        codes = [each["errorCode"] for each in error.get("details", []) if "errorCode" in each]
        return str(codes[0] if codes else error.get("status", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
