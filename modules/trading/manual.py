"""What a person asks for by hand, in chat or over HTTP: requests and calls with ids derived from who asked under which key.

Pure. Whatever is asked here passes the same planner, limits, kill switch and desk as a signal does; asking twice under
one key asks once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from modules.domain.errors import InvalidInput
from modules.domain.market import ms_from_utc
from modules.domain.money import HUNDRED, ONE, ZERO, plain
from modules.domain.orders import Order, OrderRequest, OrderRole, RequestKind, WantedTarget
from modules.domain.people import Account
from modules.domain.plans import Sizing, TradeSettings, plan_id
from modules.domain.positions import Position
from modules.domain.sides import Side
from modules.domain.signals import Signal, SignalStatus

#: What plans and positions opened by hand name as their source.
SOURCE = "manual"
_PREFIX = "hand-"


@dataclass(frozen=True, slots=True)
class OpenWish:
    """A trade that somebody asks for. `price` None is a market order.

    Size: `quantity` of the base currency, or `size` by `sizing`, or neither: as the account's settings say. `stop_loss`,
    `targets` and `target_shares` may be empty; the account's own rules then decide whether that is a trade.
    """

    key: str
    user_id: str
    account_id: str
    symbol: str
    side: Side
    asked_at: datetime
    price: Decimal | None = None
    quantity: Decimal | None = None
    sizing: Sizing | None = None
    size: Decimal | None = None
    stop_loss: Decimal | None = None
    targets: tuple[Decimal, ...] = ()
    target_shares: tuple[Decimal, ...] = ()
    leverage: Decimal | None = None

    def __post_init__(self) -> None:
        wrong: dict[str, str] = {}
        if self.quantity is not None and self.sizing is not None:
            wrong["quantity"] = "name a quantity or another size, not both"
        if (self.sizing is None) != (self.size is None):
            wrong["size"] = "a size needs its kind, and the kind its size"
        if self.sizing is not None and self.sizing is not Sizing.FIXED and (self.size or ZERO) > HUNDRED:
            wrong["size"] = "a percentage can't exceed 100"
        if self.target_shares and len(self.target_shares) != len(self.targets):
            wrong["targets"] = "name a share for every target or for none"
        for name in ("price", "quantity", "size", "stop_loss", "leverage"):
            value: Decimal | None = getattr(self, name)
            if value is not None and value <= ZERO:
                wrong[name] = "must be above zero"
        if any(target <= ZERO for target in self.targets):
            wrong["targets"] = "must be above zero"
        if wrong:
            raise InvalidInput("; ".join(f"{name}: {why}" for name, why in wrong.items()), fields=wrong)

    @property
    def call_id(self) -> str:
        """The id that stands where a signal's stands in plans and positions."""
        return _PREFIX + hashlib.sha256(f"{self.user_id}\n{self.key}".encode()).hexdigest()[:16]

    @property
    def plan_id(self) -> str:
        """The plan that this wish becomes."""
        return plan_id(self.call_id, self.account_id)


def is_by_hand(signal_id: str | None) -> bool:
    """Whether a plan or position with that signal id was asked for by a person."""
    return signal_id is not None and signal_id.startswith(_PREFIX)


def settings_for(settings: TradeSettings, wish: OpenWish) -> TradeSettings:
    """The account's settings as this wish trades them: its own size and shares, and no question of who is followed."""
    changed = replace(settings, autotrade=True, sources=("*",), entry_shares=(), dca=())
    if wish.quantity is not None:
        changed = replace(changed, sizing=Sizing.FIXED)  # the quantity counts; no stop is needed to size by
    elif wish.sizing is not None and wish.size is not None:
        changed = replace(changed, sizing=wish.sizing, size=wish.size)
    if wish.target_shares:
        changed = replace(changed, target_shares=wish.target_shares)
    return changed


def call_of(wish: OpenWish, account: Account) -> Signal:
    """The wish in the words that the planner reads."""
    entries = () if wish.price is None else (wish.price,)
    return Signal(
        id=wish.call_id,
        source=SOURCE,
        message_id=wish.key,
        symbol=wish.symbol,
        side=wish.side,
        order="market" if wish.price is None else "limit",
        entries=entries,
        entry_range=False,
        targets=wish.targets,
        stop_loss=wish.stop_loss,
        leverage=wish.leverage,
        text="",
        said_at=wish.asked_at,
        received_at=wish.asked_at,
        expires_at=wish.asked_at + timedelta(seconds=account.settings.entry_window_seconds),
        confidence=1.0,
        status=SignalStatus.WAITING,
        owner=wish.user_id,
    )


def queue_item(wish: OpenWish, account: Account, document: dict[str, object]) -> dict[str, object]:
    """The row that the planner takes up; `document` is the stored form of the wish."""
    reference = call_of(wish, account).reference_price or ONE
    return {
        "id": wish.plan_id,
        "signal_id": wish.call_id,
        "account_id": wish.account_id,
        "symbol": wish.symbol,
        "reference": plain(reference),
        "created_at": ms_from_utc(wish.asked_at),
        "wish": document,
    }


def closing(position: Position, key: str, now: datetime, *, share: Decimal = ONE) -> OrderRequest:
    """Close a part of what is left, at the market. Raises InvalidInput for a share outside 0 to 1."""
    if not ZERO < share <= ONE:
        raise InvalidInput("The part to close is above 0 and at most 100 percent.", fields={"percent": "0 to 100"})
    return _request(position, RequestKind.CLOSE, f"user:{key}", now, role=OrderRole.CLOSE, share=share)


def moving_stop(position: Position, key: str, now: datetime, *, price: Decimal | None) -> OrderRequest:
    """Move the stop; None moves it to the average entry."""
    return _request(position, RequestKind.MOVE_STOP, f"user:{key}:stop", now, price=price)


def setting_targets(position: Position, key: str, now: datetime, *, targets: Sequence[WantedTarget]) -> OrderRequest:
    """Replace the targets that were not hit yet."""
    return _request(position, RequestKind.SET_TARGETS, f"user:{key}:targets", now, targets=tuple(targets))


def cancelling(order: Order, key: str, now: datetime) -> OrderRequest:
    """Take back an order. Raises InvalidInput for one that protects a position: its level is moved instead."""
    if order.role in (OrderRole.STOP, OrderRole.TARGET):
        raise InvalidInput("This order protects a position: change the position's stop or targets instead.")
    return OrderRequest(
        id=f"{order.plan_id}:user:{key}:cancel:{order.id}",
        account_id=order.account_id,
        plan_id=order.plan_id,
        symbol=order.symbol,
        kind=RequestKind.CANCEL_ORDER,
        created_at=now,
        reason="user",
        role=OrderRole.CLOSE,
        cancels=order.request_id,
        signal_id=order.signal_id,
    )


def _request(
    position: Position,
    kind: RequestKind,
    name: str,
    now: datetime,
    *,
    role: OrderRole = OrderRole.ENTRY,
    price: Decimal | None = None,
    share: Decimal | None = None,
    targets: tuple[WantedTarget, ...] = (),
) -> OrderRequest:
    return OrderRequest(
        id=f"{position.plan_id}:{name}",
        account_id=position.account_id,
        plan_id=position.plan_id,
        symbol=position.symbol,
        kind=kind,
        created_at=now,
        reason="user",
        role=role,
        price=price,
        share=share,
        targets=targets,
        signal_id=position.signal_id,
    )
