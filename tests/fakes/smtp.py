"""A mail server on loopback that says what a test tells it to: STARTTLS, sign-in, refusals, silence."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType


class SmtpServer:
    """Speaks as much of RFC 5321 as a client of one mail per connection needs.

    `answers` maps a verb (MAIL, RCPT, DATA, AUTH) to what is said instead of yes; `silent` accepts and never speaks.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> None:
        self.answers: dict[str, str] = {}
        self.silent = False
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.encrypted: list[bool] = []
        self.signed_in: list[str] = []
        self._tls = tls
        self._login = login
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> SmtpServer:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            if self.silent:
                await reader.read()
            else:
                await self._serve(reader, writer)
        self._open.discard(writer)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encrypted = False
        await _say(writer, "220 here")
        while line := (await reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb in self.answers:
                await _say(writer, self.answers[verb])
            elif verb == "EHLO":
                offers = ["here", *([] if encrypted or self._tls is None else ["STARTTLS"])]
                offers += ["AUTH PLAIN"] if self._login else []
                for offer in offers[:-1]:
                    await _say(writer, f"250-{offer}")
                await _say(writer, f"250 {offers[-1]}")
            elif verb == "STARTTLS" and self._tls is not None:
                await _say(writer, "220 go on")
                await writer.start_tls(self._tls)
                encrypted = True
            elif verb == "AUTH":
                await _say(writer, self._check(rest))
            elif verb == "DATA":
                await _say(writer, "354 speak")
                self._take(await reader.readuntil(b"\r\n.\r\n"), encrypted=encrypted)
                await _say(writer, "250 taken")
            elif verb == "QUIT":
                await _say(writer, "221 bye")
                return
            else:
                if verb == "RCPT":
                    self.recipients.append(rest.partition("<")[2].partition(">")[0])
                await _say(writer, "250 ok")

    def _check(self, rest: str) -> str:
        _, user, password = base64.b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")
        if (user, password) != self._login:
            return "535 no"
        self.signed_in.append(user)
        return "235 yes"

    def _take(self, raw: bytes, *, encrypted: bool) -> None:
        message = message_from_bytes(raw.removesuffix(b".\r\n"), policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        self.encrypted.append(encrypted)


async def _say(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(text.encode() + b"\r\n")
    await writer.drain()
