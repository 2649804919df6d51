"""Sends under way, one for each receiver: nobody waits for somebody else's slow server."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine


class Lanes:
    """At most `at_once` sends, at most one per receiver."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def busy(self) -> Collection[str]:
        """The receivers that something is being sent to."""
        return self._tasks.keys()

    @property
    def room(self) -> int:
        """How many more sends may begin."""
        return self._at_once - len(self._tasks)

    def begin(self, receiver: str, send: Coroutine[None, None, None]) -> None:
        """Starts a send to a receiver that is free."""
        self._tasks[receiver] = asyncio.create_task(send, name=f"send to {receiver}")

    def clear_ended(self) -> None:
        """Forgets what has ended; raises what ended it, which only a bug or the store can be."""
        for receiver in [each for each, task in self._tasks.items() if task.done()]:
            self._tasks.pop(receiver).result()

    async def finish(self, seconds: float = 3.0) -> None:
        """Lets what is under way end, for so long; what does not is cancelled."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
