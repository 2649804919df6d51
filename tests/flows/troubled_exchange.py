"""The paper exchange behind a bad line, for tests: calls that get no answer, before or after they took effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from modules.connections.paper_exchange import PaperExchange
from modules.domain.errors import Trouble
from modules.domain.orders import Order
from modules.domain.people import Account, Balance
from modules.domain.ports import OrderReport, VenuePosition


class TroubledExchange:
    """The paper exchange behind a bad line. `before` and `after` hold what a call raises before or after it took effect."""

    name = "paper"

    def __init__(self, paper: PaperExchange) -> None:
        self.paper = paper
        self.before: dict[str, list[Trouble | None]] = {}
        self.after: dict[str, list[Trouble | None]] = {}
        self.changed: Callable[[OrderReport], OrderReport] = lambda report: report
        self.submitted: list[Order] = []
        self.strangers: list[VenuePosition] = []

    def break_down(self, call: str, error: Trouble, *, times: int = 1, after: bool = False) -> None:
        (self.after if after else self.before).setdefault(call, []).extend([error] * times)

    async def _through(self, call: str, work: Callable[[], Any]) -> Any:
        self._raise(self.before, call)
        result = await work()
        self._raise(self.after, call)
        return result

    @staticmethod
    def _raise(plan: dict[str, list[Trouble | None]], call: str) -> None:
        if plan.get(call) and (error := plan[call].pop(0)) is not None:
            raise error

    async def submit(self, account: Account, order: Order) -> OrderReport:
        self.submitted.append(order)
        return self.changed(await self._through("submit", lambda: self.paper.submit(account, order)))

    async def cancel(self, account: Account, order: Order) -> OrderReport:
        return self.changed(await self._through("cancel", lambda: self.paper.cancel(account, order)))

    async def fetch_order(self, account: Account, order: Order) -> OrderReport | None:
        found: OrderReport | None = await self._through("fetch", lambda: self.paper.fetch_order(account, order))
        return found

    async def open_orders(self, account: Account) -> Sequence[OrderReport]:
        found: Sequence[OrderReport] = await self._through("open_orders", lambda: self.paper.open_orders(account))
        return found

    async def positions(self, account: Account) -> Sequence[VenuePosition]:
        found = await self._through("positions", lambda: self.paper.positions(account))
        return [*found, *self.strangers]

    async def balance(self, account: Account) -> Balance:
        found: Balance = await self._through("balance", lambda: self.paper.balance(account))
        return found

    def subscribe(self, listener: Callable[[str, OrderReport], None]) -> None:
        self.paper.subscribe(listener)
