"""Every command of the table: what it answers to good, missing and wrong words, who may, and what asks first."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bots.chat import Answer, Person, Rooms
from bots.commands import TABLE, analysis
from modules.domain.people import Role
from modules.domain.positions import PositionStatus
from modules.runtime.settings import Settings
from modules.trading.safety import Scope, Stage
from modules.trading.safety_state import state_of
from modules.views import Views
from tests.flows.world import ENTRY, World

SUBSCRIBERS = {
    *("status", "signals", "signal", "mute", "positions", "orders", "close", "autotrade", "risk", "settings"),
    *("balance", "pnl", "kill", "resume", *(each.name for each in analysis.COMMANDS)),
    *("strategies", "strategy", "backtest", "newstrategy", "indicators", "indicator"),
}
OPERATORS = {"broadcast", "sources", "pause", "health", "killall", "resumeall", "stats"}
CHIEFS = {"users", "grant", "revoke", "audit"}
ADA = Person("user-a1", "telegram:501", Role.SUBSCRIBER, "ada")
BOB = Person("user-b1", "telegram:502", Role.SUBSCRIBER, "bob")
BOSS = Person("operator", "local:operator", Role.OPERATOR)
CHIEF = Person("operator", "local:operator", Role.OWNER)
NOBODY = Person("tg-7", "telegram:7", None)


class Talk:
    """A chat over a world with two subscribers, one of whom may hold a position."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.world.account("a1")
        self.world.account("b1", autotrade=False)
        self.store, self.clock = self.world.store, self.world.clock
        settings = Settings(_env_file=None, data_dir=folder)
        views = Views(self.store, folder)
        intake = self.world.stage.intake
        self.rooms = Rooms(self.store, views, self.clock, self.world.stage.board, settings, intake)
        for person, kind in ((ADA, "user"), (BOB, "user"), (BOSS, "operator")):
            chat = {"id": person.chat_id, "kind": kind, "user_id": person.user_id, "muted": [], "muted_until": None}
            self.store["chats"].insert({**chat, "blocked": False})

    def say(self, text: str, person: Person = ADA) -> str:
        return self.ask(text, person).text

    def ask(self, text: str, person: Person = ADA) -> Answer:
        return asyncio.run(TABLE.handle(person, text, self.rooms))

    def trade(self) -> None:
        self.world.price("BTCUSDT", "60000")
        self.world.say(ENTRY)
        self.world.settle()
        assert self.world.position().status is PositionStatus.OPEN


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    made = Talk(tmp_path)
    yield made
    made.world.close()


@pytest.fixture
def trading(talk: Talk) -> Talk:
    talk.trade()
    return talk


def yes(answer: Answer) -> str:
    """The command behind the first button of a question."""
    assert answer.buttons[0][0].label == "Yes, do it", answer.text
    return answer.buttons[0][0].command


# ---- the table ------------------------------------------------------------------------------------------------------


def test_every_command_has_the_role_it_must_have() -> None:
    seen = {role: {each.name for each in TABLE.visible(role)} for role in (None, *Role)}
    everybody, subscribers = seen[None], seen[Role.SUBSCRIBER]
    assert everybody == {"start", "help", "link"}
    assert subscribers == everybody | SUBSCRIBERS
    assert seen[Role.OPERATOR] == subscribers | OPERATORS
    assert seen[Role.ADMIN] == seen[Role.OWNER] == seen[Role.OPERATOR] | CHIEFS


def test_every_command_says_what_it_does_and_how_it_is_written() -> None:
    names = [name for each in TABLE.commands for name in (each.name, *each.aliases)]
    assert len(names) == len(set(names))
    for each in TABLE.commands:
        assert each.help
        assert re.fullmatch(r"[a-z][a-z0-9]{0,31}", each.name)  # what Telegram accepts in its menu
        assert each.usage.split()[0] == each.name
        assert not each.example or each.example.split()[0] == each.name
        assert each.fewest == 0 or len(each.usage.split()) > 1


@pytest.mark.parametrize("name", sorted(SUBSCRIBERS | OPERATORS))
def test_who_may_not_use_a_command_does_not_learn_of_it(talk: Talk, name: str) -> None:
    person = ADA if name in OPERATORS else NOBODY
    told = talk.say(f"/{name} 1 2 3", person)
    assert told.startswith(f"There is no command /{name}.")
    assert not any(f"Did you mean /{each}?" in told for each in (OPERATORS if person is ADA else SUBSCRIBERS))
    assert f"/{name}" not in (talk.say("/help", person)).split()
    assert "There is no command" in talk.say(f"/help {name}", person)


