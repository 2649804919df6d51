"""The paper exchange: an `Exchange` like any other, whose fills come from real quotes and whose money is not real.

Its books are its own (collections `paper_*`) and durable, so that an executor that was killed finds here what a real
exchange would remember. Orders fill from the current book side with slippage, resting orders when the market trades
through them, stops before limits within one quote; it refuses what an exchange would refuse, charges maker and taker
fees, holds isolated margin and liquidates. The same client order id twice is one order. Funding is not charged: no
source of funding rates is connected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from tinydb import where

from database import Store, Transaction
from modules.domain.errors import Rejected
from modules.domain.instruments import Instrument
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import ZERO, plain
from modules.domain.orders import Fill, Order, OrderState, OrderType
from modules.domain.people import Account, Balance
from modules.domain.ports import Clock, Instruments, OrderReport, QuoteBoard, VenuePosition
from modules.domain.sides import Action, Side
from modules.records import from_document, to_document
from modules.trading import exits, fill_model
from modules.trading.fill_model import Execution, FillModel, Market

_WORKING = [OrderState.OPEN.value, OrderState.PARTIALLY_FILLED.value]


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """An order as the paper exchange keeps it. `triggered` is set once a stop order became a market order."""

    id: str
    account_id: str
    symbol: str
    position_side: Side
    action: Action
    type: OrderType
    quantity: Decimal
    reduce_only: bool
    leverage: Decimal
    created_at: datetime
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    expires_at: datetime | None = None
    state: OrderState = OrderState.OPEN
    filled: Decimal = ZERO
    fills: int = 0
    triggered: bool = False
    reason: str | None = None

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def is_stop(self) -> bool:
        return self.type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT) and not self.triggered


@dataclass(frozen=True, slots=True)
class PaperPosition:
    """Netted holding of one account, symbol and side, with isolated margin."""

    id: str
    account_id: str
    symbol: str
    side: Side
    quantity: Decimal
    average_price: Decimal
    leverage: Decimal
    liquidations: int = 0

    @property
    def margin(self) -> Decimal:
        return self.quantity * self.average_price / self.leverage


class PaperExchange:
    """Paper accounts of one executor. Call `recover` once, then `on_quote` for every quote."""

    name = "paper"

    def __init__(
        self,
        store: Store,
        *,
        board: QuoteBoard,
        instruments: Instruments,
        clock: Clock,
        model: FillModel,
        fresh_seconds: float,
    ) -> None:
        self._store = store
        self._board = board
        self._instruments = instruments
        self._clock = clock
        self._model = model
        self._fresh_seconds = fresh_seconds
        self._working: dict[str, dict[str, PaperOrder]] = {}
        self._held: dict[str, dict[str, PaperPosition]] = {}
        self._listeners: list[Callable[[str, OrderReport], None]] = []

    def recover(self) -> None:
        """Reads the books; must be called before the first quote."""
        self._working.clear()
        self._held.clear()
        for document in self._store["paper_orders"].search(where("state").one_of(_WORKING)):
            self._keep(from_document(PaperOrder, document))
        for document in self._store["paper_positions"].all():
            self._hold(from_document(PaperPosition, document))

    def subscribe(self, listener: Callable[[str, OrderReport], None]) -> None:
        """Every change the market causes is reported to `listener(account_id, report)`."""
        self._listeners.append(listener)

    # ---- the port -------------------------------------------------------------------------------------------------

    async def submit(self, account: Account, order: Order) -> OrderReport:
        """Takes an order. Raises Rejected as an exchange would."""
        known = self._store["paper_orders"].get(key=order.id)
        if known is not None:
            return self._report(from_document(PaperOrder, known))
        quote = self._fresh_quote(order.symbol)
        instrument = self._instrument(order.symbol, quote.last)
        with self._store.transaction(durable=True) as tx:
            self._open_account(tx, account)
            self._accept(tx, account, order, instrument, quote)
            placed = _paper_order(order)
            tx["paper_orders"].insert(to_document(placed))
            placed = self._on_arrival(tx, placed, Market(instrument, quote, self._model))
            tx.after_commit(lambda: self._keep(placed))
        return self._report(placed)

    async def cancel(self, account: Account, order: Order) -> OrderReport:
        """Cancels what is left. An order that already ended is reported as it is; Rejected when it never was here."""
        with self._store.transaction() as tx:
            paper = self._of(tx, account, order.id)
            if paper is None:
                raise Rejected("no such order", code="unknown_order")
            if not paper.state.final:
                paper = self._save(tx, replace(paper, state=OrderState.CANCELLED, reason="cancelled"))
        return self._report(paper)

    async def fetch_order(self, account: Account, order: Order) -> OrderReport | None:
        """The order as it is here, or None when it never arrived."""
        with self._store.transaction() as tx:
            paper = self._of(tx, account, order.id)
        return self._report(paper) if paper else None

    async def open_orders(self, account: Account) -> Sequence[OrderReport]:
        """Working orders of the account."""
        found = self._store["paper_orders"].search(
            (where("account_id") == account.id) & where("state").one_of(_WORKING)
        )
        return [self._report(from_document(PaperOrder, each)) for each in found]

    async def positions(self, account: Account) -> Sequence[VenuePosition]:
        """Holdings of the account, netted per symbol and side."""
        return [
            VenuePosition(each.symbol, each.side, each.quantity, each.average_price)
            for each in self._holdings(account.id)
        ]

    async def balance(self, account: Account) -> Balance:
        """Money of the account; positions without a fresh price count at their average."""
        wallet = self._wallet(self._store, account)
        unrealised = sum((self._unrealised(each) for each in self._holdings(account.id)), ZERO)
        margin = self._used_margin(self._store, account.id)
        equity = wallet + unrealised
        return Balance(wallet=wallet, equity=equity, available=max(equity - margin, ZERO), margin=margin)

    def symbols(self) -> set[str]:
        """Symbols with something held or resting: their prices are needed."""
        return {symbol for each in (self._working, self._held) for symbol, found in each.items() if found}

    # ---- the market -----------------------------------------------------------------------------------------------

    def on_quote(self, quote: Quote) -> int:
        """Matches the working orders of the quote's symbol, stops first; returns how many orders changed."""
        orders = self._working.get(quote.symbol)
        due = [each for each in orders.values() if _may_fill(each, _seen_by(each, quote))] if orders else []
        doomed = [each for each in self._held.get(quote.symbol, {}).values() if self._is_liquidated(each, quote)]
        if not due and not doomed:
            return 0
        due.sort(key=lambda each: (not each.is_stop, each.created_at, each.id))
        reports: list[tuple[str, OrderReport]] = []
        with self._store.transaction(durable=True) as tx:
            instrument = self._instrument(quote.symbol, quote.last)
            for order in due:
                matched = self._match(tx, order, Market(instrument, _seen_by(order, quote), self._model))
                if matched != order:
                    reports.append((order.account_id, self._report(matched)))
            for position in doomed:
                report = self._liquidate(tx, position, quote)
                if report is not None:
                    reports.append((position.account_id, report))
        for account_id, report in reports:
            for listener in self._listeners:
                listener(account_id, report)
        return len(reports)

    def expire(self, now: datetime) -> int:
        """Ends working orders whose time is over; returns how many."""
        working = [order for orders in self._working.values() for order in orders.values()]
        over = [order for order in working if order.expires_at is not None and order.expires_at <= now]
        for order in over:
            with self._store.transaction() as tx:
                ended = self._save(tx, replace(order, state=OrderState.EXPIRED, reason="expired"))
            for listener in self._listeners:
                listener(order.account_id, self._report(ended))
        return len(over)

    # ---- accepting ------------------------------------------------------------------------------------------------

    def _accept(self, tx: Transaction, account: Account, order: Order, instrument: Instrument, quote: Quote) -> None:
        """Raises Rejected for what an exchange would turn away."""
        refused = fill_model.simulated_rejection(order.id, self._model)
        if order.price is not None and order.type is OrderType.LIMIT and not order.reduce_only:
            refused = refused or fill_model.outside_band(order.price, Market(instrument, quote, self._model))
        if order.reduce_only:
            held = self._position(tx, account.id, order.symbol, order.position_side)
            if held is None or held.quantity <= ZERO:
                raise Rejected("reduce-only order without a position", code="reduce_only")
        else:
            price = order.price or order.trigger_price or quote.ask
            refused = refused or instrument.refuse(order.quantity, price)
            if order.leverage > instrument.max_leverage:
                raise Rejected(f"leverage above {plain(instrument.max_leverage)}", code="leverage")
            self._check_margin(tx, account, order, price)
        if refused is not None:
            raise Rejected(refused.sentence, code=refused.rule)

    def _check_margin(self, tx: Transaction, account: Account, order: Order, price: Decimal) -> None:
        unrealised = sum((self._unrealised(each) for each in self._holdings(account.id)), ZERO)
        free = self._wallet(tx, account) + unrealised - self._used_margin(tx, account.id)
        needed = order.quantity * price / order.leverage
        if needed > free:
            raise Rejected(
                f"insufficient balance: {plain(round(needed, 2))} needed, {plain(round(free, 2))} free",
                code="insufficient_balance",
            )

    def _on_arrival(self, tx: Transaction, order: PaperOrder, market: Market) -> PaperOrder:
        if order.type is OrderType.MARKET:
            return self._fill(tx, order, fill_model.market_fill(order.action, self._allowed(tx, order), market))
        if order.type is OrderType.LIMIT and order.price is not None:
            quantity = self._allowed(tx, order)
            done = fill_model.limit_fill(order.action, order.price, quantity, market, arriving=True)
            return self._fill(tx, order, done)
        at_once = Quote.at_price(order.symbol, order.symbol, market.quote.time_ms, market.quote.last)
        return self._match(tx, order, replace(market, quote=at_once))

    # ---- matching -------------------------------------------------------------------------------------------------

    def _match(self, tx: Transaction, order: PaperOrder, market: Market) -> PaperOrder:
        quantity = self._allowed(tx, order)
        if quantity <= ZERO:
            return self._save(tx, replace(order, state=OrderState.CANCELLED, reason="nothing left to reduce"))
        if order.is_stop and order.trigger_price is not None:
            limit = order.price if order.type is OrderType.STOP_LIMIT else None
            outcome = fill_model.stop_fill(order.action, order.trigger_price, quantity, market, limit)
            if not outcome.triggered:
                return order
            return self._fill(tx, replace(order, triggered=True), outcome.execution)
        if order.price is not None and order.type is not OrderType.STOP_MARKET:
            return self._fill(tx, order, fill_model.limit_fill(order.action, order.price, quantity, market))
        return self._fill(tx, order, fill_model.market_fill(order.action, quantity, market))

    def _allowed(self, tx: Transaction, order: PaperOrder) -> Decimal:
        """What of the order may fill: a reduce-only order never takes more than is held."""
        if not order.reduce_only:
            return order.remaining
        held = self._position(tx, order.account_id, order.symbol, order.position_side)
        return min(order.remaining, held.quantity) if held else ZERO

    def _fill(self, tx: Transaction, order: PaperOrder, done: Execution | None) -> PaperOrder:
        if done is None or done.quantity <= ZERO:
            return self._save(tx, order)
        filled = order.filled + done.quantity
        state = OrderState.FILLED if filled == order.quantity else OrderState.PARTIALLY_FILLED
        after = self._save(tx, replace(order, filled=filled, fills=order.fills + 1, state=state))
        trade = Fill(
            id=f"paper-{order.id}-{after.fills}",
            client_order_id=order.id,
            account_id=order.account_id,
            symbol=order.symbol,
            action=order.action,
            price=done.price,
            quantity=done.quantity,
            fee=done.fee,
            at=self._clock.now(),
            maker=done.maker,
        )
        tx["paper_trades"].insert(to_document(trade))
        self._book(tx, after, trade)
        return after

    def _book(self, tx: Transaction, order: PaperOrder, trade: Fill) -> None:
        """The trade into the holding and the wallet."""
        held = self._position(tx, order.account_id, order.symbol, order.position_side)
        if order.action is order.position_side.opening:
            held = held or _no_position(order)
            quantity = held.quantity + trade.quantity
            cost = held.average_price * held.quantity + trade.price * trade.quantity
            after = replace(held, quantity=quantity, average_price=cost / quantity, leverage=order.leverage)
            gained = ZERO
        else:
            assert held is not None
            gained = (trade.price - held.average_price) * trade.quantity * held.side.sign
            after = replace(held, quantity=held.quantity - trade.quantity)
        self._save_position(tx, after)
        self._pay(tx, order.account_id, gained - trade.fee)

    # ---- liquidation ----------------------------------------------------------------------------------------------

    def _is_liquidated(self, position: PaperPosition, quote: Quote) -> bool:
        if position.quantity <= ZERO or position.leverage <= 1:
            return False
        rate = self._instrument(position.symbol, quote.last).maintenance_margin
        if rate >= 1 / position.leverage:
            return False
        level = fill_model.liquidation_price(position.side, position.average_price, position.leverage, rate)
        touched = exits.stop_fill(
            position.side.sign, float(level), float(quote.open), float(quote.high), float(quote.low)
        )
        return bool(touched > 0)

    def _liquidate(self, tx: Transaction, before: PaperPosition, quote: Quote) -> OrderReport | None:
        """Closes what is still held at the bankruptcy price: the loss is the margin."""
        position = self._position(tx, before.account_id, before.symbol, before.side)
        if position is None or position.quantity <= ZERO:
            return None
        price = fill_model.bankruptcy_price(position.side, position.average_price, position.leverage)
        number = position.liquidations + 1
        name = f"liquidation-{position.id}-{number}"
        trade = Fill(
            id=f"paper-{name}",
            client_order_id=name,
            account_id=position.account_id,
            symbol=position.symbol,
            action=position.side.closing,
            price=self._instrument(position.symbol, quote.last).round_price(price),
            quantity=position.quantity,
            fee=ZERO,
            at=self._clock.now(),
        )
        tx["paper_trades"].insert(to_document(trade))
        gained = (trade.price - position.average_price) * trade.quantity * position.side.sign
        self._save_position(tx, replace(position, quantity=ZERO, liquidations=number))
        self._pay(tx, position.account_id, gained)
        return OrderReport(
            name, OrderState.FILLED, trade.at, filled=trade.quantity, fills=(trade,), reason="liquidated"
        )

    # ---- the books ------------------------------------------------------------------------------------------------

    def _open_account(self, tx: Transaction, account: Account) -> None:
        if not tx["paper_accounts"].contains(key=account.id):
            tx["paper_accounts"].insert({"id": account.id, "wallet": plain(account.starting_balance)})

    def _wallet(self, reader: Store | Transaction, account: Account) -> Decimal:
        document = reader["paper_accounts"].get(key=account.id)
        return Decimal(document["wallet"]) if document else account.starting_balance

    def _pay(self, tx: Transaction, account_id: str, amount: Decimal) -> None:
        document = tx["paper_accounts"].get(key=account_id) or {"wallet": "0"}
        tx["paper_accounts"].update({"wallet": plain(Decimal(document["wallet"]) + amount)}, key=account_id)

    def _used_margin(self, reader: Store | Transaction, account_id: str) -> Decimal:
        held = sum((each.margin for each in self._holdings(account_id)), ZERO)
        entering = reader["paper_orders"].search((where("account_id") == account_id) & where("state").one_of(_WORKING))
        orders = (from_document(PaperOrder, each) for each in entering)
        reserved = (
            each.remaining * (each.price or each.trigger_price or ZERO) / each.leverage
            for each in orders
            if not each.reduce_only
        )
        return held + sum(reserved, ZERO)

    def _unrealised(self, position: PaperPosition) -> Decimal:
        quote = self._board.latest(position.symbol)
        price = quote.last if quote is not None else position.average_price
        return (price - position.average_price) * position.quantity * position.side.sign

    def _holdings(self, account_id: str) -> list[PaperPosition]:
        found = self._store["paper_positions"].search(where("account_id") == account_id)
        positions = [from_document(PaperPosition, each) for each in found]
        return [each for each in positions if each.quantity > ZERO]

    def _position(self, tx: Transaction, account_id: str, symbol: str, side: Side) -> PaperPosition | None:
        document = tx["paper_positions"].get(key=f"{account_id}|{symbol}|{side.value}")
        return from_document(PaperPosition, document) if document else None

    def _save_position(self, tx: Transaction, position: PaperPosition) -> None:
        tx["paper_positions"].upsert(to_document(position))
        tx.after_commit(lambda: self._hold(position))

    def _save(self, tx: Transaction, order: PaperOrder) -> PaperOrder:
        tx["paper_orders"].upsert(to_document(order))
        tx.after_commit(lambda: self._keep(order))
        return order

    def _of(self, tx: Transaction, account: Account, order_id: str) -> PaperOrder | None:
        document = tx["paper_orders"].get(key=order_id)
        if document is None or document["account_id"] != account.id:
            return None
        return from_document(PaperOrder, document)

    def _keep(self, order: PaperOrder) -> None:
        orders = self._working.setdefault(order.symbol, {})
        if order.state.final:
            orders.pop(order.id, None)
        else:
            orders[order.id] = order

    def _hold(self, position: PaperPosition) -> None:
        held = self._held.setdefault(position.symbol, {})
        if position.quantity <= ZERO:
            held.pop(position.id, None)
        else:
            held[position.id] = position

    def _report(self, order: PaperOrder) -> OrderReport:
        trades = (
            self._store["paper_trades"].search(where("client_order_id") == order.id, order_by="id")
            if order.fills
            else []
        )
        return OrderReport(
            order.id,
            order.state,
            self._clock.now(),
            exchange_order_id=f"paper-{order.id}",
            filled=order.filled,
            fills=tuple(from_document(Fill, each) for each in trades),
            reason=order.reason,
        )

    def _fresh_quote(self, symbol: str) -> Quote:
        quote = self._board.latest(symbol)
        if quote is None or quote.age_seconds(ms_from_utc(self._clock.now())) > self._fresh_seconds:
            raise Rejected(f"there is no fresh price of {symbol}", code="no_fresh_price")
        return quote

    def _instrument(self, symbol: str, price: Decimal) -> Instrument:
        instrument = self._instruments.find(symbol, reference_price=price)
        if instrument is None:
            raise Rejected(f"{symbol} is not listed", code="not_listed")
        return instrument


