"""One lane per account: everything that changes an account's orders runs through it, one thing at a time.

Lanes run side by side, so a slow account or exchange delays nobody else.
"""

from __future__ import annotations

import asyncio
from collections import deque

from database import Store
from modules.domain.people import Account
from modules.domain.ports import OrderReport
from modules.records import from_document
from modules.runtime.logs import log
from modules.trading.desk import Desk
from modules.trading.order_calls import SILENCE
from modules.trading.patience import Patience


class Lane:
    """The queue and the one task of an account."""

    def __init__(self, store: Store, desk: Desk, account_id: str) -> None:
        self._store = store
        self._desk = desk
        self._account_id = account_id
        self._reports: deque[OrderReport] = deque()
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self._reconcile = False
        self._patience = Patience()
        self.failure: Exception | None = None
        self._log = log("lane")

    def report(self, report: OrderReport) -> None:
        """The exchange told of a change; it will be settled in turn."""
        self._reports.append(report)

    @property
    def unfinished(self) -> bool:
        """Whether it stopped with work left: reports that aren't settled, a comparison or an order without an answer."""
        return bool(self._reports) or self._reconcile or self._desk.is_unsettled(self._account_id)

    def kick(self, *, reconcile: bool = False) -> None:
        """There may be work: requests, reports, or (with `reconcile`) a comparison with the exchange."""
        self._again = True
        self._reconcile = self._reconcile or reconcile
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain(), name=f"lane {self._account_id}")

    async def idle(self) -> None:
        """Returns once nothing is left to do, or the lane failed (`failure` says how)."""
        if self._task is not None:
            await self._task

    async def stop(self) -> None:
        """Ends the lane at its next await; what is unfinished is found again at the next start."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _drain(self) -> None:
        while self._again:
            self._again = False
            try:
                await self._work()
                self.failure = None
            except Exception as error:  # noqa: BLE001 - one account's trouble must not stop the others; the next turn retries
                self._log.error("lane failed", account_id=self._account_id, error=repr(error), exc_info=error)
                self.failure = error
                return

    async def _work(self) -> None:
        document = self._store["accounts"].get(key=self._account_id)
        if document is None:
            self._reports.clear()
            return
        account = from_document(Account, document)
        if self._reconcile:
            await self._compare(account)
        await self._settle_reports(account)
        await self._desk.revisit(account)
        if await self._desk.handle_pending(account):
            self._again = True

    async def _compare(self, account: Account) -> None:
        """An exchange that does not answer is compared with later; closing and protecting don't wait for that."""
        now = self._desk.clock.now()
        if not self._patience.is_due("reconcile", now):
            return
        try:
            await self._desk.reconcile(account)
        except SILENCE:
            self._patience.failed("reconcile", now)
        else:
            self._reconcile = False
            self._patience.done("reconcile")

    async def _settle_reports(self, account: Account) -> None:
        """All that was told is settled before anything follows from it: protection is made for what is then left."""
        while self._reports:
            concerned: dict[str, None] = {}
            while self._reports:
                concerned |= dict.fromkeys(await self._desk.take(account, self._reports[0]))
                self._reports.popleft()
            for plan_id in concerned:
                await self._desk.converge(account, plan_id)
