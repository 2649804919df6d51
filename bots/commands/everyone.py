"""Commands that need no money: start, help, status, signals, mute."""

from __future__ import annotations

import re
from datetime import timedelta
from html import escape

from bots.chat import Answer, Button, Call, Command, Person, Rooms, table_text
from modules.accounts.first_start import paper_account
from modules.accounts.linking import bind
from modules.accounts.permissions import Verb, may
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.market import ms_from_utc
from modules.domain.plans import TradeSettings
from modules.domain.signals import Signal, SignalStatus
from modules.notices.charts import signal_chart
from modules.notices.outbox import NOTICE_KINDS
from modules.records import from_document, to_document

_DURATION = re.compile(r"(\d{1,4})([mhd])")
_SIGNAL_STATES = ("all", "open", *(status.value for status in SignalStatus))
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def enrol(person: Person, rooms: Rooms) -> bool:
    """Makes a first-time writer a subscriber with a paper account that trades nothing until told; True when new."""
    with rooms.store.transaction() as tx:
        now = rooms.clock.now()
        kind = "user" if person.role is None or not may(person.principal, Verb.READ_SYSTEM) else "operator"
        chat: dict[str, object] = {"id": person.chat_id, "kind": kind, "user_id": person.user_id, "muted": []}
        if not tx["chats"].contains(key=person.chat_id):
            tx["chats"].insert({**chat, "muted_until": None, "blocked": False})
        tx["chats"].update({"blocked": False}, key=person.chat_id)
        if tx["users"].contains(key=person.user_id):
            return False
        user = {"id": person.user_id, "email": None, "role": "subscriber", "created_at": ms_from_utc(now)}
        tx["users"].insert({**user, "name": person.name})
        account = to_document(paper_account(person.user_id, rooms.settings, now))
        account["settings"] = to_document(TradeSettings(autotrade=False))
        if tx["accounts"].contains(key=account["id"]):  # that one was handed over when this chat was linked
            account["id"] = f"{account['id']}-{ms_from_utc(now)}"
        tx["accounts"].insert(account)
        return True


async def start(call: Call) -> Answer:
    """Greets, and enrols whoever is new. With a code, as links from the dashboard carry it, links the chat."""
    if call.words:
        return await link(call)
    fresh = enrol(call.person, call.rooms)
    greeting = "Welcome." if fresh else "Welcome back."
    text = (
        f"{greeting} You have a paper account: signals can be traded for you with pretended money at real prices.\n"
        "/autotrade on – trade every signal\n/risk 1 – risk one percent per trade\n/help – everything else"
    )
    return Answer(text, ((Button("Autotrade on", "/autotrade on"), Button("Help", "/help")),))


async def link(call: Call) -> Answer:
    """Binds this Telegram account to the user who made the code."""
    kind, _, chat_id = call.person.chat_id.partition(":")
    if kind != "telegram":
        raise InvalidInput("A code links a Telegram account: write it to the bot there.")
    rooms, person = call.rooms, call.person
    bind(rooms.store, call.word(0), int(chat_id), person.chat_id, person.name, call.now)
    return Answer("This chat is linked to your account now. /status shows it; /help everything else.")


async def show_help(call: Call) -> Answer:
    """The commands this person may use."""
    from bots.commands import TABLE

    wanted = call.word(0).lstrip("/").lower()
    commands = TABLE.visible(call.person.role)
    if wanted:
        found = [each for each in commands if wanted in (each.name, *each.aliases)]
        if not found:
            raise NotFound(f"There is no command /{wanted}.")
        example = f"\nExample: <code>/{escape(found[0].example)}</code>" if found[0].example else ""
        return Answer(f"<b>/{escape(found[0].usage)}</b>\n{escape(found[0].help)}{example}")
    lines = [f"/{each.name} – {escape(each.help)}" for each in commands]
    return Answer("\n".join(lines) + "\n/help COMMAND tells more.")


async def status(call: Call) -> Answer:
    """What runs and what is open, in a few lines."""
    rooms = call.rooms
    accounts = {account.id for account in rooms.views.accounts_of(call.person.user_id)}
    health = rooms.views.health(call.now, trading=rooms.settings.trading, feed=rooms.feed())
    open_signals = len(rooms.views.signals("open", limit=500).rows)
    positions = len(rooms.views.positions("open", accounts=accounts, limit=500).rows)
    rows = [
        ("service", health["status"]),
        ("trading", health["trading"]),
        ("prices", health["prices"]),
        ("open signals", open_signals),
        ("your positions", positions),
    ]
    buttons = ((Button("Positions", "/positions"), Button("Signals", "/signals"), Button("Refresh", "/status")),)
    return Answer(table_text(rows), buttons)