def _seen_by(order: PaperOrder, quote: Quote) -> Quote:
    """What the quote means for this order: a range that began before it was placed can't fill it."""
    return quote.seen_from(ms_from_utc(order.created_at))


def _may_fill(order: PaperOrder, quote: Quote) -> bool:
    """Whether this quote reaches the order's level at all; the fill model decides the rest."""
    if order.is_stop and order.trigger_price is not None:
        return quote.high >= order.trigger_price if order.action is Action.BUY else quote.low <= order.trigger_price
    if order.price is None or order.type is OrderType.STOP_MARKET:
        return True
    return quote.low <= order.price if order.action is Action.BUY else quote.high >= order.price


def _paper_order(order: Order) -> PaperOrder:
    return PaperOrder(
        id=order.id,
        account_id=order.account_id,
        symbol=order.symbol,
        position_side=order.position_side,
        action=order.action,
        type=order.type,
        quantity=order.quantity,
        reduce_only=order.reduce_only,
        leverage=order.leverage,
        created_at=order.created_at,
        price=order.price,
        trigger_price=order.trigger_price,
        expires_at=order.expires_at,
    )


def _no_position(order: PaperOrder) -> PaperPosition:
    name = f"{order.account_id}|{order.symbol}|{order.position_side.value}"
    return PaperPosition(name, order.account_id, order.symbol, order.position_side, ZERO, ZERO, order.leverage)