@pytest.mark.parametrize("each", [c for c in TABLE.commands if c.fewest], ids=lambda c: c.name)
def test_missing_words_are_answered_with_how_it_is_written(talk: Talk, each) -> None:  # type: ignore[no-untyped-def]
    told = talk.say(f"/{each.name}", CHIEF)
    assert told.startswith(f"⚠️ Usage: /{each.usage.split()[0]}")
    assert not each.example or f"Example: /{each.example}" in told


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("/close BTCUSDT half", "percent"),
        ("/close BTCUSDT 0", "above 0 and at most 100"),
        ("/close BTCUSDT 101", "above 0 and at most 100"),
        ("/close BTCUSDT nan", "percent"),
        ("/close ETHUSDT", "/positions lists them"),
        ("/autotrade maybe", "/autotrade on or /autotrade off"),
        ("/risk much", "/risk 1.5"),
        ("/risk 0", "/risk 1.5"),
        ("/risk -1", "/risk 1.5"),
        ("/risk 1e9", "/risk 1.5"),
        ("/settings size", "name=value"),
        ("/settings sizee=2", "size"),
        ("/settings size=abc", "Example"),
        ("/pnl year", "/pnl week"),
        ("/signals old", "open"),
        ("/signal sig-none", "/signals lists them"),
        ("/mute everything", "risk"),
        ("/help clsoe", "There is no command /clsoe"),
        ("/clsoe BTCUSDT", "Did you mean /close?"),
        ("/", "/help"),
        ("", "/help"),
        ("   ", "/help"),
        ("/confirm", "Write the command again"),
        ("/confirm made-up", "Write the command again"),
    ],
)
def test_wrong_words_are_answered_with_what_to_do(trading: Talk, text: str, hint: str) -> None:
    before = trading.store.journal.last_seq()
    told = trading.say(text)
    assert hint in told, told
    assert trading.store.journal.last_seq() == before
    assert trading.store["confirmations"].all() == []


@pytest.mark.parametrize("text", ["/pause soon", "/pause 0m", "/pause 9999d"])
def test_a_pause_of_no_sensible_length_is_refused(talk: Talk, text: str) -> None:
    assert (talk.say(text, BOSS)).startswith("⚠️")
    assert state_of(talk.store, Scope.GLOBAL).stage is Stage.ACTIVE


def test_text_from_outside_never_becomes_markup(talk: Talk) -> None:
    for text in ("/<b>x", "/close <b>x</b>", "/signal <i>", "/help <u>", "/mute <s>", "/settings <b>=1"):
        told = talk.say(text)
        assert not re.search(r"<(b|i|u|s)>", told), told


# ---- what each does -------------------------------------------------------------------------------------------------


def test_start_help_and_status(talk: Talk) -> None:
    first = talk.ask("/start", NOBODY)
    assert first.text.startswith("Welcome.")
    assert talk.store["users"].contains(key="tg-7")
    assert (talk.say("/start", NOBODY)).startswith("Welcome back.")
    assert set(re.findall(r"^/(\w+) –", talk.say("/help"), re.MULTILINE)) == {"start", "help", "link"} | SUBSCRIBERS
    assert "/close BTCUSDT 50" in talk.say("/help /close")
    status = talk.say("/status")
    assert "service" in status
    assert "down" in status  # nothing runs in this test, and it says so


def test_signals_and_one_signal_with_its_picture(trading: Talk) -> None:
    assert "BTCUSDT" in trading.say("/signals")
    assert "BTCUSDT" in trading.say("/signals open")
    assert trading.say("/signals expired") == "There is no signal that is expired."
    shown = trading.ask("/signal btcusdt")
    assert "◻️ Target 1: 61000" in shown.text
    assert shown.picture is not None
    assert shown.picture.startswith(b"\x89PNG")
    trading.world.price("BTCUSDT", "61000")
    assert "✅ Target 1: 61000" in trading.say("/signal BTCUSDT")


def test_no_signals_yet_is_said(talk: Talk) -> None:
    assert talk.say("/signals") == "There are no signals yet."


