"""Every user's strategies and indicators. Each change keeps the version before it; what is somebody else's is not found.

A strategy carries the indicators it names as they were when it was saved, so that a version always means the same. Every
change is written to the audit log in the transaction that makes it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tinydb import where

from database import Store, Transaction
from modules.accounts.audit import record
from modules.accounts.listing import page
from modules.domain.errors import Conflict, InvalidInput, NotFound
from modules.domain.people import Principal
from modules.records import from_document, to_document
from modules.strategies.builtin import builtin_document
from modules.strategies.checking import Complaints, mapping, only, text
from modules.strategies.documents import long_form, read_strategy, version_of, write_strategy
from modules.strategies.formulas import read_indicator, write_indicator
from modules.strategies.language import CustomIndicator, Strategy
from modules.strategies.orders import untradable

MOST_STRATEGIES: Final = 100
MOST_ENABLED: Final = 20
MOST_INDICATORS: Final = 100
MOST_VERSIONS: Final = 200
_BUILTIN: Final = "builtin"


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks for a change, when, and from which address."""

    principal: Principal
    now: datetime
    origin: str = ""

    @property
    def user_id(self) -> str:
        """Whose things are meant."""
        return self.principal.user_id


@dataclass(frozen=True, slots=True)
class KeptStrategy:
    """A strategy of a user. `document` is as it was written, `whole` its long form with the indicators in it.

    `account_id` is the account it trades for while it is `enabled`; None is the user's first paper account.
    """

    id: str
    user_id: str
    name: str
    version: str
    number: int
    document: dict[str, Any]
    whole: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    enabled: bool = False
    enabled_at: datetime | None = None
    account_id: str | None = None

    def strategy(self) -> Strategy:
        """The strategy itself."""
        return read_strategy(self.whole)


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """One state of a strategy's document, by the hash of what it means."""

    id: str
    strategy_id: str
    user_id: str
    version: str
    number: int
    document: dict[str, Any]
    whole: dict[str, Any]
    made_at: datetime


@dataclass(frozen=True, slots=True)
class KeptIndicator:
    """An indicator of a user, as it was written."""

    id: str
    user_id: str
    name: str
    document: dict[str, Any]
    created_at: datetime


