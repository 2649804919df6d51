"""The vault: secrets of exchanges, encrypted with a key made from MASTER_KEY and bound to the row they belong to.

Here they are only closed up. What opens them is `vault_opening`, which few may import. AES-256-GCM with a fresh nonce for
each; the row's id, user and exchange are associated data, so that a ciphertext copied into another row does not open.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from database import Document
from modules.accounts.tokens import purpose_key
from modules.runtime.settings import Settings, kept_secret

_PURPOSE = "exchange-keys"
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class VaultKey:
    """One key; `id` tells which key closed something without telling anything of the key."""

    id: str
    secret: SecretStr

    def cipher(self) -> AESGCM:
        """The cipher of this key."""
        return AESGCM(bytes.fromhex(self.secret.get_secret_value()))


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key that closes, and those that may still be needed to open (while MASTER_KEY is being changed)."""

    current: VaultKey
    older: tuple[VaultKey, ...] = ()

    def key(self, key_id: str) -> VaultKey | None:
        """The key of that id."""
        return next((each for each in (self.current, *self.older) if each.id == key_id), None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret belongs."""

    row_id: str
    user_id: str
    exchange: str

    def associated_data(self) -> bytes:
        """What the ciphertext is bound to."""
        return json.dumps([self.row_id, self.user_id, self.exchange]).encode()


def vault_key(master: str) -> VaultKey:
    """The key made from a master key, and its id."""
    name = purpose_key(master, f"{_PURPOSE}/name").hex()[:16]
    return VaultKey(name, SecretStr(purpose_key(master, _PURPOSE).hex()))


def keyring(settings: Settings) -> Keyring:
    """The keys of this installation: of MASTER_KEY, and of MASTER_KEY_OLD where one is given."""
    old = settings.master_key_old.get_secret_value()
    return Keyring(vault_key(kept_secret(settings, "master_key")), (vault_key(old),) if old else ())


def seal(ring: Keyring, fields: Mapping[str, SecretStr], place: Place) -> Document:
    """The fields closed up, as a part of the document at `place`."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    text = json.dumps({name: value.get_secret_value() for name, value in fields.items()})
    closed = ring.current.cipher().encrypt(nonce, text.encode(), place.associated_data())
    return {"key_id": ring.current.id, "closed": base64.b64encode(nonce + closed).decode()}
