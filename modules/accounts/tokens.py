"""Tokens of a sign-in: a short-lived access token (JWT) and a refresh token that is worth one use.

The access token says who and which session, never what one may do: the role is read from the user's record each time. A
refresh token is proven by a code over its session, its number in the session's row of tokens, and a seed kept with the
session: the store alone, without the installation's secret, makes none. Nothing here reads a clock or a store.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from jwt.types import Options

ACCESS_LIFETIME = timedelta(minutes=15)
ISSUER = AUDIENCE = "verzek-autotrader"
ALGORITHM = "HS256"
_TYPE = "access"
_AHEAD = timedelta(seconds=60)
_LONGEST = 4096
_REFRESH = re.compile(r"vzk_r_([0-9a-f]{32})_([0-9]{1,9})_([A-Za-z0-9_-]{43})")
_REQUIRED = ["sub", "sid", "iat", "exp", "iss", "aud", "typ"]


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says."""

    user_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class RefreshParts:
    """What a refresh token says of itself; `Tokens.proves` tells whether it is true."""

    session_id: str
    generation: int
    proof: str


def purpose_key(secret: str, purpose: str) -> bytes:
    """A key for one purpose from the installation's secret; what one purpose reveals is of no use for another."""
    return hmac.digest(secret.encode(), f"verzek/{purpose}".encode(), hashlib.sha256)


class Tokens:
    """Makes and reads tokens under one secret (SECRET_KEY)."""

    def __init__(self, secret: str) -> None:
        self._access_key = purpose_key(secret, "access-token")
        self._refresh_key = purpose_key(secret, "refresh-token")

    def access(self, user_id: str, session_id: str, now: datetime) -> str:
        """A JWT for this session, good for `ACCESS_LIFETIME`."""
        issued = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "typ": _TYPE,
            "sub": user_id,
            "sid": session_id,
            "iat": issued,
            "exp": issued + int(ACCESS_LIFETIME.total_seconds()),
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._access_key, algorithm=ALGORITHM)

    def read_access(self, token: str, now: datetime) -> AccessClaims | None:
        """The claims of a token that is ours, of this kind, and good now; None for every other text."""
        if len(token) > _LONGEST:
            return None
        options: Options = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            claims = jwt.decode(
                token, self._access_key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options
            )
        except (jwt.InvalidTokenError, ValueError):
            return None
        if claims["typ"] != _TYPE or not _timely(claims["iat"], claims["exp"], now):
            return None
        return AccessClaims(str(claims["sub"]), str(claims["sid"]))

    def refresh(self, session_id: str, generation: int, seed: str) -> str:
        """The refresh token number `generation` of a session (32 hexadecimal digits) whose kept seed is `seed`."""
        return f"vzk_r_{session_id}_{generation}_{self._proof(session_id, generation, seed)}"

    def proves(self, parts: RefreshParts, seed: str) -> bool:
        """Whether this token was made here for that session; takes the same time for every wrong one."""
        return hmac.compare_digest(self._proof(parts.session_id, parts.generation, seed), parts.proof)

    def _proof(self, session_id: str, generation: int, seed: str) -> str:
        message = f"{session_id}/{generation}/{seed}".encode()
        digest = hmac.digest(self._refresh_key, message, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def read_refresh(token: str) -> RefreshParts | None:
    """The parts of a refresh token's text; None when it is none."""
    matched = _REFRESH.fullmatch(token)
    return RefreshParts(matched[1], int(matched[2]), matched[3]) if matched else None


def _timely(issued: object, expires: object, now: datetime) -> bool:
    if type(issued) is not int or type(expires) is not int:
        return False
    seconds = now.timestamp()
    return issued <= seconds + _AHEAD.total_seconds() and seconds < expires
