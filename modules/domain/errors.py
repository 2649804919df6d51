"""The one tree of errors, each named by the reaction it asks of whoever catches it.

    Trouble
    ├── InvalidInput     the caller must change what was sent (400/422)
    ├── NotFound         there is no such thing, or it belongs to somebody else (404)
    ├── NotSignedIn      it is not proven who the caller is (401)
    ├── NotAllowed       the caller may not do this (403), or their plan does not include it (402)
    ├── TooMany          asked too often; try again after the time it names (429)
    ├── Conflict         it clashes with what is already so (409)
    ├── Unavailable      try again later; it has certainly not happened (503, retried)
    ├── Halted           trading is stopped (423)
    ├── OutcomeUnknown   it may have happened: ask by id, never repeat blindly
    ├── Rejected         the other side said no for good
    └── Misconfigured    stop the process (exit 78) until somebody repairs the settings

An expected "no" is not an error but a value: see `Refused`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class Trouble(Exception):
    """Root of the project's errors; `code` is stable for programs, the message is for people."""

    code = "trouble"

    def __init__(self, message: str, *, code: str | None = None, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields: dict[str, str] = dict(fields or {})
        if code is not None:
            self.code = code


class InvalidInput(Trouble):
    code = "invalid_input"


class NotFound(Trouble):
    code = "not_found"


class NotAllowed(Trouble):
    code = "not_allowed"


class NotIncluded(NotAllowed):
    """The caller's plan does not include it (402)."""

    code = "not_included"


class NotSignedIn(Trouble):
    code = "not_signed_in"


class TooMany(Trouble):
    """Nothing happened; asking again makes sense after `retry_after_seconds`."""

    code = "too_many"

    def __init__(self, message: str, *, retry_after_seconds: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class Conflict(Trouble):
    code = "conflict"


class Unavailable(Trouble):
    """Nothing happened; `retry_after_seconds` is the other side's own hint, where it gave one."""

    code = "unavailable"

    def __init__(self, message: str, *, code: str | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class Halted(Trouble):
    """Trading is stopped for whoever asks; closing still works (423)."""

    code = "trading_halted"


class OutcomeUnknown(Trouble):
    code = "outcome_unknown"


class Rejected(Trouble):
    code = "rejected"


class Misconfigured(Trouble):
    """`problems` lists everything that is wrong at once."""

    code = "misconfigured"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Refused:
    """An expected no: which rule, its figure against its limit, and the sentence a person reads."""

    rule: str
    sentence: str
    figure: str | None = None
    limit: str | None = None
