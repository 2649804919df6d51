"""Signal charts drawn beside the process that posts them, behind everybody else: a picture costs more than its trades.

A child process draws one picture at a time (``python -m modules.notices.painter FD``); it starts with `start` or the first
picture and ends with its owner, however that one dies. A picture that can't be drawn is logged and left out: its post goes out.
"""

from __future__ import annotations

import os
import signal as signals
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from modules.analysis.candles import Candles
from modules.domain.signals import Signal
from modules.runtime.logs import log

_PATIENCE_SECONDS = 30.0
_BEHIND_EVERYBODY = 15


class Painter:
    """Draws for the threads of one process. Close it at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None
        self._log = log("painter")

    def start(self) -> None:
        """Starts the child ahead of the first picture: loading what draws takes seconds on a busy machine."""
        with self._lock:
            if self._line is None:
                self._start()

    def draw(self, signal: Signal, candles: Candles | None) -> bytes | None:
        """The signal's picture as PNG, or None where none could be drawn within half a minute."""
        with self._lock:
            try:
                line = self._line or self._start()
                line.send((signal, candles))
                if not line.poll(_PATIENCE_SECONDS):
                    raise TimeoutError(f"no picture within {_PATIENCE_SECONDS:.0f} s")
                drawn = line.recv()
            except (OSError, EOFError) as gone:
                self._end()
                drawn = gone
        if isinstance(drawn, bytes):
            return drawn
        self._log.error("a post goes without its picture", signal_id=signal.id, reason=repr(drawn))
        return None

    def close(self) -> None:
        """Ends the child, whatever it draws; the next picture would start another."""
        child = self._child
        if child is not None:
            child.kill()  # before the lock, which who waits for a picture holds
        with self._lock:
            self._end()

    def _start(self) -> Connection:
        self._line, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            self._child = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: S603 - ourselves
        return self._line

    def _end(self) -> None:
        line, child, self._line, self._child = self._line, self._child, None, None
        if line is not None:
            line.close()
        if child is not None:
            child.kill()
            child.wait()


def main(descriptor: int) -> None:
    """The child's life: draws what is sent to it, until its owner is gone."""
    for number in (signals.SIGINT, signals.SIGTERM):  # sent to all of the owner's group: the owner then closes the line
        signals.signal(number, signals.SIG_IGN)
    os.nice(_BEHIND_EVERYBODY)
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401 - loaded before the first picture is wanted

    from modules.notices.charts import signal_chart

    with Connection(descriptor) as line, suppress(EOFError, OSError):
        while True:
            signal, candles = line.recv()
            try:
                drawn: bytes | str = signal_chart(signal, candles)
            except Exception as error:  # noqa: BLE001 - the owner is told and posts without it
                drawn = repr(error)
            line.send(drawn)


if __name__ == "__main__":
    main(int(sys.argv[1]))
