"""The outbox: who is told which fact, once each, in order, and what happens to rows that can't be delivered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modules.domain.market import ms_from_utc
from modules.domain.signals import content_hash
from modules.notices import outbox
from modules.notices.local_channel import deliver_local, messages_after
from modules.notices.outbox import Outbox
from tests.flows.world import ENTRY, World


class Post:
    """A world with chats and an outbox."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.world.account("a1")
        self.world.account("b1", autotrade=False)
        self.store, self.clock = self.world.store, self.world.clock
        self.outbox = Outbox(self.store)

    def chat(self, chat_id: str, kind: str, user_id: str | None = None, **fields: Any) -> None:
        blank = {"muted": [], "muted_until": None, "blocked": False}
        self.store["chats"].insert({"id": chat_id, "kind": kind, "user_id": user_id, **blank, **fields})

    def write(self) -> None:
        while self.outbox.turn(self.clock.now()):
            pass

    def rows(self, chat: str) -> list[dict[str, Any]]:
        found = self.store["deliveries"].search(order_by="created_at")
        return sorted((row for row in found if row["chat"] == chat), key=lambda each: each["seq"])

    def kinds(self, chat: str) -> list[str]:
        return [row["kind"] for row in self.rows(chat)]

    def trade(self) -> None:
        """A signal from its post to its close, in one go."""
        self.world.price("BTCUSDT", "60000")
        self.world.say(ENTRY)
        self.world.settle()
        self.world.price("BTCUSDT", "61000", "62000", "63000")
        self.write()


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path)
    yield made
    made.world.close()


SIGNAL_STEPS = ["SignalReceived", "SignalEntered", *["SignalTargetHit"] * 3, "SignalClosed"]
ACCOUNT_STEPS = {"PlanMade", "PositionOpened", "TargetHit", "StopMoved", "PositionClosed"}


def test_every_reader_gets_one_row_per_fact_that_concerns_them(post: Post) -> None:
    post.chat("telegram:1", "vip")
    post.chat("telegram:2", "trial")
    post.chat("telegram:3", "user", "user-a1")
    post.chat("telegram:4", "user", "user-b1")
    post.trade()
    for chat in ("telegram:1", "telegram:2"):
        assert [kind for kind in post.kinds(chat) if kind != "SignalStopMoved"] == SIGNAL_STEPS
    assert set(post.kinds("telegram:3")) == ACCOUNT_STEPS
    assert post.kinds("telegram:4") == []
    assert {row["status"] for row in post.rows("telegram:1")} == {"queued"}


def test_an_operator_reads_of_their_own_account_and_of_what_went_wrong(post: Post) -> None:
    post.chat("local:operator", "operator", "user-a1")
    post.chat("telegram:9", "operator", "somebody")
    post.trade()
    post.world.say("#ETH/USDT LONG\nEntry: 100\nStop Loss: 120\nTargets: 110", "2")
    post.write()
    assert set(post.kinds("local:operator")) == ACCOUNT_STEPS | {"SignalRefused"}
    assert post.kinds("telegram:9") == ["SignalRefused"]


def test_reading_again_writes_nothing_twice(post: Post) -> None:
    post.chat("telegram:1", "vip")
    post.trade()
    before = post.store["deliveries"].all()
    with post.store.transaction() as tx:
        tx["deliveries"].update({"status": "sent"})
    Outbox(post.store).turn(post.clock.now())
    after = post.store["deliveries"].all()
    assert [row["id"] for row in after] == [row["id"] for row in before]
    assert {row["status"] for row in after} == {"sent"}


def test_what_is_muted_is_not_written(post: Post) -> None:
    later = ms_from_utc(post.clock.now() + timedelta(hours=1))
    post.chat("telegram:1", "vip", muted=["target"])
    post.chat("telegram:2", "vip", muted_until=later)
    post.chat("telegram:3", "vip", blocked=True)
    post.chat("telegram:4", "operator", "x", muted_until=later)
    post.chat("telegram:5", "operator", "x", muted=["system"])
    post.trade()
    post.world.say("#ETH/USDT LONG\nEntry: 100\nStop Loss: 120\nTargets: 110", "2")
    post.write()
    kinds = [kind for kind in post.kinds("telegram:1") if kind != "SignalStopMoved"]
    assert kinds == ["SignalReceived", "SignalEntered", "SignalClosed"]
    assert post.kinds("telegram:2") == post.kinds("telegram:3") == post.kinds("telegram:5") == []
    assert post.kinds("telegram:4") == ["SignalRefused"]  # a quiet time lets warnings through
    post.clock.advance(3601)
    post.world.price("SOLUSDT", "100")
    post.world.say("#SOL/USDT LONG\nEntry: 100\nStop Loss: 90\nTargets: 110", "3")
    post.write()
    assert post.kinds("telegram:2") == ["SignalReceived"]


