"""The paper exchange: an `Exchange` like any other, whose fills come from real quotes and whose money is not real.

Its books are its own (collections `paper_*`) and stored, so that an executor that was killed finds here what a real
exchange would remember. They lie in the file of those who trade here: a power cut leaves both as of one moment, so nothing
waits for the disk. Orders fill from the current book side with slippage, resting orders when the market trades
through them, stops before limits within one quote; it refuses what an exchange would refuse, charges maker and taker
fees, holds isolated margin and liquidates. The same client order id twice is one order. Funding is not charged: no
source of funding rates is connected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from database import Store, StoreError, Transaction
from modules.connections.feeds.conflation import join_quotes, told_late
from modules.connections.paper_books import PaperBooks, PaperOrder, PaperPosition, no_position, paper_order
from modules.domain.errors import Rejected, Unavailable
from modules.domain.instruments import Instrument
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import ZERO, plain
from modules.domain.orders import Fill, Order, OrderState, OrderType
from modules.domain.people import Account, Balance
from modules.domain.ports import Clock, Instruments, OrderReport, QuoteBoard, VenuePosition
from modules.domain.sides import Action
from modules.records import from_document, to_document
from modules.trading import exits, fill_model
from modules.trading.fill_model import Execution, FillModel, Market


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
        self._books = PaperBooks(store, board, clock)
        self._missed: dict[str, Quote] = {}
        self._listeners: list[Callable[[str, OrderReport], None]] = []

    def recover(self) -> None:
        """Reads the books; must be called before the first quote."""
        self._books.recover()

    def subscribe(self, listener: Callable[[str, OrderReport], None]) -> None:
        """Every change the market causes is reported to `listener(account_id, report)`."""
        self._listeners.append(listener)

    # ---- the port -------------------------------------------------------------------------------------------------

    async def submit(self, account: Account, order: Order) -> OrderReport:
        """Takes an order. Raises Rejected as an exchange would."""
        known = self._store["paper_orders"].get(key=order.id)
        if known is not None:
            return self._books.report(from_document(PaperOrder, known))
        quote = self._fresh_quote(order)
        instrument = self._instrument(order.symbol, quote.last)
        with self._store.transaction() as tx:
            self._books.open_account(tx, account)
            self._accept(tx, account, order, instrument, quote)
            placed = paper_order(order)
            tx["paper_orders"].insert(to_document(placed))
            placed = self._on_arrival(tx, placed, Market(_rules_for(placed, instrument), quote, self._model))
            tx.after_commit(lambda: self._books.keep(placed))
        return self._books.report(placed)

    async def cancel(self, account: Account, order: Order) -> OrderReport:
        """Cancels what is left. An order that already ended is reported as it is; Rejected when it never was here."""
        with self._store.transaction() as tx:
            paper = self._books.find(tx, account, order.id)
            if paper is None:
                raise Rejected("no such order", code="unknown_order")
            if not paper.state.final:
                paper = self._books.save(tx, replace(paper, state=OrderState.CANCELLED, reason="cancelled"))
        return self._books.report(paper)

    async def fetch_order(self, account: Account, order: Order) -> OrderReport | None:
        """The order as it is here, or None when it never arrived."""
        with self._store.transaction() as tx:
            paper = self._books.find(tx, account, order.id)
        return self._books.report(paper) if paper else None

    async def open_orders(self, account: Account) -> Sequence[OrderReport]:
        """Working orders of the account."""
        return [self._books.report(each) for each in self._books.working_of(account.id)]

    async def positions(self, account: Account) -> Sequence[VenuePosition]:
        """Holdings of the account, netted per symbol and side."""
        return [
            VenuePosition(each.symbol, each.side, each.quantity, each.average_price)
            for each in self._books.holdings(account.id)
        ]

    async def balance(self, account: Account) -> Balance:
        """Money of the account; positions without a fresh price count at their average."""
        wallet = self._books.wallet(self._store, account)
        unrealised = sum((self._books.unrealised(each) for each in self._books.holdings(account.id)), ZERO)
        margin = self._books.used_margin(self._store, account.id)
        equity = wallet + unrealised
        return Balance(wallet=wallet, equity=equity, available=max(equity - margin, ZERO), margin=margin)

    def symbols(self) -> set[str]:
        """Symbols with something held or resting: their prices are needed."""
        return {symbol for each in (self._books.working, self._books.held) for symbol, found in each.items() if found}

    # ---- the market -----------------------------------------------------------------------------------------------

    def on_quote(self, quote: Quote) -> int:
        """Matches the working orders of the quote's symbol, stops first; returns how many orders changed.

        A quote that the store did not let it book counts with the next one: a stop that was touched is never missed.
        """
        missed = self._missed.pop(quote.symbol, None)
        quote = quote if missed is None else join_quotes(missed, quote)
        try:
            return self._match_all(quote)
        except StoreError:
            self._missed[quote.symbol] = told_late(quote, None)
            raise

    def _match_all(self, quote: Quote) -> int:
        orders = self._books.working.get(quote.symbol)
        due = [each for each in orders.values() if _may_fill(each, _seen_by(each, quote))] if orders else []
        doomed = [each for each in self._books.held.get(quote.symbol, {}).values() if self._is_liquidated(each, quote)]
        if not due and not doomed:
            return 0
        due.sort(key=lambda each: (not each.is_stop, each.created_at, each.id))
        reports: list[tuple[str, OrderReport]] = []
        with self._store.transaction() as tx:
            instrument = self._instrument(quote.symbol, quote.last)
            for order in due:
                rules = _rules_for(order, instrument)
                matched = self._match(tx, order, Market(rules, _seen_by(order, quote), self._model))
                if matched != order:
                    reports.append((order.account_id, self._books.report(matched)))
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
        working = [order for orders in self._books.working.values() for order in orders.values()]
        over = [order for order in working if order.expires_at is not None and order.expires_at <= now]
        for order in over:
            with self._store.transaction() as tx:
                ended = self._books.save(tx, replace(order, state=OrderState.EXPIRED, reason="expired"))
            for listener in self._listeners:
                listener(order.account_id, self._books.report(ended))
        return len(over)

    # ---- accepting ------------------------------------------------------------------------------------------------

    def _accept(self, tx: Transaction, account: Account, order: Order, instrument: Instrument, quote: Quote) -> None:
        """Raises Rejected for what an exchange would turn away."""
        refused = fill_model.simulated_rejection(order.id, self._model)
        if order.price is not None and order.type is OrderType.LIMIT and not order.reduce_only:
            refused = refused or fill_model.outside_band(order.price, Market(instrument, quote, self._model))
        if order.reduce_only:
            if self._allowed(tx, paper_order(order)) <= ZERO:
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
        unrealised = sum((self._books.unrealised(each) for each in self._books.holdings(account.id)), ZERO)
        free = self._books.wallet(tx, account) + unrealised - self._books.used_margin(tx, account.id)
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
            return self._books.save(tx, replace(order, state=OrderState.CANCELLED, reason="nothing left to reduce"))
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
        """What of the order may fill: a reduce-only order never takes more than is held, and than its own plan holds."""
        if not order.reduce_only:
            return order.remaining
        held = self._books.position(tx, order.account_id, order.symbol, order.position_side)
        most = min(order.remaining, held.quantity) if held else ZERO
        return max(min(most, self._books.left_of_plan(tx, order)), ZERO) if order.plan_id else most

    def _fill(self, tx: Transaction, order: PaperOrder, done: Execution | None) -> PaperOrder:
        if done is None or done.quantity <= ZERO:
            return self._books.save(tx, order)
        filled = order.filled + done.quantity
        state = OrderState.FILLED if filled == order.quantity else OrderState.PARTIALLY_FILLED
        after = self._books.save(tx, replace(order, filled=filled, fills=order.fills + 1, state=state))
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
        held = self._books.position(tx, order.account_id, order.symbol, order.position_side)
        if order.action is order.position_side.opening:
            held = held or no_position(order)
            quantity = held.quantity + trade.quantity
            cost = held.average_price * held.quantity + trade.price * trade.quantity
            after = replace(held, quantity=quantity, average_price=cost / quantity, leverage=order.leverage)
            gained = ZERO
        else:
            assert held is not None
            gained = (trade.price - held.average_price) * trade.quantity * held.side.sign
            after = replace(held, quantity=held.quantity - trade.quantity)
        self._books.save_position(tx, after)
        self._books.pay(tx, order.account_id, gained - trade.fee)

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
        position = self._books.position(tx, before.account_id, before.symbol, before.side)
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
        self._books.save_position(tx, replace(position, quantity=ZERO, liquidations=number))
        self._books.pay(tx, position.account_id, gained)
        return OrderReport(
            name, OrderState.FILLED, trade.at, filled=trade.quantity, fills=(trade,), reason="liquidated"
        )

    def _fresh_quote(self, order: Order) -> Quote:
        """A price to take the order at. Without one an entry is refused; what closes or protects waits for the price."""
        quote = self._board.latest(order.symbol)
        if quote is not None and quote.age_seconds(ms_from_utc(self._clock.now())) <= self._fresh_seconds:
            return quote
        sentence = f"there is no fresh price of {order.symbol}"
        if order.reduce_only:
            raise Unavailable(sentence, code="no_fresh_price")
        raise Rejected(sentence, code="no_fresh_price")

    def _instrument(self, symbol: str, price: Decimal) -> Instrument:
        instrument = self._instruments.find(symbol, reference_price=price)
        if instrument is None:
            raise Rejected(f"{symbol} is not listed", code="not_listed")
        return instrument


def _rules_for(order: PaperOrder, instrument: Instrument) -> Instrument:
    """The rules an order fills by: its lots are those it was taken in with.

    Assumed rules have larger lots once the price has fallen below a power of ten; what these cut off could never be closed.
    """
    if instrument.round_quantity(order.quantity) == order.quantity:
        return instrument
    return replace(instrument, lot_size=Decimal(1).scaleb(int(order.quantity.normalize().as_tuple().exponent)))


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
