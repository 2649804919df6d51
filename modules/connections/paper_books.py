"""The paper exchange's books: accounts, working orders, holdings and trades, in collections of their own.

They are stored, so that an executor that was killed finds here what a real exchange would remember; working orders and
holdings are also kept in memory, by symbol, for the next quote. Nothing is matched or refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tinydb import where

from database import Store, Transaction
from modules.domain.money import ZERO, plain
from modules.domain.orders import Fill, Order, OrderState, OrderType
from modules.domain.people import Account
from modules.domain.ports import Clock, OrderReport, QuoteBoard
from modules.domain.sides import Action, Side
from modules.records import from_document, to_document

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
    plan_id: str = ""
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


class PaperBooks:
    """The books of one executor's paper accounts. `working` and `held` are by symbol, then by id."""

    def __init__(self, store: Store, board: QuoteBoard, clock: Clock) -> None:
        self._store = store
        self._board = board
        self._clock = clock
        self.working: dict[str, dict[str, PaperOrder]] = {}
        self.held: dict[str, dict[str, PaperPosition]] = {}

    def recover(self) -> None:
        """Reads what works and what is held."""
        self.working.clear()
        self.held.clear()
        for document in self._store["paper_orders"].search(where("state").one_of(_WORKING)):
            self.keep(from_document(PaperOrder, document))
        for document in self._store["paper_positions"].all():
            self.hold(from_document(PaperPosition, document))

    def working_of(self, account_id: str) -> list[PaperOrder]:
        """Working orders of an account."""
        found = self._store["paper_orders"].search(
            (where("account_id") == account_id) & where("state").one_of(_WORKING)
        )
        return [from_document(PaperOrder, each) for each in found]

    def left_of_plan(self, tx: Transaction, order: PaperOrder) -> Decimal:
        """What the order's plan entered and has not closed: its orders don't reduce what others on the symbol hold."""
        found = tx["paper_orders"].search(where("plan_id") == order.plan_id)
        orders = [from_document(PaperOrder, each) for each in found]
        opening = order.position_side.opening
        return sum((each.filled if each.action is opening else -each.filled for each in orders), ZERO)

    def open_account(self, tx: Transaction, account: Account) -> None:
        """Gives an account its starting balance, once."""
        if not tx["paper_accounts"].contains(key=account.id):
            tx["paper_accounts"].insert({"id": account.id, "wallet": plain(account.starting_balance)})

    def wallet(self, reader: Store | Transaction, account: Account) -> Decimal:
        """Money without what open positions are worth."""
        document = reader["paper_accounts"].get(key=account.id)
        return Decimal(document["wallet"]) if document else account.starting_balance

    def pay(self, tx: Transaction, account_id: str, amount: Decimal) -> None:
        """Adds to the wallet (takes from it, below zero)."""
        document = tx["paper_accounts"].get(key=account_id) or {"wallet": "0"}
        tx["paper_accounts"].update({"wallet": plain(Decimal(document["wallet"]) + amount)}, key=account_id)

    def used_margin(self, reader: Store | Transaction, account_id: str) -> Decimal:
        """Margin of what is held, and what working entries reserve."""
        held = sum((each.margin for each in self.holdings(account_id)), ZERO)
        working = (where("account_id") == account_id) & where("state").one_of(_WORKING)
        entering = reader["paper_orders"].search(working & (where("reduce_only") == False))  # noqa: E712 - a query
        reserved = (
            each.remaining * (each.price or each.trigger_price or ZERO) / each.leverage
            for each in (from_document(PaperOrder, found) for found in entering)
        )
        return held + sum(reserved, ZERO)

    def unrealised(self, position: PaperPosition) -> Decimal:
        """What a holding has gained at the newest price; nothing where there is none."""
        quote = self._board.latest(position.symbol)
        price = quote.last if quote is not None else position.average_price
        return (price - position.average_price) * position.quantity * position.side.sign

    def holdings(self, account_id: str) -> list[PaperPosition]:
        """What an account holds."""
        found = self._store["paper_positions"].search(where("account_id") == account_id)
        positions = [from_document(PaperPosition, each) for each in found]
        return [each for each in positions if each.quantity > ZERO]

    def position(self, tx: Transaction, account_id: str, symbol: str, side: Side) -> PaperPosition | None:
        """The holding of one account, symbol and side, also an empty one."""
        document = tx["paper_positions"].get(key=f"{account_id}|{symbol}|{side.value}")
        return from_document(PaperPosition, document) if document else None

    def save_position(self, tx: Transaction, position: PaperPosition) -> None:
        """Stores a holding."""
        tx["paper_positions"].upsert(to_document(position))
        tx.after_commit(lambda: self.hold(position))

    def save(self, tx: Transaction, order: PaperOrder) -> PaperOrder:
        """Stores an order."""
        tx["paper_orders"].upsert(to_document(order))
        tx.after_commit(lambda: self.keep(order))
        return order

    def find(self, tx: Transaction, account: Account, order_id: str) -> PaperOrder | None:
        """An account's order by its client order id."""
        document = tx["paper_orders"].get(key=order_id)
        if document is None or document["account_id"] != account.id:
            return None
        return from_document(PaperOrder, document)

    def keep(self, order: PaperOrder) -> None:
        """Remembers a working order, forgets an ended one."""
        orders = self.working.setdefault(order.symbol, {})
        if order.state.final:
            orders.pop(order.id, None)
        else:
            orders[order.id] = order

    def hold(self, position: PaperPosition) -> None:
        """Remembers a holding, forgets an empty one."""
        held = self.held.setdefault(position.symbol, {})
        if position.quantity <= ZERO:
            held.pop(position.id, None)
        else:
            held[position.id] = position

    def report(self, order: PaperOrder) -> OrderReport:
        """What is told of an order: its state and all its trades."""
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


def paper_order(order: Order) -> PaperOrder:
    """An order as it is taken in."""
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
        plan_id=order.plan_id,
    )


def no_position(order: PaperOrder) -> PaperPosition:
    """Nothing held yet where this order would open something."""
    name = f"{order.account_id}|{order.symbol}|{order.position_side.value}"
    return PaperPosition(name, order.account_id, order.symbol, order.position_side, ZERO, ZERO, order.leverage)