def test_positions_orders_balance_and_pnl(trading: Talk) -> None:
    trading.world.price("BTCUSDT", "60500")
    shown = trading.ask("/positions")
    assert "BTCUSDT  LONG  60000" in shown.text
    assert [button.label for row in shown.buttons for button in row] == ["Close BTCUSDT LONG"]
    assert trading.say("/pos") == shown.text
    assert "stop sell" in trading.say("/orders")
    wallet, unrealised, equity = re.findall(r"([-\d,]+\.\d\d) USDT", trading.say("/balance"))
    assert float(wallet.replace(",", "")) + float(unrealised) == pytest.approx(float(equity.replace(",", "")), abs=0.02)
    assert float(unrealised) > 0
    assert re.search(r"closed trades +0", trading.say("/pnl"))
    trading.world.price("BTCUSDT", "61000", "62000", "63000")
    told = trading.say("/pnl week")
    assert re.search(r"closed trades +1", told)
    assert re.search(r"net +\+\d+", told)


def test_autotrade_risk_and_settings_are_kept(talk: Talk) -> None:
    assert "Autotrade is on" in talk.say("/autotrade")
    assert "open trades go on" in talk.say("/autotrade off")
    assert "Autotrade is off" in talk.say("/autotrade")
    assert re.search(r"size +2\.5", talk.say("/risk 2.5%"))
    assert re.search(r"size +2\.5", talk.say("/risk"))
    assert re.fullmatch(r"leverage_cap: \d+ → 7", talk.say("/settings leverage_cap=7"))
    assert talk.say("/settings leverage_cap=7") == "Nothing changed."
    assert re.search(r"leverage_cap +7", talk.say("/settings"))
    assert (talk.say("/settings leverage_cap=3 size=wrong")).startswith("⚠️")
    assert re.search(r"leverage_cap +7", talk.say("/settings"))  # all or nothing
    assert re.search(r"size +1\b", talk.say("/risk", BOB))  # nobody else's changed


def test_commands_on_an_account_that_is_not_there_lead_to_start(talk: Talk) -> None:
    stranger = Person("tg-9", "telegram:9", Role.SUBSCRIBER)
    for name in ("positions", "orders", "balance", "pnl", "risk", "settings", "autotrade", "kill flatten"):
        assert "/start makes a paper account" in talk.say(f"/{name}", stranger)
    assert "/start" in talk.say("/mute 8h", stranger)


def test_mute_by_kind_by_time_and_off(talk: Talk) -> None:
    def chat() -> dict[str, object]:
        return dict(talk.store["chats"].get(key=ADA.chat_id) or {})

    assert talk.say("/mute fill") == "Muted: fill. /mute off turns all on."
    assert talk.say("/mute target") == "Muted: fill, target. /mute off turns all on."
    assert "Quiet until 2025-10-15 20:00 UTC" in talk.say("/mute 8h")
    assert chat()["muted"] == ["fill", "target"]
    assert talk.say("/mute off") == "All notices are on."
    assert (chat()["muted"], chat()["muted_until"]) == ([], None)


# ---- money moves only after a question ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("/close BTCUSDT", ADA),
        ("/close BTCUSDT 25%", ADA),
        ("/kill flatten", ADA),
        ("/killall flatten", BOSS),
        ("/broadcast hello", BOSS),
    ],
)
def test_what_moves_money_or_reaches_everybody_asks_first_and_says_what_it_will_do(
    trading: Talk, text: str, person: Person
) -> None:
    before = trading.store.journal.last_seq()
    question = trading.ask(text, person)
    assert "?" in question.text
    assert [button.label for button in question.buttons[0]] == ["Yes, do it", "No"]
    assert trading.store.journal.last_seq() == before
    assert trading.store["order_requests"].search(lambda each: each["kind"] == "close") == []
    assert trading.store["deliveries"].all() == []


def test_a_part_is_closed_once_and_only_by_the_one_who_was_asked(trading: Talk) -> None:
    half = trading.world.position().quantity / 2
    question = yes(trading.ask("/close BTCUSDT 50"))
    assert "no longer open" in trading.say(question, BOB)
    assert "no longer open" in trading.say(question, BOSS)
    elsewhere = Person(ADA.user_id, "local:somewhere", Role.SUBSCRIBER)
    assert "no longer open" in trading.say(question, elsewhere)
    assert (trading.say(question)).startswith("Closing 50 % of BTCUSDT LONG")
    assert "no longer open" in trading.say(question)
    trading.world.settle()
    assert abs(trading.world.position().quantity - half) <= half / 100
    assert trading.world.position().status is PositionStatus.OPEN


