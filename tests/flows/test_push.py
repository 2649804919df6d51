"""Push from a fact in the journal to a device: encrypted for it alone, tried again, forgotten when it is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from modules.accounts.first_start import OPERATOR, prepare
from modules.connections.fcm import FcmPush, read_account
from modules.connections.push_sender import Pushes, contact, registration_check
from modules.connections.safe_http import SafeHttp
from modules.connections.web_push import PushKey, WebPush
from modules.domain.errors import Conflict, InvalidInput, Misconfigured, NotFound
from modules.domain.events import Event, EventKind
from modules.domain.people import Principal, Role
from modules.journal import append
from modules.notices import preferences
from modules.notices.personal import PersonalNotices
from modules.notices.preferences import Notice
from modules.notices.push import DeviceKind, PushBook, PushCourier, Registration, queue_push
from modules.notices.webhook_book import Asked
from modules.notices.webhook_rules import OutboundRules
from modules.runtime.settings import Settings
from tests.fakes.browser import Browser
from tests.fakes.web_receiver import Receiver
from tests.flows.world import World

BOSS = Principal(OPERATOR, Role.OWNER, "operator_token")
ANN = Principal("ann", Role.SUBSCRIBER, "access_token")


class Post:
    """A world whose operator has a browser behind a push service on loopback."""

    def __init__(self, folder: Path, service: Receiver) -> None:
        self.world = World(folder)
        self.store, self.clock, self.service = self.world.store, self.world.clock, service
        self.settings = Settings(data_dir=folder)
        prepare(self.store, self.settings, self.clock.now())
        self.rules = OutboundRules(allow_http=True, allow_private=True, ports=frozenset({service.port}))
        self.book = PushBook(self.store, registration_check(self.settings, self.rules))
        self.http = SafeHttp(self.rules, timeout_seconds=5.0)
        web = WebPush(self.http, PushKey(folder), contact(self.settings))
        self.sender = Pushes(self.http, web, None)
        self.courier = PushCourier(self.store, self.sender, self.clock, draw=lambda: 0.5)
        self.personal = PersonalNotices(self.store)
        self.browser = Browser()

    def asked(self, who: Principal = BOSS) -> Asked:
        return Asked(who, self.clock.now(), "127.0.0.1")

    def registration(self, name: str = "a") -> Registration:
        endpoint = f"http://127.0.0.1:{self.service.port}/send/{name}"
        keys = self.browser.subscription(endpoint)["keys"]
        return Registration(DeviceKind.WEB, endpoint, keys["p256dh"], keys["auth"], "phone")

    def register(self, name: str = "a", who: Principal = BOSS) -> str:
        return str(self.book.register(self.asked(who), self.registration(name))["id"])

    def fact(self, kind: EventKind = EventKind.STOP_MOVED, key: str = "1", **body: object) -> None:
        about = {"symbol": "BTCUSDT", "price": "60500", "reason": "manual", "role": "entry", **body}
        with self.store.transaction() as tx:
            append(tx, Event(kind, self.clock.now(), about, key=key, account_id=f"paper-{OPERATOR}"))

    async def settle(self) -> None:
        while await self.personal.turn(self.clock.now()):
            pass
        for _ in range(50):
            await self.courier.turn(self.clock.now())
            under_way = [task for task in asyncio.all_tasks() if task.get_name().startswith("send to")]
            if not under_way:
                return
            await asyncio.wait(under_way)

    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(self.browser.open(each.body)) for each in self.service.requests]

    def rows(self) -> list[dict[str, Any]]:
        return self.store["push_deliveries"].search(order_by="created_at")


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    service = await Receiver([(201, "", b"")]).start()
    made = Post(tmp_path, service)
    yield made
    await made.courier.stop()
    await made.sender.close()
    await service.stop()
    made.world.close()


async def test_a_fact_reaches_the_device_once_and_readable_to_it_alone(post: Post) -> None:
    post.register()
    post.fact()
    await post.settle()
    await post.settle()
    (said,) = post.heard()
    assert said["body"] == "🛡 BTCUSDT: stop now 60500 (stop moved by hand)"
    assert (said["kind"], said["title"]) == ("stop", "VerzekAutoTrader")
    (request,) = post.service.requests
    assert request.line == "POST /send/a HTTP/1.1"
    assert request.headers["content-encoding"] == "aes128gcm"
    assert (request.headers["ttl"], request.headers["urgency"]) == ("14400", "normal")
    assert request.headers["authorization"].startswith("vapid t=")
    assert [row["status"] for row in post.rows()] == ["delivered"]


async def test_an_alarm_is_urgent_and_passes_the_night(post: Post) -> None:
    post.register()
    with post.store.transaction() as tx:
        preferences.keep(tx, OPERATOR, {}, {"from": "11:00", "to": "13:00", "zone": "UTC"})
    post.fact()
    post.fact(EventKind.ORDER_UNKNOWN, "2")
    await post.settle()
    assert [(each["kind"]) for each in post.heard()] == ["alarm"]
    assert post.service.requests[0].headers["urgency"] == "high"


async def test_a_kind_that_is_off_is_not_pushed_and_one_for_mail_is_mailed(post: Post) -> None:
    post.register()
    with post.store.transaction() as tx:
        preferences.keep(tx, OPERATOR, {"stop": ["mail"]}, None)
    post.fact()
    await post.settle()
    assert post.rows() == []
    (mail,) = post.store["mails"].all()
    assert (mail["letter"], mail["user_id"]) == ("notice", OPERATOR)
    assert mail["fields"]["text"] == "🛡 BTCUSDT: stop now 60500 (stop moved by hand)"


async def test_an_old_fact_is_no_news(post: Post) -> None:
    post.register()
    post.fact()
    post.clock.advance(6 * 3600 + 1)
    await post.settle()
    assert post.rows() == []


async def test_a_device_that_is_gone_is_forgotten(post: Post) -> None:
    post.register()
    post.service.answers = [(410, "", b"")]
    post.fact()
    post.fact(key="2", price="60600")
    await post.settle()
    assert post.book.devices_of(OPERATOR) == []
    assert post.rows() == []
    assert len(post.service.requests) == 1


async def test_a_busy_service_is_asked_again_and_then_left_alone(post: Post) -> None:
    post.register()
    post.service.answers = [(503, "", b""), (429, "Retry-After: 300\r\n", b""), (201, "", b"")]
    post.fact()
    await post.settle()
    post.clock.advance(30)
    await post.settle()
    assert len(post.service.requests) == 2
    post.clock.advance(299)
    await post.settle()
    assert len(post.service.requests) == 2
    post.clock.advance(1)
    await post.settle()
    assert [row["status"] for row in post.rows()] == ["delivered"]
    post.service.answers = [(500, "", b"")]
    post.fact(key="2")
    for _ in range(8):
        await post.settle()
        post.clock.advance(1000)
    assert post.rows()[-1]["status"] == "failed"
    assert post.rows()[-1]["tries"] == 4


async def test_what_the_service_refuses_is_not_repeated(post: Post) -> None:
    post.register()
    post.service.answers = [(403, "", b"")]
    post.fact()
    await post.settle()
    post.clock.advance(10_000)
    await post.settle()
    assert len(post.service.requests) == 1
    assert post.rows()[0]["status"] == "failed"


async def test_registering_again_is_the_same_device_and_another_user_takes_it_over(post: Post) -> None:
    first = post.register()
    assert post.register() == first
    assert len(post.book.devices_of(OPERATOR)) == 1
    with post.store.transaction() as tx:
        queue_push(tx, OPERATOR, Notice.ENTRY, "the operator's", key="k", now=post.clock.now())
    assert post.register(who=ANN) == first
    assert post.book.devices_of(OPERATOR) == []
    assert post.rows() == []  # nothing of one user's reaches the next one on the same browser
    with pytest.raises(NotFound):
        post.book.unregister(post.asked(), first)
    post.book.unregister(post.asked(ANN), first)
    assert post.book.devices_of("ann") == []


async def test_a_test_reaches_all_ones_devices(post: Post) -> None:
    with pytest.raises(NotFound):
        post.book.test(post.asked())
    first = post.register()
    post.register("b")
    assert post.book.test(post.asked()) == 2
    assert post.book.test(post.asked(), first) == 1
    with pytest.raises(NotFound):
        post.book.test(post.asked(ANN), first)
    await post.settle()
    assert {each["body"] for each in post.heard()} == {"This is a test notice."}
    assert len(post.service.requests) == 3


async def test_limits_and_kinds_that_are_not_served(post: Post) -> None:
    for number in range(20):
        post.register(str(number))
    with pytest.raises(Conflict):
        post.register("one-more")
    with pytest.raises(InvalidInput, match="fcm is not served here"):
        post.book.register(post.asked(ANN), Registration(DeviceKind.FCM, "token"))


def _credentials(folder: Path, port: int) -> tuple[Path, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    path = folder / "service.json"
    said = {
        "project_id": "demo",
        "client_email": "push@demo.test",
        "private_key": pem,
        "token_uri": f"http://127.0.0.1:{port}/token",
    }
    path.write_text(json.dumps(said))
    return path, key.public_key()


async def test_an_app_is_reached_over_its_messaging_service(post: Post, tmp_path: Path) -> None:
    service = await Receiver([(200, "", b'{"access_token": "at1", "expires_in": 3600}'), (200, "", b"{}")]).start()
    path, public = _credentials(tmp_path, service.port)
    settings = Settings(data_dir=tmp_path, fcm_credentials=path)
    fcm = FcmPush(read_account(path), api=f"http://127.0.0.1:{service.port}")
    book = PushBook(post.store, registration_check(settings, post.rules))
    web = WebPush(post.http, PushKey(tmp_path), "mailto:x@y.z")
    courier = post.courier = PushCourier(post.store, Pushes(post.http, web, fcm), post.clock)
    book.register(post.asked(), Registration(DeviceKind.FCM, "device-token"))
    post.fact()
    post.fact(EventKind.ORDER_UNKNOWN, "2")
    await post.settle()
    asked, first, second = service.requests
    assertion = dict(part.split("=", 1) for part in asked.body.decode().split("&"))["assertion"]
    claims = jwt.decode(
        assertion, public, algorithms=["RS256"], audience=f"http://127.0.0.1:{service.port}/token",
        options={"verify_exp": False, "verify_iat": False},
    )  # fmt: skip
    assert claims["iss"] == "push@demo.test"
    assert first.line == "POST /v1/projects/demo/messages:send HTTP/1.1"
    assert first.headers["authorization"] == "Bearer at1"
    messages = [json.loads(each.body)["message"] for each in (first, second)]
    assert {each["token"] for each in messages} == {"device-token"}
    assert {each["android"]["priority"] for each in messages} == {"NORMAL", "HIGH"}
    gone = json.dumps({"error": {"status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}}).encode()
    service.answers = [(404, "", gone)]
    post.fact(key="3")
    await post.settle()
    assert book.devices_of(OPERATOR) == []
    await courier.stop()
    await fcm.close()
    await service.stop()


def test_credentials_that_are_none_are_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    for content in ("", "{}", "[]", "not json"):
        path.write_text(content)
        with pytest.raises(Misconfigured):
            read_account(path)
    with pytest.raises(Misconfigured):
        read_account(tmp_path / "none.json")


async def test_staff_hears_alarms_and_an_owner_of_their_refused_call(post: Post) -> None:
    post.register()
    with post.store.transaction() as tx:
        append(tx, Event(EventKind.ALARM, post.clock.now(), {"area": "prices", "sentence": "No price comes."}, key="a"))
        body = {"source": "webhook:tv", "message_id": "1", "rule": "late", "sentence": "It is late."}
        refused = EventKind.SIGNAL_REFUSED
        append(tx, Event(refused, post.clock.now(), {**body, "owner": OPERATOR}, key="b"))
        append(tx, Event(refused, post.clock.now(), {**body, "owner": "somebody"}, key="c"))
        append(tx, Event(refused, post.clock.now(), body, key="d"))
    await post.settle()
    assert sorted(each["kind"] for each in post.heard()) == ["alarm", "refusal"]
    assert [each["letter"] for each in post.store["mails"].all()] == ["notice"]  # an alarm goes by mail too
