"""Outgoing webhooks from a fact in the journal to a receiver on loopback: once per event, signed, tried again, given up."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modules.accounts.first_start import OPERATOR, prepare
from modules.accounts.people import add_user
from modules.connections.safe_http import SafeHttp
from modules.connections.webhook_sender import WebhookSender
from modules.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from modules.domain.people import Principal, Role
from modules.notices import preferences, webhooks
from modules.notices.webhook_book import Asked, Hook, HookChange, WebhookBook
from modules.notices.webhook_rules import OutboundRules
from modules.notices.webhooks import WebhookCourier
from modules.runtime.settings import Settings
from tests.fakes.web_receiver import Receiver
from tests.flows.world import ENTRY, World

ROOT = "the installation's key"


class Post:
    """A world with its operator, another user, and a courier that reaches loopback."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.world = World(folder)
        self.store, self.clock = self.world.store, self.world.clock
        settings = Settings(data_dir=folder)
        prepare(self.store, settings, self.clock.now())
        with self.store.transaction() as tx:
            ann = add_user(
                tx, settings, self.clock.now(), email="a@b.c", password_hash="x", name="Ann", role=Role.SUBSCRIBER
            )
        self.boss = Principal(OPERATOR, Role.OWNER, "operator_token")
        self.ann = Principal(str(ann["id"]), Role.SUBSCRIBER, "access_token")
        self.receiver = receiver
        self.rules = OutboundRules(allow_http=True, allow_private=True, ports=frozenset({receiver.port}))
        self.url = f"http://127.0.0.1:{receiver.port}/hook"
        self.book = WebhookBook(self.store, ROOT, self.rules)
        self.courier = self.make_courier()

    def make_courier(self, rules: OutboundRules | None = None) -> WebhookCourier:
        self.http = SafeHttp(rules or self.rules, timeout_seconds=2.0)
        sender = WebhookSender(self.http)
        return WebhookCourier(self.store, sender, self.clock, root_secret=ROOT, draw=lambda: 0.5)

    def asked(self, who: Principal | None = None) -> Asked:
        return Asked(who or self.boss, self.clock.now(), "127.0.0.1")

    def hook(self, *events: str, who: Principal | None = None, url: str | None = None) -> tuple[Hook, str]:
        made = self.book.create(self.asked(who), url or self.url, events or ("*",), "mine")
        self.clock.advance(1)
        return made

    async def settle(self, *, tries: int = 50) -> None:
        """Turns until nothing is read, due or under way."""
        for _ in range(tries):
            more = await self.courier.turn(self.clock.now())
            under_way = [task for task in asyncio.all_tasks() if (task.get_name() or "").startswith("send to")]
            if under_way:
                await asyncio.wait(under_way)
            elif not more:
                return

    def rows(self, hook_id: str) -> list[dict[str, Any]]:
        found = self.store["hook_deliveries"].search(order_by="created_at")
        return [row for row in found if row["hook_id"] == hook_id]

    async def say(self, text: str = ENTRY, message_id: str = "1", **fields: Any) -> None:
        """A channel's message is taken in and traded; in a thread, since the stage has an event loop of its own."""
        await asyncio.to_thread(self._say, text, message_id, **fields)

    def _say(self, text: str, message_id: str, **fields: Any) -> None:
        self.world.price("BTCUSDT", "60000")
        self.world.say(text, message_id, **fields)
        self.world.settle()


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    receiver = await Receiver().start()
    made = Post(tmp_path, receiver)
    yield made
    await made.courier.stop()
    await made.http.close()
    await receiver.stop()
    made.world.close()


