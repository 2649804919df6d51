"""Opening what the vault keeps. Only the executor, the check of a key and the change of the master key may import this."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from pydantic import SecretStr

from modules.accounts.vault import NONCE_BYTES, Keyring, Place
from modules.domain.errors import Misconfigured, Rejected


def open_sealed(ring: Keyring, sealed: Mapping[str, Any], place: Place) -> dict[str, SecretStr]:
    """The fields in clear, as secrets that no log prints.

    Raises Misconfigured when another master key closed them, Rejected when they were changed or belong elsewhere.
    """
    key = ring.key(str(sealed.get("key_id", "")))
    if key is None:
        raise Misconfigured([f"MASTER_KEY: the key of {place.row_id} was closed with another one; give MASTER_KEY_OLD"])
    try:
        raw = base64.b64decode(str(sealed["closed"]), validate=True)
        text = key.cipher().decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.associated_data())
    except (InvalidTag, KeyError, ValueError, binascii.Error):
        raise Rejected(f"what is kept of the key {place.row_id} was changed or belongs to another row") from None
    return {name: SecretStr(value) for name, value in json.loads(text).items()}
