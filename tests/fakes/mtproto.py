"""The server's end of one MTProto connection: abridged frames, and encryption with a key that both sides know.

No key exchange: the client's session string carries the key, so the server can be told the same one.
Source of the format: https://core.telegram.org/mtproto/description (version 2).
"""

from __future__ import annotations

import asyncio
import gzip
import os
import struct
import time
from hashlib import sha256
from typing import Any

from telethon.crypto import AES, AuthKey
from telethon.extensions import BinaryReader
from telethon.network.mtprotostate import MTProtoState
from telethon.tl import TLObject
from telethon.tl.core import GzipPacked, MessageContainer, TLMessage

SALT = 0x5A17
_RPC_RESULT = 0xF35C6D01
_VECTOR = 0x1CB5C415
_GZIP_FROM_BYTES = 512


class Line:
    """Reads requests and writes answers and pushes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: AuthKey) -> None:
        self._reader = reader
        self._writer = writer
        self._key = key
        self._last_id = 0
        self._content = 0
        self.session_id: int | None = None
        self.greeted = False

    async def open(self) -> None:
        """Take the byte that names the framing."""
        tag = await self._reader.readexactly(1)
        if tag != b"\xef":
            raise ConnectionError(f"only the abridged framing is spoken here, not {tag!r}")

    def close(self) -> None:
        if not self._writer.is_closing():
            self._writer.transport.abort()

    async def receive(self) -> list[TLMessage]:
        """The next frame's messages, with containers and compression opened."""
        size = (await self._reader.readexactly(1))[0]
        if size == 0x7F:
            size = int.from_bytes(await self._reader.readexactly(3), "little")
        frame = await self._reader.readexactly(size * 4)
        message_key = frame[8:24]
        key, vector = MTProtoState._calc_key(self._key.key, message_key, True)
        plain = AES.decrypt_ige(frame[24:], key, vector)
        if sha256(self._key.key[88:120] + plain).digest()[8:24] != message_key:
            raise ConnectionError("the client uses another key")
        with BinaryReader(plain) as reader:
            reader.read_long()  # salt
            self.session_id = reader.read_long()
            message_id, sequence = reader.read_long(), reader.read_int()
            reader.read_int()  # length
            return _opened(TLMessage(message_id, sequence, reader.tgread_object()))

    def answer(self, request_id: int, result: Any) -> None:
        """The result of one request: a TL object, a list of them, or a bool."""
        body = _serialised(result)
        if len(body) > _GZIP_FROM_BYTES:
            body = struct.pack("<I", GzipPacked.CONSTRUCTOR_ID) + TLObject.serialize_bytes(gzip.compress(body))
        self._write(struct.pack("<Iq", _RPC_RESULT, request_id) + body)

    def tell(self, *things: TLObject) -> None:
        """Unasked messages; several at once go out in one container."""
        bodies = [bytes(thing) for thing in things]
        if len(bodies) == 1:
            self._write(bodies[0])
            return
        inner = b"".join(self._header(body) + body for body in bodies)
        self._write(struct.pack("<Ii", MessageContainer.CONSTRUCTOR_ID, len(bodies)) + inner)

    def transport_error(self, code: int) -> None:
        """A bare number in place of a message, as when the server has forgotten the key (404)."""
        self._frame(struct.pack("<i", -code))

    def _write(self, body: bytes) -> None:
        plain = struct.pack("<qq", SALT, self.session_id or 0) + self._header(body) + body
        plain += os.urandom(-(len(plain) + 12) % 16 + 12)
        message_key = sha256(self._key.key[96:128] + plain).digest()[8:24]
        key, vector = MTProtoState._calc_key(self._key.key, message_key, False)
        self._frame(struct.pack("<Q", self._key.key_id) + message_key + AES.encrypt_ige(plain, key, vector))

    def _frame(self, data: bytes) -> None:
        size = len(data) // 4
        head = bytes([size]) if size < 0x7F else b"\x7f" + size.to_bytes(3, "little")
        if not self._writer.is_closing():
            self._writer.write(head + data)

    def _header(self, body: bytes) -> bytes:
        now = time.time()
        number = (int(now) << 32) | (int((now % 1) * 2**30) << 2) | 1
        self._last_id = max(number, self._last_id + 4)
        sequence = self._content * 2 + 1
        self._content += 1
        return struct.pack("<qii", self._last_id, sequence, len(body))


def _opened(message: TLMessage) -> list[TLMessage]:
    if isinstance(message.obj, MessageContainer):
        return [inner for each in message.obj.messages for inner in _opened(each)]
    if isinstance(message.obj, GzipPacked):
        with BinaryReader(message.obj.data) as reader:
            return _opened(TLMessage(message.msg_id, message.seq_no, reader.tgread_object()))
    return [message]


def _serialised(result: Any) -> bytes:
    if isinstance(result, bool):
        return struct.pack("<I", 0x997275B5 if result else 0xBC799737)
    if isinstance(result, list):
        return struct.pack("<Ii", _VECTOR, len(result)) + b"".join(bytes(each) for each in result)
    return bytes(result)