class StrategyBook:
    """The book over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ---- reading ------------------------------------------------------------------------------------------------------

    def get(self, user_id: str, strategy_id: str) -> KeptStrategy:
        """One strategy of that user. Raises NotFound for anybody else's."""
        return _mine(self._store["strategies"].get(key=strategy_id), user_id)

    def strategies(
        self, user_id: str, *, limit: int, cursor: str | None = None
    ) -> tuple[list[KeptStrategy], str | None]:
        """A user's strategies, newest first, and the cursor of the next page."""
        mine = where("user_id") == user_id
        found, following = page(
            self._store["strategies"], mine, order_by="created_at", limit=limit, cursor=self._own(cursor, user_id)
        )
        return [from_document(KeptStrategy, each) for each in found], following

    def _own(self, cursor: str | None, user_id: str) -> str | None:
        """Raises InvalidInput for a cursor into somebody else's list."""
        kept = None if cursor is None else self._store["strategies"].get(key=cursor)
        if cursor is not None and (kept is None or kept["user_id"] != user_id):
            raise InvalidInput("the cursor is not one that this list gave", fields={"cursor": "unknown"})
        return cursor

    def enabled(self) -> list[KeptStrategy]:
        """Every strategy that is switched on, whoever's it is."""
        return [
            from_document(KeptStrategy, each)
            for each in self._store["strategies"].search(where("enabled").one_of([True]))
        ]

    def versions(self, user_id: str, strategy_id: str) -> list[KeptVersion]:
        """The versions of a strategy, newest first."""
        self.get(user_id, strategy_id)
        mine = where("strategy_id") == strategy_id
        found = self._store["strategy_versions"].search(mine, order_by="made_at", descending=True)
        return [from_document(KeptVersion, each) for each in found]

    def version(self, user_id: str, strategy_id: str, version: str) -> KeptVersion:
        """One version by its hash. Raises NotFound."""
        for each in self.versions(user_id, strategy_id):
            if each.version == version:
                return each
        raise NotFound("There is no such version of this strategy.")

    def indicators(
        self, user_id: str, *, limit: int = MOST_INDICATORS, cursor: str | None = None
    ) -> tuple[list[KeptIndicator], str | None]:
        """A user's indicators, newest first, and the cursor of the next page."""
        kept = None if cursor is None else self._store["indicators"].get(key=cursor)
        if cursor is not None and (kept is None or kept["user_id"] != user_id):
            raise InvalidInput("the cursor is not one that this list gave", fields={"cursor": "unknown"})
        mine = where("user_id") == user_id
        found, following = page(self._store["indicators"], mine, order_by="created_at", limit=limit, cursor=cursor)
        return [from_document(KeptIndicator, each) for each in found], following

    def named_indicators(self, user_id: str) -> dict[str, CustomIndicator]:
        """What a user's strategies may name."""
        return {each.name: read_indicator(each.document) for each in self.indicators(user_id)[0]}

    def read(self, user_id: str, document: Mapping[str, Any]) -> tuple[dict[str, Any], Strategy]:
        """A document that somebody wrote, or a `builtin` with its `parameters` written out, and the strategy it says.

        Raises InvalidInput with every mistake by its place.
        """
        written = _from_builtin(document) if _BUILTIN in document else dict(document)
        strategy = read_strategy(written, self.named_indicators(user_id))
        return write_strategy(strategy), strategy

    # ---- strategies ---------------------------------------------------------------------------------------------------

    def create(self, who: Who, document: Mapping[str, Any]) -> KeptStrategy:
        """Keeps a new strategy, switched off. Raises InvalidInput for its mistakes, Conflict when there are too many."""
        written, strategy = self.read(who.user_id, document)
        kept = KeptStrategy(
            id="str-" + secrets.token_hex(8),
            user_id=who.user_id,
            name=strategy.name,
            version=version_of(strategy),
            number=1,
            document=written,
            whole=long_form(strategy),
            created_at=who.now,
            updated_at=who.now,
        )
        with self._store.transaction() as tx:
            if tx["strategies"].count(where("user_id") == who.user_id) >= MOST_STRATEGIES:
                raise Conflict(f"You have {MOST_STRATEGIES} strategies; delete one first.", code="too_many_strategies")
            _refuse_name(tx, who.user_id, kept.name, kept.id)
            tx["strategies"].insert(to_document(kept))
            _keep_version(tx, kept)
            _audit(tx, who, "strategy.create", kept.id, after={"name": kept.name, "version": kept.version})
        return kept

    def update(self, who: Who, strategy_id: str, document: Mapping[str, Any]) -> KeptStrategy:
        """Replaces the document; a change of meaning is a new version. One that is switched on goes on with it."""
        written, strategy = self.read(who.user_id, document)
        with self._store.transaction() as tx:
            before = _mine(tx["strategies"].get(key=strategy_id), who.user_id)
            _refuse_name(tx, who.user_id, strategy.name, strategy_id)
            if before.enabled:
                _refuse_untradable(strategy)
            version = version_of(strategy)
            after = replace(
                before,
                name=strategy.name,
                version=version,
                number=before.number + (version != before.version),
                document=written,
                whole=long_form(strategy),
                updated_at=who.now,
            )
            tx["strategies"].replace(to_document(after))
            if version != before.version:
                _keep_version(tx, after)
            change = {"before": {"version": before.version}, "after": {"name": after.name, "version": version}}
            _audit(tx, who, "strategy.update", strategy_id, **change)
        return after

    def delete(self, who: Who, strategy_id: str) -> None:
        """Forgets a strategy with its versions. Trades it opened stay as they are."""
        with self._store.transaction() as tx:
            kept = _mine(tx["strategies"].get(key=strategy_id), who.user_id)
            tx["strategies"].remove(key=strategy_id)
            tx["strategy_versions"].remove(where("strategy_id") == strategy_id)
            tx["strategy_runs"].remove(where("strategy_id") == strategy_id)
            _audit(tx, who, "strategy.delete", strategy_id, before={"name": kept.name, "version": kept.version})

    def toggle(
        self, who: Who, strategy_id: str, *, enabled: bool | None = None, account_id: str | None = None
    ) -> KeptStrategy:
        """Switches a strategy on or off (the other way round for None).

        One that is switched on decides from the next closed bar on. Raises InvalidInput where it has no symbols or the
        account is not the user's, Conflict when too many are on.
        """
        with self._store.transaction() as tx:
            before = _mine(tx["strategies"].get(key=strategy_id), who.user_id)
            wanted = (not before.enabled) if enabled is None else enabled
            chosen = before.account_id if account_id is None else account_id
            if wanted:
                _refuse_enabling(tx, before, chosen)
            since = before.enabled_at if wanted and before.enabled else who.now if wanted else None
            after = replace(before, enabled=wanted, enabled_at=since, account_id=chosen)
            if after != before:
                tx["strategies"].replace(to_document(after))
                states = [{"enabled": one.enabled, "account_id": one.account_id} for one in (before, after)]
                _audit(tx, who, "strategy.toggle", strategy_id, before=states[0], after=states[1])
        return after

    # ---- indicators ---------------------------------------------------------------------------------------------------

    def create_indicator(self, who: Who, document: Mapping[str, Any]) -> KeptIndicator:
        """Keeps an indicator, in place of the user's own of the same name. Raises InvalidInput, Conflict."""
        read = read_indicator(document)
        with self._store.transaction() as tx:
            mine = where("user_id") == who.user_id
            same = tx["indicators"].get(mine & (where("name") == read.name))
            if same is None and tx["indicators"].count(mine) >= MOST_INDICATORS:
                raise Conflict(f"You have {MOST_INDICATORS} indicators; delete one first.", code="too_many_indicators")
            name = "ind-" + secrets.token_hex(8) if same is None else str(same["id"])
            kept = KeptIndicator(name, who.user_id, read.name, dict(document), who.now)
            tx["indicators"].upsert(to_document(kept))
            _audit(tx, who, "indicator.save", kept.id, after={"name": kept.name})
        return kept

    def delete_indicator(self, who: Who, indicator_id: str) -> None:
        """Forgets an indicator; strategies saved with it keep theirs."""
        with self._store.transaction() as tx:
            kept = tx["indicators"].get(key=indicator_id)
            if kept is None or kept["user_id"] != who.user_id:
                raise NotFound("There is no such indicator.")
            tx["indicators"].remove(key=indicator_id)
            _audit(tx, who, "indicator.delete", indicator_id, before={"name": kept["name"]})


