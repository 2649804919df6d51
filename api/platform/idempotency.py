"""Repeats: one `Idempotency-Key` of one person is answered once, and the same answer is given again for a day.

The key also makes the ids of what is asked for, so a repeat is harmless even where a kill came between doing and noting.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from flask import Flask, Response, g, request
from tinydb import where

from api.gate import current
from database import Store, StoreError
from modules.domain.errors import Conflict, InvalidInput
from modules.domain.market import ms_from_utc
from modules.domain.ports import Clock
from modules.runtime.logs import log

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
_CLEAN_EVERY = timedelta(minutes=10)
#: Whoever answers for longer than this has given up.
_LONGEST_ANSWER_MS = 60_000
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_View = TypeVar("_View", bound=Callable[..., Any])


def answered_once(view: _View) -> _View:
    """Declares that a route takes an `Idempotency-Key` (put it directly above `needs`)."""
    view.answered_once = True  # type: ignore[attr-defined]
    return view


def request_key() -> str:
    """What makes this request's doings unique: the client's key, or one of its own where the client gave none."""
    if "doing_key" not in g:
        given = request.headers.get(HEADER)
        told = f"{request.method} {request.path}\n{given}"
        g.doing_key = hashlib.sha256(told.encode()).hexdigest()[:24] if given else secrets.token_hex(12)
    return str(g.doing_key)


class _Book:
    """The keys that were used, in the store. `boot` tells this process from one that died amid an answer."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._boot = secrets.token_hex(8)
        self._cleaned: datetime | None = None

    def begin(self, key_id: str, asked: str) -> dict[str, Any] | None:
        """The answer given before, or None: then this request is the one to answer. Raises Conflict."""
        now = self._clock.now()
        self._clean(now)
        fresh = {"id": key_id, "asked": asked, "boot": self._boot, "status": None, "body": None, "at": ms_from_utc(now)}
        with self._store.transaction() as tx:
            known = tx["idempotency_keys"].get(key=key_id)
            if known is None or ms_from_utc(now) - known["at"] >= KEPT / timedelta(milliseconds=1):
                tx["idempotency_keys"].replace(fresh)
                return None
            if known["asked"] != asked:
                raise Conflict("This Idempotency-Key was used for another request.", code="idempotency_key_reused")
            if known["status"] is not None:
                return known
            if known["boot"] == self._boot and ms_from_utc(now) - known["at"] < _LONGEST_ANSWER_MS:
                raise Conflict("The first request with this key is still being answered.", code="still_answering")
            tx["idempotency_keys"].replace(fresh)  # whoever began it is gone: what was done is known by its derived id
            return None

    def end(self, key_id: str, response: Response) -> None:
        """Keeps a yes; a no did nothing and may be asked again."""
        if 200 <= response.status_code < 300:
            given = {"status": response.status_code, "body": response.get_data(as_text=True)}
            self._store["idempotency_keys"].update(given, key=key_id)
        else:
            self._store["idempotency_keys"].remove(key=key_id)

    def _clean(self, now: datetime) -> None:
        if self._cleaned is not None and now - self._cleaned < _CLEAN_EVERY:
            return
        self._cleaned = now
        self._store["idempotency_keys"].remove(where("at") < ms_from_utc(now - KEPT))


def install(app: Flask, store: Store, clock: Clock) -> None:
    """Answers repeats; to be installed after the gate, for a key is one person's."""
    book = _Book(store, clock)

    @app.before_request
    def known_answer() -> Response | None:
        """The first answer under this key, where there was one. Raises InvalidInput for a key that is none."""
        view = app.view_functions.get(request.endpoint or "")
        given = request.headers.get(HEADER)
        if given is None or not getattr(view, "answered_once", False):
            return None
        if not _KEY.fullmatch(given):
            raise InvalidInput(f"{HEADER}: 1 to 200 visible characters", fields={HEADER: "1 to 200 visible characters"})
        key_id = hashlib.sha256(f"{current().user_id}\n{given}".encode()).hexdigest()
        known = book.begin(key_id, _asked())
        if known is None:
            g.idempotency_key_id = key_id
            return None
        repeated = Response(known["body"], known["status"], mimetype="application/json")
        repeated.headers["Idempotency-Replayed"] = "true"
        return repeated

    @app.after_request
    def keep_answer(response: Response) -> Response:
        """Keeps the answer for whoever asks again under its key."""
        key_id = g.pop("idempotency_key_id", None)
        if key_id is not None:
            try:
                book.end(key_id, response)
            except StoreError as error:  # it was done all the same, and asking again finds it by its derived id
                log("api").error("an answer was not kept", error=repr(error))
        return response


def _asked() -> str:
    """A hash of what is asked: method, path, and the body whatever the order of its names."""
    body = request.get_json(silent=True)
    text = json.dumps(body, sort_keys=True) if body is not None else request.get_data(as_text=True)
    told = f"{request.method} {request.full_path}\n{text}"
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