def test_rows_of_a_chat_go_one_at_a_time_and_a_waiting_chat_delays_no_other(post: Post) -> None:
    post.chat("telegram:1", "vip")
    post.chat("telegram:2", "trial")
    post.trade()
    now = post.clock.now()
    first, other = outbox.due_deliveries(post.store, "telegram:", now)
    assert {first["chat"], other["chat"]} == {"telegram:1", "telegram:2"}
    assert first["kind"] == other["kind"] == "SignalReceived"
    outbox.begin(post.store, first)
    outbox.postpone(post.store, first, 30, "Telegram asks to wait", now)
    assert [row["chat"] for row in outbox.due_deliveries(post.store, "telegram:", now)] == [other["chat"]]
    due = outbox.due_deliveries(post.store, "telegram:", now + timedelta(seconds=30))
    assert next(row for row in due if row["chat"] == first["chat"])["id"] == first["id"]
    assert next(row for row in due if row["chat"] == first["chat"])["attempts"] == 1
    assert outbox.due_deliveries(post.store, "local:", now) == []


def test_what_was_being_sent_when_the_process_died_comes_first_again(post: Post) -> None:
    post.chat("telegram:1", "vip")
    post.trade()
    (row,) = outbox.due_deliveries(post.store, "telegram:", post.clock.now())
    outbox.begin(post.store, row)
    (again,) = outbox.due_deliveries(post.store, "telegram:", post.clock.now())
    assert (again["id"], again["status"]) == (row["id"], "sending")


def test_a_chat_that_blocked_us_gets_nothing_of_what_was_queued(post: Post) -> None:
    post.chat("telegram:1", "vip")
    post.chat("telegram:2", "vip")
    post.trade()
    row = next(r for r in outbox.due_deliveries(post.store, "telegram:", post.clock.now()) if r["chat"] == "telegram:1")
    outbox.begin(post.store, row)
    outbox.undeliverable(post.store, row, "blocked: by the user", blocked=True)
    assert {each["status"] for each in post.rows("telegram:1")} == {"undeliverable"}
    assert {each["status"] for each in post.rows("telegram:2")} == {"queued"}
    assert (post.store["chats"].get(key="telegram:1") or {})["blocked"]


def test_one_row_that_is_refused_leaves_the_rest(post: Post) -> None:
    post.chat("telegram:1", "vip")
    post.trade()
    (row,) = outbox.due_deliveries(post.store, "telegram:", post.clock.now())
    outbox.undeliverable(post.store, row, "bad_request: too odd", blocked=False)
    (following,) = outbox.due_deliveries(post.store, "telegram:", post.clock.now())
    assert following["kind"] == "SignalEntered"


def test_saying_twice_is_saying_once(post: Post) -> None:
    for _ in range(2):
        with post.store.transaction() as tx:
            outbox.say(tx, "telegram:1", "hello", "k1", post.clock.now())
    assert len(post.rows("telegram:1")) == 1


def test_local_rooms_are_a_thread_in_order_without_repeats(post: Post) -> None:
    post.chat("local:vip", "vip")
    post.chat("local:operator", "operator", "user-a1")
    post.trade()
    now = post.clock.now()
    delivered = deliver_local(post.store, now)
    assert deliver_local(post.store, now) == 0
    for chat in ("local:vip", "local:operator"):
        first, *replies = messages_after(post.store, chat, 0)
        assert [each["number"] for each in (first, *replies)] == list(range(1, len(replies) + 2))
        assert first["reply_to"] is None
        assert {each["reply_to"] for each in replies} == {"1"}
        assert messages_after(post.store, chat, len(replies))[0]["number"] == len(replies) + 1
    total = sum(len(messages_after(post.store, chat, 0)) for chat in ("local:vip", "local:operator"))
    assert delivered == total


def test_replies_go_to_the_oldest_post_even_when_many_came_in_one_moment(post: Post) -> None:
    now = post.clock.now()
    with post.store.transaction() as tx:
        for number in range(8, 13):
            row = {"id": f"r{number}", "chat": "local:operator", "signal_id": "s1", "kind": "PlanMade", "text": "x"}
            outbox.delivered(tx, row, str(number), now)
    assert outbox.first_post(post.store, "local:operator", "s1") == "8"
    assert outbox.first_post(post.store, "local:other", "s1") is None
    assert outbox.first_post(post.store, "local:operator", None) is None


def test_a_post_is_remembered_by_what_readers_see_of_it(post: Post) -> None:
    row = {"id": "r", "chat": "telegram:-1001", "signal_id": "s1", "kind": "SignalReceived"}
    with post.store.transaction() as tx:
        outbox.delivered(tx, {**row, "text": "🟢 <b>BTCUSDT LONG</b>\nA &amp; B"}, "5", post.clock.now())
    kept = post.store["posts"].get(key="telegram:-1001/5") or {}
    assert kept["content_hash"] == content_hash("BTCUSDT LONG\nA & B")
    assert (kept["chat"], kept["message_id"], kept["first"]) == ("-1001", "5", True)


@pytest.mark.parametrize("rule", ["nothing_to_close", "nothing_to_protect", "unchanged"])
def test_a_request_refused_for_want_of_anything_to_do_is_no_news(post: Post, rule: str) -> None:
    from modules.domain.events import Event, EventKind
    from modules.journal import append

    post.chat("telegram:1", "user", "user-a1")
    for name in (rule, "max_order_value"):
        body = {"rule": name, "sentence": "Because.", "symbol": "BTCUSDT"}
        with post.store.transaction() as tx:
            append(tx, Event(EventKind.REQUEST_REFUSED, post.clock.now(), body, key=name, account_id="a1"))
    post.write()
    assert [row["text"] for row in post.rows("telegram:1")] == ["✋ BTCUSDT: Because."]
