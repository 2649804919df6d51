"""What clients send about webhooks, devices and notices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from api.bodies.trading import ListQuery, Strict

_Plain = r"^[^\x00-\x1f\x7f]*$"
Label = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60, pattern=_Plain)]
SourceName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[\w][\w .-]*$")
]
EventNames = Annotated[list[Annotated[str, Field(max_length=60)]], Field(min_length=1, max_length=50)]
Url = Annotated[str, Field(min_length=1, max_length=2000, examples=["https://example.com/hooks/verzek"])]


class HookPath(Strict):
    """One webhook."""

    hook_id: str = Field(max_length=100)


class DeliveryPath(HookPath):
    """One delivery of a webhook."""

    delivery_id: str = Field(max_length=200)


class NewHook(Strict):
    """An address that events are to be sent to."""

    url: Url
    events: EventNames = Field(examples=[["position.*", "signal.closed"]])
    name: Label = Field(default="", examples=["my server"])


class HookEdit(Strict):
    """What is to be different; what is not named stays."""

    url: Url | None = None
    events: EventNames | None = None
    name: Label | None = None
    enabled: bool | None = None


class DeliveryQuery(ListQuery):
    """A page of deliveries by status."""

    status: Literal["queued", "sending", "delivered", "failed", "cancelled"] | None = None


class NewInbound(Strict):
    """An address that calls are to come in by."""

    name: SourceName = Field(examples=["my-alerts"])
    source: Literal["tradingview", "custom", "text"] = Field(default="custom", description="What will post there.")
    signed: bool = Field(default=False, description="Whether a body without a signature is refused.")
    public: bool | None = Field(
        default=None,
        description="Whether the calls are for everybody; only whoever may post signals, for whom it is so unless said.",
    )


class Toggle(Strict):
    """On or off; without a word, the other state."""

    enabled: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: object) -> object:
        return {} if value is None else value


class InboundPath(Strict):
    """One inbound webhook."""

    webhook_id: str = Field(max_length=100)


class AddressPath(Strict):
    """The address that an inbound webhook was given."""

    address: str = Field(max_length=200)


class Quiet(Strict):
    """A time without noise, every day by the clock of a zone."""

    from_: str = Field(alias="from", max_length=5, examples=["22:00"])
    to: str = Field(max_length=5, examples=["07:00"])
    zone: str = Field(max_length=64, examples=["Europe/Berlin"])


class NoticeSettings(Strict):
    """Which notices come over which channel; a kind that is not named keeps its default."""

    channels: dict[str, list[Annotated[str, Field(max_length=20)]]] = Field(
        default_factory=dict,
        max_length=20,
        examples=[{"target": ["telegram", "push"], "refusal": [], "alarm": ["telegram", "mail", "push"]}],
    )
    quiet: Quiet | None = None


class PushKeys(Strict):
    """The keys of a browser's subscription, base64url."""

    p256dh: str = Field(min_length=1, max_length=200)
    auth: str = Field(min_length=1, max_length=100)


class NewDevice(Strict):
    """A browser's push subscription (`web`: endpoint and keys), or an app's messaging token (`fcm`)."""

    kind: Literal["web", "fcm"] = "web"
    endpoint: Url | None = None
    keys: PushKeys | None = None
    token: str | None = Field(default=None, min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")
    name: Label = ""

    @model_validator(mode="after")
    def _whole(self) -> NewDevice:
        if self.kind == "web" and (self.endpoint is None or self.keys is None):
            raise ValueError("a web device needs its endpoint and its keys")
        if self.kind == "fcm" and self.token is None:
            raise ValueError("an fcm device needs its token")
        return self


class DeviceChoice(Strict):
    """One device by its id."""

    device_id: str = Field(min_length=1, max_length=100)


class TestChoice(Strict):
    """One device, or without a word all of one's own."""

    device_id: str | None = Field(default=None, min_length=1, max_length=100)

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: object) -> object:
        return {} if value is None else value
