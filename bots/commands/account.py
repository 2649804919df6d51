"""Commands on one's own account: autotrade, risk, settings, balance, profit and loss, kill and resume."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape

from bots.chat import Answer, Button, Call, Command, example, table_text
from modules.accounts.audit import record
from modules.accounts.permissions import Verb
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.money import plain
from modules.domain.people import Account
from modules.domain.plans import TradeSettings
from modules.records import to_document
from modules.trading import safety
from modules.trading.safety import Scope, Stage
from modules.trading.safety_state import change
from modules.trading.settings_edit import describe, edit

_PERIODS = {"day": 1, "week": 7, "month": 30}


def own_account(call: Call) -> Account:
    """The person's account. Raises NotFound before /start."""
    accounts = call.rooms.views.accounts_of(call.person.user_id)
    if not accounts:
        raise NotFound("You have no account yet. /start makes a paper account.")
    return accounts[0]


def save(call: Call, account: Account, settings: TradeSettings) -> None:
    """Stores an account's settings; what changed goes into the audit log."""
    if settings == account.settings:
        return
    before, after = changed_values(account.settings, settings)
    with call.rooms.store.transaction() as tx:
        tx["accounts"].update({"settings": to_document(settings)}, key=account.id)
        subject = f"account:{account.id}"
        record(tx, call.person.principal, "settings.change", subject, now=call.now, before=before, after=after)


def changed_values(before: TradeSettings, after: TradeSettings) -> tuple[dict[str, str], dict[str, str]]:
    """The settings that differ, in the words people write them, as they were and as they are."""
    old = {name: value for name, value, _ in describe(before)}
    new = {name: value for name, value, _ in describe(after)}
    names = [name for name, value in new.items() if old.get(name) != value]
    return {name: old.get(name, "") for name in names}, {name: new[name] for name in names}


async def autotrade(call: Call) -> Answer:
    """Switches automatic trading of signals."""
    account = own_account(call)
    wanted = call.word(0).lower()
    if wanted in ("on", "off"):
        save(call, account, edit(account.settings, {"autotrade": wanted}))
        told = "Signals are traded for you." if wanted == "on" else "New signals are not traded; open trades go on."
        return Answer(f"Autotrade is {wanted}. {told}")
    if wanted:
        raise InvalidInput("Write /autotrade on or /autotrade off.")
    now = "on" if account.settings.autotrade else "off"
    return Answer(f"Autotrade is {now}.", ((Button("On", "/autotrade on"), Button("Off", "/autotrade off")),))


async def risk(call: Call) -> Answer:
    """Shows or sets the percent risked per trade."""
    account = own_account(call)
    if call.words:
        with example("risk 1.5"):
            changed = edit(account.settings, {"risk": call.word(0).rstrip("%")})
        save(call, account, changed)
        account = own_account(call)
    settings, limits = account.settings, account.settings.limits
    rows = [
        ("sizing", settings.sizing.value),
        ("size", plain(settings.size)),
        ("leverage at most", plain(settings.leverage_cap)),
        ("open trades at most", limits.max_open_positions or "no limit"),
        ("daily loss at most", f"{limits.max_daily_loss_percent} %" if limits.max_daily_loss_percent else "no limit"),
    ]
    buttons = (tuple(Button(f"{each} %", f"/risk {each}") for each in ("0.5", "1", "2")),)
    return Answer(table_text(rows) + "\n/settings shows everything.", buttons)


async def settings(call: Call) -> Answer:
    """Shows or changes trade settings."""
    account = own_account(call)
    if not call.words:
        return Answer(
            table_text([(name, value) for name, value, _ in describe(account.settings)])
            + "\nChange one: /settings size=2"
        )
    with example("settings size=2 leverage_cap=10"):
        changed = edit(account.settings, _pairs(call.words))
    before = {name: value for name, value, _ in describe(account.settings)}
    save(call, account, changed)
    lines = [f"{name}: {before[name]} → {value}" for name, value, _ in describe(changed) if before[name] != value]
    return Answer(escape("\n".join(lines)) or "Nothing changed.")


async def balance(call: Call) -> Answer:
    """Money of the account."""
    account = own_account(call)
    money = call.rooms.views.balance(account, call.rooms.prices_of(account.id))
    rows = [(name, money[name]) for name in ("wallet", "unrealised", "equity")]
    text = table_text([(name, f"{Decimal(value):,.2f} {account.currency}") for name, value in rows])
    return Answer(f"{account.exchange} account\n{text}")