def _verified(secret: str, signature: str, body: bytes) -> int:
    """What a receiver does; the time that was signed."""
    parts = dict(part.split("=", 1) for part in signature.split(","))
    digest = hmac.new(secret.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(digest, parts["v1"])
    return int(parts["t"])


async def test_every_fact_arrives_once_signed_and_in_order(post: Post) -> None:
    hook, secret = post.hook("signal.*", "position.*")
    await post.say()
    await post.settle()
    types = []
    for request in post.receiver.requests:
        body = json.loads(request.body)
        types.append(body["type"])
        assert set(body) == {"id", "type", "created_at", "data"}
        assert request.headers["x-verzek-delivery"] == body["id"]
        assert request.headers["x-verzek-event"] == body["type"]
        assert _verified(secret, request.headers["x-verzek-signature"], request.body) == post.clock.now().timestamp()
        assert body["created_at"].endswith("Z")
        datetime.fromisoformat(body["created_at"])
    assert types == ["signal.received", "position.opened", "signal.entered"] or sorted(types) == [
        "position.opened", "signal.entered", "signal.received",
    ]  # fmt: skip
    assert {row["status"] for row in post.rows(hook.id)} == {"delivered"}
    assert {row["response_excerpt"] for row in post.rows(hook.id)} == {"thanks"}
    kept = post.book.get(OPERATOR, hook.id)
    assert (kept.failures, kept.last_delivered_at) == (0, post.clock.now())


async def test_reading_again_writes_nothing_twice(post: Post) -> None:
    hook, _ = post.hook()
    await post.say()
    await post.settle()
    before = post.rows(hook.id)
    again = post.make_courier()
    with post.store.transaction() as tx:
        tx["hook_deliveries"].update({"status": "delivered"})
    await again.turn(post.clock.now())
    assert [row["id"] for row in post.rows(hook.id)] == [row["id"] for row in before]
    await again.stop()


async def test_what_happened_before_a_hook_was_made_is_not_told_to_it(post: Post) -> None:
    await post.say()
    post.clock.advance(1)
    hook, _ = post.hook()
    await post.settle()
    assert post.rows(hook.id) == []


async def test_another_users_trades_and_private_signals_stay_theirs(post: Post) -> None:
    anns, _ = post.hook(who=post.ann)
    bosses, _ = post.hook()
    await post.say()
    await post.say(ENTRY.replace("60000", "60001"), "2", source="webhook:tv", owner=post.ann.user_id)
    await post.settle()
    ann_types = {row["type"] for row in post.rows(anns.id)}
    assert not {each for each in ann_types if each.startswith(("position", "order", "plan"))}
    assert "signal.received" in ann_types
    assert any(row["type"] == "position.opened" for row in post.rows(bosses.id))
    private = [row for row in post.rows(bosses.id) if '"webhook:tv"' in row["body"]]
    assert private == []
    assert any('"webhook:tv"' in row["body"] and '"owner"' not in row["body"] for row in post.rows(anns.id))


async def test_only_chosen_events_are_sent(post: Post) -> None:
    hook, _ = post.hook("signal.closed")
    await post.say()
    await asyncio.to_thread(post.world.price, "BTCUSDT", "58000")
    await post.settle()
    assert [row["type"] for row in post.rows(hook.id)] == ["signal.closed"]


async def test_preferences_silence_a_kind_for_webhooks(post: Post) -> None:
    hook, _ = post.hook("position.*", "order.*")
    with post.store.transaction() as tx:
        preferences.keep(tx, OPERATOR, {"entry": ["telegram"]}, None)
    await post.say()
    await post.settle()
    types = {row["type"] for row in post.rows(hook.id)}
    assert "position.opened" not in types
    assert "order.filled" in types


async def test_a_disabled_user_hears_nothing(post: Post) -> None:
    hook, _ = post.hook(who=post.ann)
    post.store["users"].update({"enabled": False}, key=post.ann.user_id)
    await post.say()
    await post.settle()
    assert post.rows(hook.id) == []


async def test_what_waits_for_a_user_who_was_switched_off_is_not_sent(post: Post) -> None:
    hook, _ = post.hook("signal.*", who=post.ann)
    post.receiver.answers = [(500, "", b"")]
    await post.say()
    await post.settle()
    post.store["users"].update({"enabled": False}, key=post.ann.user_id)
    post.clock.advance(60)
    asked = len(post.receiver.requests)
    await post.settle()
    assert len(post.receiver.requests) == asked
    assert {row["status"] for row in post.rows(hook.id)} == {"cancelled"}


@pytest.mark.parametrize("answer", [(500, "", b"oops"), (302, "Location: /\r\n", b""), (404, "", b""), (429, "", b"")])
async def test_a_failed_try_is_repeated_with_the_same_id_and_bytes(post: Post, answer: tuple[int, str, bytes]) -> None:
    hook, secret = post.hook("signal.received")
    post.receiver.answers = [answer, (204, "", b"")]
    await post.say()
    await post.settle()
    (row,) = post.rows(hook.id)
    assert (row["status"], row["tries"], row["response_status"]) == ("queued", 1, answer[0])
    assert row["error"] == f"answered {answer[0]}"
    post.clock.advance(4.9)
    await post.settle()
    assert len(post.receiver.requests) == 1
    post.clock.advance(0.2)
    await post.settle()
    first, second = post.receiver.requests
    assert first.body == second.body
    assert first.headers["x-verzek-delivery"] == second.headers["x-verzek-delivery"]
    assert first.headers["x-verzek-signature"] != second.headers["x-verzek-signature"]  # another time was signed
    _verified(secret, second.headers["x-verzek-signature"], second.body)
    assert post.rows(hook.id)[0]["status"] == "delivered"
    assert post.book.get(OPERATOR, hook.id).failures == 0


async def test_the_receivers_own_hint_is_kept(post: Post) -> None:
    hook, _ = post.hook("signal.received")
    post.receiver.answers = [(503, "Retry-After: 90\r\n", b"")]
    await post.say()
    await post.settle()
    (row,) = post.rows(hook.id)
    assert row["due_at"] == round(post.clock.now().timestamp() * 1000) + 90_000


async def test_a_delivery_is_given_up_after_all_its_tries(post: Post) -> None:
    hook, _ = post.hook("signal.received")
    post.receiver.answers = [(500, "", b"")]
    await post.say()
    for _ in range(12):
        await post.settle()
        post.clock.advance(50_000)
    (row,) = post.rows(hook.id)
    assert (row["status"], row["tries"], len(post.receiver.requests)) == ("failed", 9, 9)
    assert post.book.get(OPERATOR, hook.id).enabled  # one delivery is not enough to give the hook up


async def test_a_hook_that_keeps_failing_is_switched_off_and_its_owner_told(post: Post) -> None:
    hook, _ = post.hook("signal.received")
    post.receiver.answers = [(500, "", b"")]
    for number in range(8):
        await post.say(ENTRY.replace("61000", str(61_001 + number)), str(number))
    for _ in range(4):
        await post.settle()
        post.clock.advance(3_700)
    kept = post.book.get(OPERATOR, hook.id)
    assert not kept.enabled
    assert "tries failed in a row" in kept.disabled_reason
    assert {row["status"] for row in post.rows(hook.id)} <= {"cancelled", "failed"}
    asked = len(post.receiver.requests)
    await post.say(ENTRY.replace("61000", "61500"), "later")
    await post.settle()
    assert len(post.receiver.requests) == asked
    told = [row["text"] for row in post.store["deliveries"].all() if "switched off" in row["text"]]
    assert len(told) == 1
    assert any(row["action"] == "webhook.disable" for row in post.store["audit_log"].all())
    back = post.book.change(post.asked(), hook.id, HookChange(enabled=True))
    assert (back.enabled, back.failures, back.disabled_reason) == (True, 0, "")


async def test_gone_switches_off_at_once(post: Post) -> None:
    hook, _ = post.hook("signal.received")
    post.receiver.answers = [(410, "", b"")]
    await post.say()
    await post.settle()
    assert not post.book.get(OPERATOR, hook.id).enabled


async def test_an_address_that_leads_inside_is_never_connected_to(post: Post) -> None:
    hook, _ = post.hook("signal.received")
    await post.http.close()
    post.courier = post.make_courier(OutboundRules(allow_http=True, ports=post.rules.ports))
    await post.say()
    await post.settle()
    (row,) = post.rows(hook.id)
    assert (row["status"], row["tries"]) == ("failed", 1)
    assert "not a public address" in row["error"]
    assert post.receiver.connections == 0


async def test_what_was_being_sent_when_the_process_died_is_sent_again(post: Post) -> None:
    hook, _ = post.hook("signal.received")
    await post.say()
    post.receiver.answers = [None]
    await post.courier.turn(post.clock.now())
    await post.receiver.arrived.wait()
    for task in asyncio.all_tasks():
        if task.get_name().startswith("send to"):
            task.cancel()
    await asyncio.sleep(0)
    assert post.rows(hook.id)[0]["status"] == "sending"
    post.receiver.answers = [(200, "", b"")]
    await post.http.close()
    post.courier = post.make_courier()
    await post.settle()
    assert len(post.receiver.requests) == 1
    post.clock.advance(61)
    await post.settle()
    first, second = post.receiver.requests
    assert first.body == second.body
    assert post.rows(hook.id)[0]["status"] == "delivered"


async def test_a_slow_receiver_delays_no_other(post: Post) -> None:
    slow = await Receiver(answers=[None]).start()
    post.book = WebhookBook(post.store, ROOT, OutboundRules(True, True, frozenset({slow.port, post.receiver.port})))
    await post.http.close()
    post.courier = post.make_courier(OutboundRules(True, True, frozenset({slow.port, post.receiver.port})))
    stuck, _ = post.hook("signal.*", url=f"http://127.0.0.1:{slow.port}/")
    quick, _ = post.hook("signal.*")
    await post.say()
    await post.courier.turn(post.clock.now())
    await slow.arrived.wait()
    for _ in range(50):
        await post.courier.turn(post.clock.now())
        if all(row["status"] == "delivered" for row in post.rows(quick.id)):
            break
        await post.receiver.arrived.wait()
        post.receiver.arrived.clear()
        await asyncio.sleep(0.01)
    assert {row["status"] for row in post.rows(quick.id)} == {"delivered"}
    assert {row["status"] for row in post.rows(stuck.id)} <= {"sending", "queued"}
    for task in asyncio.all_tasks():
        if task.get_name() == f"send to {stuck.id}":
            task.cancel()
    await slow.stop()


async def test_a_test_is_sent_once_even_to_a_hook_that_is_off(post: Post) -> None:
    hook, secret = post.hook()
    post.book.change(post.asked(), hook.id, HookChange(enabled=False))
    first = post.book.test(post.asked(), hook.id)
    assert post.book.test(post.asked(), hook.id) == first
    post.receiver.answers = [(500, "", b"no")]
    await post.settle()
    (request,) = post.receiver.requests
    assert json.loads(request.body)["type"] == "webhook.test"
    _verified(secret, request.headers["x-verzek-signature"], request.body)
    (row,) = post.rows(hook.id)
    assert (row["id"], row["status"]) == (first, "failed")
    assert post.book.get(OPERATOR, hook.id).failures == 0


async def test_a_delivery_can_be_sent_again_by_hand(post: Post) -> None:
    hook, _ = post.hook("signal.received")
    await post.say()
    await post.settle()
    (row,) = post.rows(hook.id)
    post.book.send_again(post.asked(), hook.id, row["id"])
    with pytest.raises(Conflict):
        post.book.send_again(post.asked(), hook.id, row["id"])
    await post.settle()
    assert len({request.body for request in post.receiver.requests}) == 1
    assert len(post.receiver.requests) == 2


async def test_a_new_secret_ends_the_old_one(post: Post) -> None:
    hook, old = post.hook("signal.received")
    _, new = post.book.rotate(post.asked(), hook.id)
    assert new != old
    await post.say()
    await post.settle()
    (request,) = post.receiver.requests
    _verified(new, request.headers["x-verzek-signature"], request.body)
    stored = json.dumps([post.store["hooks"].all(), post.store["audit_log"].all()])
    assert new not in stored
    assert old not in stored


async def test_old_deliveries_are_forgotten(post: Post) -> None:
    hook, _ = post.hook("signal.received")
    await post.say()
    await post.settle()
    post.clock.advance(timedelta(days=6).total_seconds())
    await post.settle()
    assert len(post.rows(hook.id)) == 1
    post.clock.advance(timedelta(days=2).total_seconds())
    await post.settle()
    assert post.rows(hook.id) == []


async def test_a_removed_hook_takes_its_deliveries_along(post: Post) -> None:
    hook, _ = post.hook()
    await post.say()
    await post.courier.turn(post.clock.now())
    post.book.remove(post.asked(), hook.id)
    await post.settle()
    assert post.rows(hook.id) == []
    with pytest.raises(NotFound):
        post.book.get(OPERATOR, hook.id)


async def test_another_users_hook_is_none(post: Post) -> None:
    hook, _ = post.hook()
    ann = post.asked(post.ann)
    calls: list[Callable[[], object]] = [
        lambda: post.book.get(post.ann.user_id, hook.id),
        lambda: post.book.change(ann, hook.id, HookChange(name="x")),
        lambda: post.book.rotate(ann, hook.id),
        lambda: post.book.remove(ann, hook.id),
        lambda: post.book.test(ann, hook.id),
        lambda: post.book.deliveries(post.ann.user_id, hook.id),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()


async def test_limits_of_making_hooks(post: Post) -> None:
    for _ in range(20):
        post.hook()
    with pytest.raises(Conflict):
        post.hook()
    with pytest.raises(InvalidInput):
        post.hook(who=post.ann, url="http://127.0.0.1:22/")
    scoped = Principal(post.ann.user_id, Role.SUBSCRIBER, "api_key", frozenset({"profile.own", "signals.read"}))
    with pytest.raises(NotAllowed):
        post.hook(who=scoped)


async def test_a_long_burst_is_sent_in_parts_and_nothing_is_left_half_begun(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_IN_A_ROW", 3)
    hook, _ = post.hook("order.*", "plan.*", "position.*", "signal.*")
    await post.say()
    await post.settle()
    rows = post.rows(hook.id)
    assert len(rows) > 3
    assert {(row["status"], row["tries"]) for row in rows} == {("delivered", 1)}
    assert len(post.receiver.requests) == len(rows)


async def test_a_burst_goes_out_in_one_go_and_in_order(post: Post) -> None:
    hook, _ = post.hook("order.*", "plan.*", "position.*", "signal.*")
    await post.say()
    await asyncio.to_thread(post.world.price, "BTCUSDT", "61000", "62000", "63000")
    await post.courier.turn(post.clock.now())
    under_way = [task for task in asyncio.all_tasks() if task.get_name().startswith("send to")]
    await asyncio.wait(under_way)
    rows = post.rows(hook.id)
    assert len(rows) > 15
    assert {row["status"] for row in rows} == {"delivered"}
    told = [int(json.loads(each.body)["id"].removeprefix("evt_")) for each in post.receiver.requests]
    assert told == sorted(told)
    assert post.receiver.connections == len(told)
