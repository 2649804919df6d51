"""How a mail leaves: by a mail server (SMTP), or as a file that a person can open, where no server is named.

A sender blocks until the server answered; whoever calls it does so beside the event loop. Nothing here decides what is sent,
to whom, or how often it is tried.
"""

from __future__ import annotations

import ipaddress
import os
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modules.accounts.mail_wording import Written
from modules.accounts.mails import MailSender
from modules.domain.errors import Misconfigured, Rejected, Unavailable
from modules.runtime.logs import log
from modules.runtime.settings import Settings

TIMEOUT_SECONDS = 20.0
_PORTS = {"smtp": 587, "smtps": 465}
#: Answers that concern the server's state or our rights there, not this mail: they may be different tomorrow.
_PASSING = frozenset({421, 450, 451, 452, 454, 530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where to hand in mail. `smtps` speaks TLS from the first byte, `smtp` asks for it (STARTTLS) where it is offered."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""

    @classmethod
    def from_url(cls, url: str) -> MailServer:
        """`smtp[s]://[user:password@]host[:port]`. Raises Misconfigured when it is not that."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise Misconfigured(["SMTP_URL: must be smtp[s]://[user:password@]host[:port]"]) from None
        if not parts.hostname:
            raise Misconfigured(["SMTP_URL: names no host"])
        return cls(parts.scheme, parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))


class SmtpSender:
    """Hands each mail in over a connection of its own."""

    def __init__(
        self,
        server: MailServer,
        mail_from: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._from = mail_from
        self._timeout = timeout_seconds
        self._tls = tls or ssl.create_default_context()

    def send(self, mail_id: str, to: str, written: Written, at: datetime) -> None:
        """Raises Unavailable when another try may work, Rejected when the server will never take this mail."""
        message = compose(mail_id, self._from, to, written, at)
        try:
            with self._connected() as session:
                session.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            code, text = next(iter(refused.recipients.values()))
            raise _judged(code, text) from refused
        except smtplib.SMTPResponseException as answer:
            raise _judged(answer.smtp_code, answer.smtp_error) from answer
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable(f"the mail server {self._server.host} can't be used: {error}") from error

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.scheme == "smtps":
            session: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=self._tls)
        else:
            session = smtplib.SMTP(server.host, server.port, timeout=self._timeout)
        try:
            session.ehlo()
            encrypted = server.scheme == "smtps"
            if not encrypted and session.has_extn("starttls"):
                session.starttls(context=self._tls)
                session.ehlo()
                encrypted = True
            if server.user:
                if not encrypted and not _is_this_machine(server.host):
                    raise Unavailable(f"the mail server {server.host} offers no encryption: it gets no password")
                session.login(server.user, server.password)
        except BaseException:
            with suppress(smtplib.SMTPException, OSError):
                session.close()
            raise
        return session


class FileSender:
    """Writes each mail into a folder as NAME.eml, for machines without a mail server."""

    def __init__(self, folder: Path, mail_from: str) -> None:
        self._folder = folder
        self._from = mail_from

    def send(self, mail_id: str, to: str, written: Written, at: datetime) -> None:
        """Raises Unavailable when the folder can't be written to."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"{mail_id}.eml"
            draft = path.with_suffix(".part")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(compose(mail_id, self._from, to, written, at).as_bytes())
            draft.replace(path)
        except OSError as error:
            raise Unavailable(f"{self._folder} can't be written: {error.strerror}") from error


def mail_sender(settings: Settings) -> MailSender:
    """The sender that the settings ask for: SMTP_URL's server, else files in DATA_DIR/mail, which the log says."""
    url = settings.smtp_url.get_secret_value()
    if url:
        return SmtpSender(MailServer.from_url(url), settings.mail_from)
    folder = settings.data_dir / "mail"
    log("mail").info("no SMTP_URL: mails are written to files", folder=str(folder))
    return FileSender(folder, settings.mail_from)


def compose(mail_id: str, mail_from: str, to: str, written: Written, at: datetime) -> EmailMessage:
    """The message. Its Message-ID comes from the row: a mail that goes out twice is known for the same."""
    message = EmailMessage()
    message["From"] = mail_from
    message["To"] = to
    message["Subject"] = written.subject
    message["Date"] = format_datetime(at)
    domain = parseaddr(mail_from)[1].partition("@")[2] or "localhost"
    message["Message-ID"] = f"<{mail_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(written.text)
    return message


def _judged(code: int, text: bytes | str) -> Unavailable | Rejected:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    sentence = f"the mail server answered {code} {said}"[:300]
    return Unavailable(sentence) if code in _PASSING or code < 500 else Rejected(sentence)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