async def pnl(call: Call) -> Answer:
    """What closed trades made."""
    period = call.word(0, "day").lower()
    if period not in _PERIODS:
        raise InvalidInput("Write /pnl day, /pnl week or /pnl month.")
    account = own_account(call)
    midnight = datetime.combine(call.now.date(), datetime.min.time(), UTC)
    since = midnight - timedelta(days=_PERIODS[period] - 1)
    made = call.rooms.views.pnl(account.id, since)
    rows = [
        ("closed trades", made["trades"]),
        ("won", made["wins"]),
        ("net", f"{Decimal(made['net_pnl']):+,.2f} {account.currency}"),
        ("fees", f"{Decimal(made['fees']):,.2f}"),
    ]
    buttons = (tuple(Button(name.capitalize(), f"/pnl {name}") for name in _PERIODS),)
    return Answer(f"Since {since:%Y-%m-%d}\n{table_text(rows)}", buttons)


async def kill(call: Call) -> Answer:
    """Stops one's own trading."""
    stage = Stage.FLATTEN if call.word(0).lower() == "flatten" else Stage.REDUCING
    return stop(call, Scope.USER, call.person.user_id, stage)


async def resume(call: Call) -> Answer:
    """Trades on."""
    by = call.person.user_id
    state = change(
        call.rooms.store,
        Scope.USER,
        by,
        lambda current: safety.resume(current, by, call.now, reason=" ".join(call.words)),
        call.now,
        who=call.person.principal,
    )
    return Answer(f"Your trading is {state.stage.value}. The day's losses count from now.")


def stop(call: Call, scope: Scope, scope_id: str, stage: Stage) -> Answer:
    """Stops a scope and says what that means."""
    by = call.person.user_id
    state = change(
        call.rooms.store,
        scope,
        scope_id,
        lambda current: safety.kill(current, by, call.now, stage=stage),
        call.now,
        who=call.person.principal,
    )
    closing = (
        " Everything open is being closed." if stage is Stage.FLATTEN else " Open trades keep their stops and targets."
    )
    where = "Everything" if scope is Scope.GLOBAL else "Your trading"
    resume_by = "/resumeall" if scope is Scope.GLOBAL else "/resume"
    text = f"🛑 {where} is stopped ({state.stage.value}): no new entries.{closing} {resume_by} trades on."
    word = call.word(0)
    if stage is Stage.FLATTEN or not word:
        return Answer(text)
    # A panic button stops whatever is written behind it, and says what it did not take from that.
    command = "/killall flatten" if scope is Scope.GLOBAL else "/kill flatten"
    return Answer(
        f"{text}\n“{escape(word)}” means nothing here and nothing is being closed; {command} closes everything.",
        ((Button("Close everything", command),),),
    )


def _flatten_question(call: Call) -> str | None:
    if call.word(0).lower() != "flatten":
        return None
    account = own_account(call)
    rows = call.rooms.views.positions("open", accounts=[account.id], limit=500).rows
    return f"Close all {len(rows)} open positions at the market and cancel every waiting entry?"


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(f"{word} is not a setting: write name=value.")
        pairs[name] = value
    return pairs


COMMANDS = (
    Command(
        "autotrade",
        "trade signals for you, or not",
        "autotrade on|off",
        Verb.TRADE,
        autotrade,
        example="autotrade on",
    ),
    Command("risk", "percent risked per trade", "risk [PERCENT]", Verb.TRADE, risk, example="risk 1"),
    Command(
        "settings",
        "all trade settings",
        "settings [name=value ...]",
        Verb.TRADE,
        settings,
        example="settings leverage_cap=10",
    ),
    Command("balance", "your money", "balance", Verb.READ_TRADES, balance),
    Command("pnl", "profit and loss", "pnl [day|week|month]", Verb.READ_TRADES, pnl, example="pnl week"),
    Command(
        "kill",
        "stop your trading at once",
        "kill [flatten]",
        Verb.STOP_OWN,
        kill,
        asks=_flatten_question,
        example="kill flatten",
    ),
    Command("resume", "trade on", "resume [WHY]", Verb.STOP_OWN, resume),
)