async def signals(call: Call) -> Answer:
    """The newest signals."""
    which = call.word(0, "all").lower()
    if which not in _SIGNAL_STATES:
        raise InvalidInput(f"Write /signals alone or with one of: {', '.join(_SIGNAL_STATES)}.")
    found = call.rooms.views.signals(which, viewer=call.person.user_id, limit=10).rows
    if not found:
        return Answer("There are no signals yet." if which == "all" else f"There is no signal that is {which}.")
    rows = [("symbol", "side", "state", "result")]
    for each in found:
        state = f"{each['status']} {len(each['targets_hit'])}/{len(each['targets'])}"
        result = f"{each['return_percent']} %" if each["return_percent"] else ""
        rows.append((each["symbol"], each["side"], state, result))
    buttons = tuple((Button(f"{each['symbol']} {each['side']}", f"/signal {each['id']}"),) for each in found[:5])
    return Answer(table_text(rows), buttons)


async def signal(call: Call) -> Answer:
    """One signal with its chart."""
    wanted = call.word(0)
    row = call.rooms.views.signal(wanted, viewer=call.person.user_id)
    if row is None:
        newest = [
            each
            for each in call.rooms.views.signals("all", viewer=call.person.user_id, limit=100).rows
            if each["symbol"] == wanted.upper()
        ]
        row = call.rooms.views.signal(newest[0]["id"], viewer=call.person.user_id) if newest else None
    if row is None:
        raise NotFound(f"There is no signal {wanted}. /signals lists them.")
    hits = {each["number"] for each in row["targets_hit"]}
    lines = [f"<b>{row['symbol']} {row['side']}</b> from {escape(row['source'])}: {row['status']}"]
    lines.append(
        "Entry: "
        + (" – ".join(row["entries"]) or "market")
        + (f" (entered at {row['entry_price']})" if row["entry_price"] else "")
    )
    lines += [f"{'✅' if n in hits else '◻️'} Target {n}: {price}" for n, price in enumerate(row["targets"], start=1)]
    lines.append(f"Stop: {row['stop_loss'] or 'none'}")
    if row["return_percent"]:
        lines.append(f"Result: {row['return_percent']} %" + (f", {row['r_multiple']} R" if row["r_multiple"] else ""))
    if row["reason"]:
        lines.append(f"Why: {escape(row['reason'])}")
    lines += [f"✋ {escape(each['sentence'])}" for each in row["refusals"][:3]]
    document = call.rooms.store["signals"].get(key=row["id"])
    picture = signal_chart(from_document(Signal, document), call.rooms.candles(row["symbol"])) if document else None
    return Answer("\n".join(lines), picture=picture)


async def mute(call: Call) -> Answer:
    """Which notices this chat gets."""
    what = call.word(0).lower()
    chat = call.rooms.store["chats"].get(key=call.person.chat_id)
    if chat is None:
        raise NotFound("This chat gets no notices. /start begins.")
    if what == "off":
        call.rooms.store["chats"].update({"muted": [], "muted_until": None}, key=chat["id"])
        return Answer("All notices are on.")
    if matched := _DURATION.fullmatch(what):
        until = call.now + timedelta(**{_UNITS[matched[2]]: int(matched[1])})
        call.rooms.store["chats"].update({"muted_until": ms_from_utc(until)}, key=chat["id"])
        return Answer(f"Quiet until {until:%Y-%m-%d %H:%M} UTC, but for warnings. /mute off ends it.")
    if what not in NOTICE_KINDS:
        raise InvalidInput(f"Name what to mute: {', '.join(NOTICE_KINDS)}, a time such as 8h, or off.")
    muted = sorted({*chat["muted"], what})
    call.rooms.store["chats"].update({"muted": muted}, key=chat["id"])
    return Answer(f"Muted: {', '.join(muted)}. /mute off turns all on.")


COMMANDS = (
    Command("start", "begin, with a paper account", "start [CODE]", None, start),
    Command("link", "link this chat to your account, by a code from the dashboard", "link CODE", None, link, 1),
    Command("help", "what can be done", "help [COMMAND]", None, show_help, example="help close"),
    Command("status", "what runs and what is open", "status", Verb.READ_TRADES, status),
    Command(
        "signals", "the newest signals", "signals [open|closed]", Verb.READ_SIGNALS, signals, example="signals open"
    ),
    Command(
        "signal",
        "one signal with its chart",
        "signal ID|SYMBOL",
        Verb.READ_SIGNALS,
        signal,
        1,
        example="signal BTCUSDT",
    ),
    Command("mute", "which notices you get", "mute KIND|TIME|off", Verb.OWN_PROFILE, mute, 1, example="mute 8h"),
)
