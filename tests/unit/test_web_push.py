"""Web push on the wire: the standard's own example, our name under each message, and what is refused."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from modules.connections.safe_http import Reply
from modules.connections.web_push import PushKey, check_web_device, decoded, encoded, encrypt, settle
from modules.domain.errors import InvalidInput, Rejected, Trouble, Unavailable
from modules.notices.push import DeviceGone, DeviceKind, Registration
from modules.notices.webhook_rules import OutboundRules
from tests.fakes.browser import Browser

NOW = datetime(2025, 10, 15, 12, tzinfo=UTC)


def test_the_example_of_rfc_8291() -> None:
    sender = ec.derive_private_key(
        int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")), ec.SECP256R1()
    )
    made = encrypt(
        b"When I grow up, I want to be a watermelon",
        decoded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        decoded("BTBZMqHH6r4Tts7J_aSIgg"),
        salt=decoded("DGv6ra1nlYgDCS1FRnbzlw"),
        sender=sender,
    )
    assert encoded(made) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
        "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@given(st.binary(max_size=3000), st.binary(min_size=16, max_size=16))
def test_only_the_browser_reads_it(payload: bytes, auth: bytes) -> None:
    browser = Browser(auth=auth, key=ec.derive_private_key(7, ec.SECP256R1()))
    body = encrypt(payload, browser.point, browser.auth)
    assert browser.open(body) == payload
    assert encrypt(payload, browser.point, browser.auth) != body  # another salt and key each time
    if len(payload) > 8:
        assert payload not in body


def test_a_payload_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidInput):
        encrypt(b"x" * 3001, Browser().point, b"0" * 16)


def test_each_message_is_sent_under_our_name_for_that_service_alone(tmp_path: Path) -> None:
    key = PushKey(tmp_path)
    said = key.authorization("https://push.example:8443/send/abc", "mailto:me@example.com", NOW)
    scheme, _, rest = said.partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(parts["k"]))
    claims = jwt.decode(
        parts["t"], public, algorithms=["ES256"], audience="https://push.example:8443", options={"verify_exp": False}
    )
    assert scheme == "vapid"
    assert claims["sub"] == "mailto:me@example.com"
    assert 0 < claims["exp"] - NOW.timestamp() <= 24 * 3600


def test_the_key_is_made_once_and_kept_to_ourselves(tmp_path: Path) -> None:
    first, second = PushKey(tmp_path).public, PushKey(tmp_path).public
    assert first == second
    assert len(decoded(first)) == 65
    assert stat.S_IMODE((tmp_path / "push.key").stat().st_mode) == 0o600
    other = tmp_path / "other"
    other.mkdir()
    assert PushKey(other).public != first


@pytest.mark.parametrize(
    ("status", "headers", "kind", "hint"),
    [
        (404, {}, DeviceGone, None), (410, {}, DeviceGone, None), (400, {}, Rejected, None), (403, {}, Rejected, None),
        (413, {}, Rejected, None), (301, {}, Rejected, None), (429, {"retry-after": "120"}, Unavailable, 120.0),
        (503, {"retry-after": "soon"}, Unavailable, None),
    ],
)  # fmt: skip
def test_what_a_push_service_answers(
    status: int, headers: dict[str, str], kind: type[Trouble], hint: float | None
) -> None:
    with pytest.raises(kind) as raised:
        settle(Reply(status, 1, "", headers))
    if isinstance(raised.value, Unavailable):
        assert raised.value.retry_after_seconds == hint
    settle(Reply(201, 1, "", {}))


def test_a_subscription_that_is_none_is_refused() -> None:
    browser, rules = Browser(), OutboundRules()
    good = Registration(DeviceKind.WEB, "https://push.example/x", encoded(browser.point), encoded(browser.auth))
    check_web_device(good, rules)
    wrong = [
        ("endpoint", Registration(DeviceKind.WEB, "https://127.0.0.1/x", good.p256dh, good.auth)),
        ("endpoint", Registration(DeviceKind.WEB, "http://push.example/x", good.p256dh, good.auth)),
        ("keys.p256dh", Registration(DeviceKind.WEB, good.address, encoded(b"\x04" + b"1" * 64), good.auth)),
        ("keys.p256dh", Registration(DeviceKind.WEB, good.address, encoded(b"short"), good.auth)),
        ("keys.auth", Registration(DeviceKind.WEB, good.address, good.p256dh, encoded(b"short"))),
        ("keys", Registration(DeviceKind.WEB, good.address, good.p256dh, "é!")),
    ]
    for field, given_ in wrong:
        with pytest.raises(InvalidInput) as refused:
            check_web_device(given_, rules)
        assert field in refused.value.fields