def test_a_question_runs_out(trading: Talk) -> None:
    question = yes(trading.ask("/close BTCUSDT"))
    trading.clock.advance(timedelta(minutes=2, seconds=1).total_seconds())
    assert "no longer open" in trading.say(question)
    trading.world.settle()
    assert trading.world.position().status is PositionStatus.OPEN


def test_no_closes_the_question(trading: Talk) -> None:
    question = yes(trading.ask("/close BTCUSDT"))
    assert "Nothing was done." in trading.say(f"{question} no")
    assert "no longer open" in trading.say(question)


def test_a_question_answered_after_the_position_is_gone_does_nothing(trading: Talk) -> None:
    question = yes(trading.ask("/close BTCUSDT"))
    trading.world.price("BTCUSDT", "59000")
    assert "no open position BTCUSDT" in trading.say(question)


def test_a_role_that_was_taken_away_meanwhile_counts(trading: Talk) -> None:
    question = yes(trading.ask("/killall flatten", BOSS))
    demoted = Person(BOSS.user_id, BOSS.chat_id, Role.SUBSCRIBER)
    assert "There is no command /killall." in trading.say(question, demoted)
    assert state_of(trading.store, Scope.GLOBAL).stage is Stage.ACTIVE


def test_another_users_position_does_not_exist(trading: Talk) -> None:
    position = trading.world.position().id
    for wanted in ("BTCUSDT", position):
        assert f"no open position {wanted}" in trading.say(f"/close {wanted}", BOB)
    assert trading.say("/positions", BOB) == "Nothing is open."
    assert trading.say("/orders", BOB) == "No order is working."
    assert "Close all 0 open positions" in trading.say("/kill flatten", BOB)


def test_the_position_is_closed_by_its_id_too(trading: Talk) -> None:
    question = yes(trading.ask(f"/close {trading.world.position().id}"))
    assert (trading.say(question)).startswith("Closing BTCUSDT LONG")
    trading.world.settle()
    assert trading.world.position().close_reason == "user"


def test_kill_and_resume_concern_oneself_killall_everybody(trading: Talk) -> None:
    assert "Your trading is stopped (reducing)" in trading.say("/kill")
    assert state_of(trading.store, Scope.USER, ADA.user_id).stage is Stage.REDUCING
    assert state_of(trading.store, Scope.USER, BOB.user_id).stage is Stage.ACTIVE
    assert "Your trading is active" in trading.say("/resume had a coffee")
    assert "Everything is stopped" in trading.say("/killall", BOSS)
    assert "Everybody is active." in trading.say("/resumeall", BOSS)
    assert "Everybody is paused until 12:30 UTC" in trading.say("/pause 30m news", BOSS)


def test_flatten_closes_what_is_open_and_locks(trading: Talk) -> None:
    question = trading.ask("/kill flatten")
    assert "Close all 1 open positions" in question.text
    assert "being closed" in trading.say(yes(question))
    trading.world.settle()
    assert trading.world.position().status is PositionStatus.CLOSED
    trading.world.settle()
    assert state_of(trading.store, Scope.USER, ADA.user_id).stage is Stage.LOCKED


def test_sources_and_health_for_operators(trading: Talk) -> None:
    assert "test" in trading.say("/sources", BOSS)
    assert "trading paper" in trading.say("/health", BOSS)


def test_resumeall_says_when_the_kill_file_still_stops(talk: Talk) -> None:
    talk.rooms.settings.kill_file.write_text("reduce", encoding="utf-8")
    assert "cli.py resume" in talk.say("/resumeall", BOSS)


@pytest.mark.parametrize(("command", "person"), [("/kill flaten", ADA), ("/killall flaten", BOSS)])
def test_a_mistyped_word_behind_the_panic_button_stops_all_the_same_and_is_told(
    trading: Talk, command: str, person: Person
) -> None:
    text = trading.say(command, person)
    assert "stopped (reducing)" in text
    assert "“flaten” means nothing here" in text
    assert f"{command.split()[0]} flatten closes everything" in text
