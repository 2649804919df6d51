"""Commands on open trades: positions, orders, close."""

from __future__ import annotations

from decimal import Decimal

from bots.chat import Answer, Button, Call, Command, table_text
from bots.commands.account import own_account
from modules.accounts.audit import record
from modules.accounts.permissions import Verb
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.market import ms_from_utc
from modules.domain.money import ONE, decimal_from, plain
from modules.trade_views import position_of
from modules.trading import manual
from modules.trading.requests import ask


async def positions(call: Call) -> Answer:
    """What is open, with what it makes."""
    account = own_account(call)
    found = call.rooms.views.positions(
        "open", accounts=[account.id], prices=call.rooms.prices_of(account.id), limit=50
    ).rows
    if not found:
        return Answer("Nothing is open.", ((Button("Signals", "/signals"),),))
    rows = [("symbol", "side", "entry", "result")]
    for each in found:
        made = f"{Decimal(each['unrealised_pnl']):+.2f}" if each["unrealised_pnl"] is not None else "no price"
        rows.append((each["symbol"], each["side"], each["average_price"], made))
    buttons = tuple((Button(f"Close {each['symbol']} {each['side']}", f"/close {each['id']}"),) for each in found[:8])
    return Answer(table_text(rows), buttons)


async def orders(call: Call) -> Answer:
    """Working orders."""
    account = own_account(call)
    found = call.rooms.views.orders("open", accounts=[account.id], limit=40).rows
    if not found:
        return Answer("No order is working.")
    rows = [("symbol", "what", "quantity", "price")]
    for each in found:
        price = each["trigger_price"] or each["price"] or "market"
        rows.append((each["symbol"], f"{each['role']} {each['action']}", each["quantity"], price))
    return Answer(table_text(rows))


async def close(call: Call) -> Answer:
    """Closes one position, or a part of it, at the market."""
    matches = _matching(call)
    if len(matches) > 1:
        buttons = tuple(
            (Button(f"{m['symbol']} {m['side']} {m['quantity']}", f"/close {m['id']} {call.word(1)}".strip()),)
            for m in matches
        )
        return Answer("Several positions fit. Which one?", buttons)
    (found,) = matches
    share = _share(call)
    position = position_of(call.rooms.store, found["id"], [found["account_id"]])
    request = manual.closing(position, str(ms_from_utc(call.now)), call.now, share=share)
    with call.rooms.store.transaction() as tx:
        ask(call.rooms.store, tx, [request])
        after = {"symbol": found["symbol"], "side": found["side"], "share": share}
        record(tx, call.person.principal, "position.close", f"position:{found['id']}", now=call.now, after=after)
    part = "" if share == ONE else f"{plain(share * 100)} % of "
    return Answer(f"Closing {part}{found['symbol']} {found['side']}. You will be told when it is filled.")


def _question(call: Call) -> str | None:
    matches = _matching(call)
    if len(matches) > 1:
        return None
    share = _share(call)
    part = "" if share == ONE else f"{plain(share * 100)} % of "
    found = matches[0]
    return f"Close {part}{found['symbol']} {found['side']} ({found['quantity']} bought at {found['average_price']}) at the market?"


def _matching(call: Call) -> list[dict[str, str]]:
    account, wanted = own_account(call), call.word(0)
    found = call.rooms.views.positions("open", accounts=[account.id], limit=500).rows
    matches = [each for each in found if wanted == each["id"]] or [
        each for each in found if wanted.upper() == each["symbol"]
    ]
    if not matches:
        raise NotFound(f"You have no open position {wanted}. /positions lists them.")
    return matches


def _share(call: Call) -> Decimal:
    text = call.word(1, "100").rstrip("%")
    percent = decimal_from(text, "percent")
    if not 0 < percent <= 100:
        raise InvalidInput("The part to close is above 0 and at most 100 percent.")
    return percent / 100


COMMANDS = (
    Command("positions", "what is open", "positions", Verb.READ_TRADES, positions, aliases=("pos",)),
    Command("orders", "orders that work", "orders", Verb.READ_TRADES, orders),
    Command(
        "close",
        "close a position, or a part",
        "close SYMBOL|ID [PERCENT]",
        Verb.TRADE,
        close,
        1,
        asks=_question,
        example="close BTCUSDT 50",
    ),
)
