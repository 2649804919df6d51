"""Commands for whoever runs the service: broadcast, sources, pause, health, stopping and resuming everybody."""

from __future__ import annotations

import re
from datetime import timedelta
from html import escape

from tinydb import where

from bots.chat import Answer, Call, Command, table_text
from bots.commands.account import stop
from modules.accounts.permissions import Verb
from modules.domain.errors import InvalidInput
from modules.domain.market import ms_from_utc
from modules.notices.broadcasts import send_to_groups
from modules.trading import safety
from modules.trading.safety import Scope, Stage
from modules.trading.safety_state import change

_DURATION = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


async def broadcast(call: Call) -> Answer:
    """Sends a text to the VIP and trial chats."""
    key = f"broadcast:{ms_from_utc(call.now)}"
    sent = send_to_groups(call.rooms.store, call.person.principal, call.text, key, now=call.now)
    return Answer(f"Queued for {sent.queued} chats.")


async def sources(call: Call) -> Answer:
    """Every source with what prices say of it."""
    found = call.rooms.views.sources()
    if not found:
        return Answer("No source has said anything yet.")
    rows = [("source", "signals", "won", "avg R")]
    rows += [
        (each["source"][:20], each["signals"], f"{each['won']}/{each['judged']}", each["average_r"] or "-")
        for each in found
    ]
    return Answer(table_text(rows))


async def health(call: Call) -> Answer:
    """Every process with its last work."""
    state = call.rooms.views.health(call.now, trading=call.rooms.settings.trading, feed=call.rooms.feed())
    rows = [("process", "state", "last work", "restarts")]
    for name, each in state["processes"].items():
        last = f"{each['last_work_seconds_ago']} s" if each["last_work_seconds_ago"] is not None else "?"
        rows.append((name, each["state"], last, each["restarts"]))
    return Answer(f"{state['status']}, prices {state['prices']}, trading {state['trading']}\n{table_text(rows)}")


async def pause(call: Call) -> Answer:
    """No new entries for a while, for everybody."""
    matched = _DURATION.fullmatch(call.word(0).lower())
    if matched is None:
        raise InvalidInput("Write a time, for example /pause 30m or /pause 2h.")
    duration, by = timedelta(**{_UNITS[matched[2]]: int(matched[1])}), call.person.user_id
    reason = " ".join(call.words[1:])
    state = change(
        call.rooms.store,
        Scope.GLOBAL,
        "",
        lambda current: safety.pause(current, by, call.now, duration=duration, reason=reason),
        call.now,
        who=call.person.principal,
    )
    until = f" until {state.until:%H:%M} UTC" if state.until else ""
    return Answer(f"Everybody is {state.stage.value}{until}: no new entries; open trades go on. /resumeall ends it.")


async def killall(call: Call) -> Answer:
    """Stops everybody."""
    stage = Stage.FLATTEN if call.word(0).lower() == "flatten" else Stage.REDUCING
    return stop(call, Scope.GLOBAL, "", stage)


async def resumeall(call: Call) -> Answer:
    """Lets everybody trade on."""
    by = call.person.user_id
    state = change(
        call.rooms.store,
        Scope.GLOBAL,
        "",
        lambda current: safety.resume(current, by, call.now),
        call.now,
        who=call.person.principal,
    )
    kill_file = call.rooms.settings.kill_file
    note = (
        f" The file {kill_file.name} still stops new entries: remove it or run `cli.py resume`."
        if kill_file.exists()
        else ""
    )
    return Answer(f"Everybody is {state.stage.value}.{note}")


def _flatten_question(call: Call) -> str | None:
    if call.word(0).lower() != "flatten":
        return None
    count = call.rooms.store["positions"].count(where("status") == "open")
    return f"Close all {count} open positions of EVERYBODY at the market?"


def _broadcast_question(call: Call) -> str:
    return "Send this to the VIP and trial chats?\n\n" + escape(call.text)


COMMANDS = (
    Command(
        "broadcast", "a text to the groups", "broadcast TEXT", Verb.BROADCAST, broadcast, 1, asks=_broadcast_question
    ),
    Command("sources", "sources and their true record", "sources", Verb.MANAGE_SOURCES, sources),
    Command(
        "pause", "no new entries for a while", "pause TIME [WHY]", Verb.STOP_ALL, pause, 1, example="pause 30m news"
    ),
    Command("health", "every process", "health", Verb.READ_SYSTEM, health),
    Command("killall", "stop everybody", "killall [flatten]", Verb.STOP_ALL, killall, asks=_flatten_question),
    Command("resumeall", "everybody trades on", "resumeall", Verb.STOP_ALL, resumeall),
)