def formula_of(kept: KeptIndicator) -> Any:
    """The formula of an indicator as a tree."""
    return write_indicator(read_indicator(kept.document))["formula"]


def _from_builtin(document: Mapping[str, Any]) -> dict[str, Any]:
    """`{"builtin", "parameters"}` with fields of one's own, written out."""
    wrong = Complaints()
    own = ("name", "description", "symbols", "timeframe", "position_size", "leverage")
    only(document, (_BUILTIN, "parameters", *own), "", wrong)
    name = text(document[_BUILTIN], _BUILTIN, wrong, longest=80)
    parameters = mapping(document.get("parameters", {}), "parameters", wrong)
    wrong.raise_if_any("the strategy")
    given = {key: document[key] for key in own if key in document}
    return builtin_document(name or "", {**(parameters or {}), **given})


def _mine(document: Mapping[str, Any] | None, user_id: str) -> KeptStrategy:
    if document is None or document["user_id"] != user_id:
        raise NotFound("There is no such strategy.")
    return from_document(KeptStrategy, document)


def _refuse_name(tx: Transaction, user_id: str, name: str, strategy_id: str) -> None:
    same = tx["strategies"].search((where("user_id") == user_id) & (where("name") == name))
    if any(each["id"] != strategy_id for each in same):
        raise Conflict(f"You already have a strategy named {name!r}.", code="name_taken")


def _refuse_enabling(tx: Transaction, kept: KeptStrategy, account_id: str | None) -> None:
    _refuse_untradable(kept.strategy())
    if account_id is not None:
        account = tx["accounts"].get(key=account_id)
        if account is None or account["user_id"] != kept.user_id:
            raise InvalidInput("That is no account of yours.", fields={"account_id": "unknown"})
    mine = (where("user_id") == kept.user_id) & (where("enabled").one_of([True]))
    if not kept.enabled and tx["strategies"].count(mine) >= MOST_ENABLED:
        raise Conflict(f"{MOST_ENABLED} of your strategies are on; switch one off first.", code="too_many_enabled")


def _refuse_untradable(strategy: Strategy) -> None:
    """Raises InvalidInput for a strategy that can't be switched on as it is."""
    wrong = untradable(strategy)
    if not strategy.symbols:
        wrong = {"symbols": "at least one is needed", **wrong}
    if wrong:
        listed = "; ".join(f"{place}: {words}" for place, words in wrong.items())
        raise InvalidInput(f"{strategy.name} can't be switched on: {listed}", fields=wrong)


def _keep_version(tx: Transaction, kept: KeptStrategy) -> None:
    """Keeps this state; of very many the oldest are let go of."""
    name = f"{kept.id}:{kept.version}"
    made = KeptVersion(
        name, kept.id, kept.user_id, kept.version, kept.number, kept.document, kept.whole, kept.updated_at
    )
    tx["strategy_versions"].upsert(to_document(made))
    mine = where("strategy_id") == kept.id
    for old in tx["strategy_versions"].search(mine, order_by="made_at", descending=True)[MOST_VERSIONS:]:
        tx["strategy_versions"].remove(key=old["id"])


def _audit(
    tx: Transaction,
    who: Who,
    action: str,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    about = f"{action.partition('.')[0]}:{subject}"
    record(tx, who.principal, action, about, now=who.now, origin=who.origin, before=before, after=after)
