"""Every kind of device behind one sender, and which kinds this installation serves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from database import Document
from modules.connections.fcm import FcmPush, read_account
from modules.connections.safe_http import SafeHttp
from modules.connections.web_push import PushKey, WebPush, check_web_device
from modules.domain.errors import InvalidInput, Rejected
from modules.notices.push import DeviceKind, Registration
from modules.notices.webhook_rules import OutboundRules
from modules.runtime.settings import Settings


class Pushes:
    """Sends to browsers always, to apps where there are credentials for their messaging service."""

    def __init__(self, http: SafeHttp, web: WebPush, fcm: FcmPush | None) -> None:
        self._http = http
        self._web = web
        self._fcm = fcm

    async def send(self, device: Document, payload: bytes, *, urgent: bool, now: datetime) -> None:
        """Sends one message to one device; raises as the senders of its kind do."""
        if device["kind"] == DeviceKind.WEB.value:
            await self._web.send(device, payload, urgent=urgent, now=now)
        elif self._fcm is not None:
            await self._fcm.send(device, payload, urgent=urgent, now=now)
        else:
            raise Rejected("push kind fcm is not served here any more")

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.close()
        if self._fcm is not None:
            await self._fcm.close()


def push_sender(settings: Settings, http: SafeHttp) -> Pushes:
    """The sender that the settings ask for. Raises Misconfigured for credentials that can't be read."""
    fcm = FcmPush(read_account(settings.fcm_credentials)) if settings.fcm_credentials is not None else None
    return Pushes(http, WebPush(http, PushKey(settings.data_dir), contact(settings)), fcm)


def contact(settings: Settings) -> str:
    """Where a push service reaches whoever runs this."""
    return settings.push_contact or f"mailto:{settings.admin_email}"


def registration_check(settings: Settings, rules: OutboundRules) -> Callable[[Registration], None]:
    """What `PushBook` asks of a registration: a kind that is served here, an endpoint that may be reached, keys that are some."""

    def check(given: Registration) -> None:
        if given.kind is DeviceKind.WEB:
            check_web_device(given, rules)
        elif settings.fcm_credentials is None:
            why = "push kind fcm is not served here"
            raise InvalidInput(f"{why}: the operator gave no FCM_CREDENTIALS.", code="not_served", fields={"kind": why})

    return check
