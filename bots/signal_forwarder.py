"""The forwarder: brings in what channels post, through a read-only user session, and what lies in the watched folder.

Without a session it says once what it lacks and watches the folder. With one it is the session's only user, by lease.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime

from bots.watched_folder import WatchedFolder
from modules.domain.errors import InvalidInput
from modules.domain.signals import SourceMessage
from modules.leaseholder import LeaseHolder
from modules.runtime.logs import log
from modules.runtime.process import run
from modules.signals.intake import Intake
from modules.wiring import Core, make_intake, serve


class Forwarder:
    """The process's worker."""

    name = "forwarder"

    def __init__(self, core: Core, intake: Intake) -> None:
        self.wake = asyncio.Event()
        self._folder = WatchedFolder(core.settings.data_dir / "inbox", intake)
        self._log = log("forwarder")
        self._session = TelegramSession(core, intake) if core.settings.telegram_session.get_secret_value() else None

    async def start(self) -> None:
        """Says once what is missing."""
        if self._session is None:
            self._log.info(
                "no TELEGRAM_SESSION: channels are not read; the watched folder, HTTP and the local chat are open"
            )

    async def turn(self, now: datetime) -> bool:
        """Looks into the folder and keeps the session alive."""
        taken = self._folder.turn(now)
        if self._session is not None:
            self._session.turn(now)
        return taken > 0

    async def stop(self) -> None:
        """Ends the session."""
        if self._session is not None:
            await self._session.stop()

    def status(self) -> tuple[str, str]:
        """Up; the detail proves message flow, or says what is missing."""
        if self._session is None:
            return "up", "watched folder only: no TELEGRAM_SESSION"
        return self._session.status()


class TelegramSession:
    """The user session's reader, run while the lease is held."""

    def __init__(self, core: Core, intake: Intake) -> None:
        # The library behind the reader takes seconds to load; without a session nobody should wait for it.
        from modules.connections.telegram_reader import ChannelReader, ReaderHooks, UserAccount

        settings = core.settings
        self._core = core
        self._intake = intake
        session = settings.telegram_session.get_secret_value()
        digest = hashlib.sha256(session.encode()).hexdigest()[:16]
        self._state_key = f"reader:{digest}"
        self._lease = LeaseHolder(core.store, f"session:{digest}")
        account = UserAccount(settings.telegram_api_id, settings.telegram_api_hash.get_secret_value(), session)
        hooks = ReaderHooks(self._load, self._save, self._on_message, is_own=self._is_own)
        self._reader = ChannelReader(account, settings.telegram_channels, hooks, clock=core.clock)
        self._running: asyncio.Task[None] | None = None
        self._waiting = ""
        self._log = log("forwarder")

    def turn(self, now: datetime) -> None:
        """Starts the reader once the lease is ours; raises what ended it, so that the process stops or starts again."""
        if not self._lease.hold(now):
            if self._running is not None:
                raise SystemExit("the session's lease was lost")
            self._waiting = f"the session is used by {self._lease.owner(now)}"
            return
        self._waiting = ""
        if self._running is None:
            self._running = asyncio.create_task(self._reader.run(), name="telegram reader")
        elif self._running.done():
            ended, self._running = self._running, None
            ended.result()

    async def stop(self) -> None:
        """Hangs up and gives the lease back."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._lease.release()

    def status(self) -> tuple[str, str]:
        """Whether messages flow."""
        if self._waiting:
            return "waiting", self._waiting
        status = self._reader.status()
        if status.flood_wait_until is not None:
            return "waiting", f"Telegram asks to wait until {status.flood_wait_until:%H:%M:%S} UTC"
        if not status.connected:
            return "waiting", "connecting to Telegram"
        problems = "; ".join(f"{name}: {why}" for name, why in status.problems.items())
        age = status.last_update_age_seconds
        heard = f"last update {age:.0f} s ago" if age is not None else "no update yet"
        return "up", f"{len(status.channels)} channels, {heard}" + (f"; {problems}" if problems else "")

    async def _on_message(self, message: SourceMessage) -> None:
        try:
            taken = self._intake.take(message)
        except InvalidInput as wrong:
            self._log.info(
                "post not taken in", source=message.source, message_id=message.message_id, reason=wrong.message
            )
            return
        self._log.info(
            "post", source=message.source, message_id=message.message_id, kind=taken.kind.value, accepted=taken.accepted
        )

    def _is_own(self, chat_id: int, message_id: int, _sender: int | None) -> bool:
        return self._core.store["posts"].contains(key=f"telegram:{chat_id}/{message_id}")

    def _load(self) -> dict[str, object]:
        document = self._core.store["reader_states"].get(key=self._state_key)
        return dict(document["state"]) if document else {}

    def _save(self, state: dict[str, object]) -> None:
        self._core.store["reader_states"].upsert({"id": self._state_key, "state": state})


async def main(stopping: asyncio.Event) -> None:
    """The life of this process."""
    async with serve("forwarder") as place:
        await place.live(Forwarder(place.core, make_intake(place.core)), stopping, doorbell=False)


if __name__ == "__main__":
    run(main)
