"""Web push: a message for one browser, encrypted so that only it can read (RFC 8291), sent under our own name (VAPID, RFC 8292).

The installation's key pair is made once in the data directory. Endpoints come from users, so they are reached only through
the client that refuses everything that is not public.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from database import Document
from modules.connections.safe_http import Reply, SafeHttp
from modules.domain.errors import InvalidInput, Rejected, Unavailable
from modules.notices.push import TTL_SECONDS, DeviceGone, Registration
from modules.notices.webhook_rules import OutboundRules, target_of
from modules.runtime.settings import keep_once

KEY_FILE = "push.key"
MAX_PAYLOAD = 3_000
_CURVE = ec.SECP256R1()
_POINT_BYTES = 65
_AUTH_BYTES = 16
_RECORD_BYTES = 4096
_TOKEN_LIFE = timedelta(hours=12)
_GONE = (404, 410)


class PushKey:
    """The installation's key pair, kept in the data directory (mode 600)."""

    def __init__(self, data_dir: Path) -> None:
        fresh = ec.generate_private_key(_CURVE).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        kept = keep_once(data_dir / KEY_FILE, fresh.decode())
        loaded = serialization.load_pem_private_key(kept.encode(), password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{KEY_FILE} is no key of an elliptic curve")
        self._private = loaded

    @property
    def public(self) -> str:
        """What a browser asks for when it subscribes (`applicationServerKey`), base64url."""
        return encoded(_point(self._private.public_key()))

    def authorization(self, endpoint: str, contact: str, now: datetime) -> str:
        """The Authorization header for a push service: who we are, for its origin, for half a day."""
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int((now + _TOKEN_LIFE).timestamp()),
            "sub": contact,
        }
        return f"vapid t={jwt.encode(claims, self._private, algorithm='ES256')}, k={self.public}"


class WebPush:
    """Sends to browsers. `contact` is a mailto: or https: address at which a push service reaches the operator."""

    def __init__(self, http: SafeHttp, key: PushKey, contact: str) -> None:
        self._http = http
        self._key = key
        self._contact = contact

    async def send(self, device: Document, payload: bytes, *, urgent: bool, now: datetime) -> None:
        """Sends one message. Raises DeviceGone, Rejected, InvalidInput, or Unavailable where it is worth another try."""
        body = encrypt(payload, decoded(device["p256dh"]), decoded(device["auth"]))
        headers = {
            "Authorization": self._key.authorization(device["address"], self._contact, now),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_SECONDS),
            "Urgency": "high" if urgent else "normal",
        }
        settle(await self._http.post(device["address"], body, headers))


def settle(reply: Reply) -> None:
    """What a push service's answer means."""
    if 200 <= reply.status < 300:
        return
    if reply.status in _GONE:
        raise DeviceGone("the push service does not know this device any more")
    said = f"the push service answered {reply.status}"
    if reply.status == 429 or reply.status >= 500:
        hint = reply.headers.get("retry-after", "")
        raise Unavailable(said, retry_after_seconds=float(hint) if hint.isdigit() and len(hint) < 7 else None)
    raise Rejected(said)


def check_web_device(given: Registration, rules: OutboundRules) -> None:
    """Raises InvalidInput for an endpoint that may not be reached, or for keys that are none."""
    try:
        target_of(given.address, rules)
    except InvalidInput as error:
        raise InvalidInput(error.message, code=error.code, fields={"endpoint": error.message}) from error
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, decoded(given.p256dh))
    except ValueError as error:
        raise InvalidInput("p256dh is no public key of P-256", fields={"keys.p256dh": "no public key"}) from error
    if len(decoded(given.auth)) != _AUTH_BYTES:
        raise InvalidInput("auth is not 16 bytes", fields={"keys.auth": "not 16 bytes"})


def encrypt(
    payload: bytes,
    receiver: bytes,
    auth: bytes,
    *,
    salt: bytes | None = None,
    sender: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The body for one message: header and a single record of `aes128gcm`.

    `receiver` is the browser's public point (65 bytes), `auth` its 16 secret bytes. Salt and sender key are made for the
    message unless given. Raises InvalidInput for a payload beyond 3,000 bytes, which push services need not take.
    """
    if len(payload) > MAX_PAYLOAD:
        raise InvalidInput(f"a push message is at most {MAX_PAYLOAD} bytes")
    salt = salt or os.urandom(16)
    own = sender or ec.generate_private_key(_CURVE)
    point = _point(own.public_key())
    shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, receiver))
    secret = _hkdf(auth, shared, b"WebPush: info\x00" + receiver + point, 32)
    key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\x00", 12)
    sealed = AESGCM(key).encrypt(nonce, payload + b"\x02", None)
    return salt + struct.pack("!LB", _RECORD_BYTES, len(point)) + point + sealed


def encoded(value: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Bytes of base64url, with or without padding; ordinary base64 is taken too. Raises InvalidInput for neither."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("is no base64url", fields={"keys": "no base64url"}) from error


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(material)
