"""The notifier: carries what was written for others out of the house, by mail and whatever else has a courier here.

A courier has a name, `turn(now)` (one bounded piece of work: take what is due from the store, carry it; whether there may be
more at once), `stop()` and `trouble()`. What it carries must be rows that were written with the deed they tell of, so that a
kill loses nothing. To add one: write the class in its room, and add it to `couriers` below. Couriers work side by side:
one that waits for a slow server, or fails, keeps no other from its work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from modules.accounts.expiry import Sweeper
from modules.accounts.mails import MailCourier
from modules.connections.mail import mail_sender
from modules.connections.push_sender import push_sender
from modules.connections.safe_http import SafeHttp, outbound_rules
from modules.connections.webhook_sender import WebhookSender
from modules.domain.errors import Misconfigured
from modules.notices.account_news import AccountNews
from modules.notices.personal import PersonalNotices
from modules.notices.push import PushCourier
from modules.notices.webhooks import WebhookCourier
from modules.runtime.logs import log
from modules.runtime.process import run
from modules.runtime.settings import kept_secret
from modules.wiring import Core, serve

_LONGEST_PAUSE_SECONDS = 60.0


class Courier(Protocol):
    """Carries one kind of thing."""

    name: str

    async def turn(self, now: datetime) -> bool: ...

    async def stop(self) -> None: ...

    def trouble(self) -> str: ...


def couriers(core: Core) -> list[Courier]:
    """Every courier of this installation."""
    store, settings, clock = core.store, core.settings, core.clock
    rules = outbound_rules(settings)
    root = kept_secret(settings, "secret_key")
    return [
        MailCourier(store, mail_sender(settings), settings.web_address),
        PersonalNotices(store),
        AccountNews(store),
        WebhookCourier(store, WebhookSender(SafeHttp(rules)), clock, root_secret=root),
        PushCourier(store, push_sender(settings, SafeHttp(rules)), clock),
        Sweeper(store),
    ]


class Notifier:
    """The process's worker: gives each courier its turns."""

    name = "notifier"

    def __init__(self, couriers: Sequence[Courier]) -> None:
        self.wake = asyncio.Event()
        self.couriers = list(couriers)
        self._turns: dict[str, asyncio.Task[bool]] = {}
        self._failures: dict[str, int] = {}
        self._rests_until: dict[str, datetime] = {}
        self._logger = log("notifier")

    async def start(self) -> None:
        """Says who works here."""
        self._logger.info("couriers at work", couriers=[each.name for each in self.couriers])

    async def turn(self, now: datetime) -> bool:
        """Begins a turn of every courier that is free; whether one of those that ended has more to do."""
        more = False
        for courier in self.couriers:
            ended = self._turns.get(courier.name)
            if ended is not None:
                if not ended.done():
                    continue
                more = self._outcome(courier, ended, now) or more
            if now >= self._rests_until.get(courier.name, now):
                task = asyncio.create_task(courier.turn(now), name=courier.name)
                task.add_done_callback(self._wake_for_more)
                self._turns[courier.name] = task
        await asyncio.sleep(0)
        return more

    async def stop(self) -> None:
        """Lets every courier finish what it carries."""
        await asyncio.gather(*self._turns.values(), return_exceptions=True)
        await asyncio.gather(*(courier.stop() for courier in self.couriers), return_exceptions=True)

    def status(self) -> tuple[str, str]:
        """Up; the detail says what fails."""
        told = [f"{each.name}: {each.trouble()}" for each in self.couriers if each.trouble()]
        failing = [f"{name} failed {count} times" for name, count in self._failures.items() if count]
        return "up", "; ".join(told + failing)[:300]

    def _outcome(self, courier: Courier, ended: asyncio.Task[bool], now: datetime) -> bool:
        del self._turns[courier.name]
        error = ended.exception()
        if error is None:
            self._failures[courier.name] = 0
            return ended.result()
        if isinstance(error, Misconfigured):
            raise error
        failures = self._failures[courier.name] = self._failures.get(courier.name, 0) + 1
        pause = timedelta(seconds=min(0.5 * 2.0 ** min(failures, 20), _LONGEST_PAUSE_SECONDS))
        self._rests_until[courier.name] = now + pause
        self._logger.error("courier failed", courier=courier.name, error=repr(error), in_a_row=failures, exc_info=error)
        return False

    def _wake_for_more(self, ended: asyncio.Task[bool]) -> None:
        if not ended.cancelled() and ended.exception() is None and ended.result():
            self.wake.set()


async def main(stopping: asyncio.Event) -> None:
    """The life of this process, behind those that trade: nobody waits for a mail as money waits for an order."""
    async with serve("notifier", behind=True) as place:
        await place.live(Notifier(couriers(place.core)), stopping, idle_seconds=0.5, gather_seconds=0.1)


if __name__ == "__main__":
    run(main)
