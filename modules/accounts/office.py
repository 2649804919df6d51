"""What every part of the accounts needs: the store, the clock, the settings, and the two makers of secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from database import Store
from modules.accounts.passwords import Passwords
from modules.accounts.tokens import Tokens
from modules.domain.ports import Clock
from modules.runtime.settings import Settings, kept_secret


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request came from: the address, what the program there calls itself, and the country if a proxy tells."""

    address: str = ""
    agent: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Office:
    """Shared by sign-in, registration, profile and the rest."""

    store: Store
    clock: Clock
    settings: Settings
    passwords: Passwords
    tokens: Tokens

    def now(self) -> datetime:
        """The time (UTC)."""
        return self.clock.now()


def open_office(store: Store, clock: Clock, settings: Settings, passwords: Passwords | None = None) -> Office:
    """The office of one process; the installation's secret is made on first use."""
    return Office(store, clock, settings, passwords or Passwords(), Tokens(kept_secret(settings, "secret_key")))


def shown(at: datetime) -> str:
    """A time as mails say it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
