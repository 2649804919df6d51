"""Bodies of exchange keys. Secrets are wrapped at once, so that neither an error nor a log shows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints

from api.bodies.trading import Strict
from modules.accounts.exchange_keys import MOST_LEVERAGE, NewKey

Hidden = Annotated[SecretStr, Field(min_length=1, max_length=4096)]


class ExchangeKeyBody(Strict):
    """A key to add."""

    exchange: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=40)] = (
        Field(examples=["binanceusdm"])
    )
    label: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] = Field(
        default="", examples=["futures"]
    )
    api_key: Hidden
    secret: Hidden
    passphrase: Hidden | None = Field(default=None, description="Where the exchange has one: OKX, KuCoin, Bitget.")
    testnet: bool = Field(default=False, strict=True)
    i_confirm_no_withdrawals: bool = Field(
        default=False,
        strict=True,
        description="Needed where the exchange does not tell: you looked there that the key may not withdraw.",
    )

    def wish(self) -> NewKey:
        """As the vault takes it, without the blanks that copying adds."""
        return NewKey(
            exchange=self.exchange,
            label=self.label,
            api_key=_stripped(self.api_key),
            secret=_stripped(self.secret),
            passphrase=None if self.passphrase is None else _stripped(self.passphrase),
            testnet=self.testnet,
            confirmed_no_withdrawals=self.i_confirm_no_withdrawals,
        )


class ExchangeKeyPath(Strict):
    """One key."""

    key_id: str = Field(max_length=100)


class OwnerPath(Strict):
    """Whose keys; only one's own."""

    user_id: str = Field(max_length=100)


class OwnedKeyPath(OwnerPath):
    """One key of a user, by its id or by the exchange's name."""

    key_id: str = Field(max_length=100)


class LeverageBody(Strict):
    """The most leverage that is used with a key; null leaves it to the trade settings."""

    leverage_cap: Annotated[int, Field(ge=1, le=MOST_LEVERAGE, strict=True)] | None = Field(examples=[10])


class PredecessorLeverageBody(Strict):
    """The same under the name that earlier clients use."""

    leverage: Annotated[int, Field(ge=1, le=MOST_LEVERAGE, strict=True)] = Field(examples=[10])


class RemoveQuery(Strict):
    """Which key to remove: its id, or the exchange's name where there is one key."""

    exchange: str = Field(max_length=100)


def _stripped(value: SecretStr) -> SecretStr:
    return SecretStr(value.get_secret_value().strip())
