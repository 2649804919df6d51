"""A list of instruments for tests."""

from __future__ import annotations

from decimal import Decimal

from modules.domain.instruments import Instrument, MarketKind


class Listed:
    """Perpetuals with a cent tick and three-digit lots for every USDT symbol but those named `unlisted`."""

    def __init__(self, *unlisted: str, tick: str = "0.01", lot: str = "0.001") -> None:
        self._unlisted = set(unlisted)
        self._tick, self._lot = Decimal(tick), Decimal(lot)

    def find(self, symbol: str, *, reference_price: Decimal | None = None) -> Instrument | None:
        if not symbol.endswith("USDT") or symbol in self._unlisted:
            return None
        tick, lot = self._tick, self._lot
        if reference_price is not None and reference_price < 10:
            tick, lot = Decimal("0.00001"), Decimal(1)
        return Instrument(
            exchange="paper",
            symbol=symbol,
            base=symbol.removesuffix("USDT"),
            quote="USDT",
            kind=MarketKind.PERPETUAL,
            tick_size=tick,
            lot_size=lot,
            min_quantity=lot,
            min_notional=Decimal(5),
            max_leverage=Decimal(125),
        )
