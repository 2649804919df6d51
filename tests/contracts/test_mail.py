"""Mails from their row to a mail server on loopback: sent once, tried again, given up, and never in the wrong hands."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from database import Store
from modules.accounts.mail_wording import Letter, Written, write
from modules.accounts.mails import MOST_TRIES, MailCourier, MailStatus, Reader, pause_after, post
from modules.connections.mail import FileSender, MailServer, SmtpSender, mail_sender
from modules.domain.errors import Misconfigured, Unavailable
from modules.domain.market import ms_from_utc
from modules.records import open_records
from modules.runtime.settings import Settings, load_settings
from tests.fakes.clock import ScriptedClock
from tests.fakes.smtp import SmtpServer

ANN = "ann@example.com"
FILLED = {"code": "abc", "at": "now", "address": "203.0.113.7"}
FROM = "Verzek <bot@example.org>"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_records(f"sqlite:///{tmp_path / 'mail.db'}", tmp_path)
    yield made
    made.close()


class Post:
    """A store, a clock, a courier and whatever it sends by."""

    def __init__(self, store: Store, sender: Any) -> None:
        self.store = store
        self.clock = ScriptedClock()
        self.courier = MailCourier(store, sender, "http://here")

    def write(self, letter: Letter = Letter.WELCOME, to: str = ANN, **more: Any) -> str:
        with self.store.transaction() as tx:
            return post(tx, to, letter, self.clock.now(), **more)

    async def turn(self) -> bool:
        return await self.courier.turn(self.clock.now())

    def row(self, mail_id: str) -> dict[str, Any]:
        return self.store["mails"].get(key=mail_id) or {}


def smtp(server: SmtpServer, **more: Any) -> SmtpSender:
    return SmtpSender(MailServer("smtp", "127.0.0.1", server.port), FROM, **{"timeout_seconds": 5.0, **more})


async def test_a_mail_goes_out_once_with_what_it_says(store: Store) -> None:
    async with SmtpServer() as server:
        house = Post(store, smtp(server))
        mail_id = house.write(Letter.RESET, fields={"code": "vzk_c_abc"})
        assert await house.turn() is False
        assert await house.turn() is False
    (mail,) = server.mails
    assert (mail["To"], mail["From"]) == (ANN, FROM)
    assert mail["Message-ID"] == f"<{mail_id}@example.org>"
    assert "http://here/#/reset-password/vzk_c_abc" in mail.get_content()
    row = house.row(mail_id)
    assert (row["status"], row["fields"]) == ("sent", {})  # the code is kept no longer than needed
    assert "vzk_c_abc" not in str(row)


async def test_of_whoever_left_not_even_the_address_stays(store: Store) -> None:
    async with SmtpServer() as server:
        house = Post(store, smtp(server))
        house.write(Letter.DELETED, fields={"at": "now"})
        await house.turn()
    assert len(server.mails) == 1
    assert store["mails"].all() == []


async def test_whether_somebody_reads_it_is_seen_when_it_is_made_out(store: Store) -> None:
    async with SmtpServer() as server:
        house = Post(store, smtp(server))
        nobody = house.write(Letter.RESET, fields={"code": "x"}, reader=Reader.ACCOUNT)
        store["users"].insert({"id": "u1", "email": "bob@example.com"})
        somebody = house.write(Letter.RESET, "bob@example.com", fields={"code": "x"}, reader=Reader.ACCOUNT)
        new = house.write(Letter.VERIFY, "new@example.com", fields=FILLED, reader=Reader.NO_ACCOUNT)
        known = house.write(
            Letter.VERIFY, "bob@example.com", fields={"code": "secret"}, reader=Reader.NO_ACCOUNT,
            otherwise=Letter.KNOWN_ALREADY,
        )  # fmt: skip
        await house.turn()
    assert [house.row(each)["status"] for each in (nobody, somebody, new, known)] == ["dropped", "sent", "sent", "sent"]
    subjects = {(mail["To"], mail["Subject"].partition(": ")[2]) for mail in server.mails}
    assert subjects == {
        ("bob@example.com", "Set a new password"),
        ("new@example.com", "Confirm your address"),
        ("bob@example.com", "You have an account already"),
    }
    assert "secret" not in "".join(mail.get_content() for mail in server.mails)


async def test_a_server_that_can_not_now_is_asked_again_later_and_later(store: Store) -> None:
    async with SmtpServer() as server:
        house = Post(store, smtp(server))
        server.answers["MAIL"] = "451 later"
        mail_id = house.write()
        for tries in range(1, MOST_TRIES):
            await house.turn()
            row = house.row(mail_id)
            assert (row["status"], row["tries"]) == ("queued", tries)
            assert "451 later" in row["error"]
            assert "451" in house.courier.trouble()
            house.clock.advance(pause_after(tries).total_seconds() - 1)
            await house.turn()
            assert house.row(mail_id)["tries"] == tries  # not before its time
            house.clock.advance(1)
        await house.turn()
        assert house.row(mail_id)["status"] == MailStatus.DEAD
        house.clock.advance(86_400)
        server.answers.clear()
        await house.turn()
    assert server.mails == []
    assert house.row(mail_id)["fields"] == {}


@pytest.mark.parametrize(("answers", "status"), [
    ({"RCPT": "550 nobody here"}, "dead"),
    ({"RCPT": "450 busy"}, "queued"),
    ({"MAIL": "553 not you"}, "dead"),
    ({"DATA": "554 no"}, "dead"),
    ({"DATA": "452 full"}, "queued"),
    ({"MAIL": "530 sign in first"}, "queued"),
])  # fmt: skip
async def test_a_final_no_is_final(store: Store, answers: dict[str, str], status: str) -> None:
    async with SmtpServer() as server:
        house = Post(store, smtp(server))
        server.answers = answers
        mail_id = house.write()
        await house.turn()
    assert house.row(mail_id)["status"] == status


async def test_one_mail_that_fails_holds_up_no_other(store: Store) -> None:
    class Picky(FileSender):
        def send(self, mail_id: str, to: str, written: Written, at: dt.datetime) -> None:
            if to == ANN:
                raise RuntimeError("not this one")

    house = Post(store, Picky(Path("/nowhere"), FROM))
    bad, good = house.write(), house.write(to="bob@example.com")
    await house.turn()
    assert [house.row(each)["status"] for each in (bad, good)] == ["queued", "sent"]


async def test_nobody_there_and_nobody_who_answers_are_passing(store: Store) -> None:
    async with SmtpServer() as server:
        gone = smtp(server)
        server.silent = True
        with pytest.raises(Unavailable):
            await asyncio.to_thread(smtp(server, timeout_seconds=0.2).send, "m", ANN, Written("s", "t"), _now())
    with pytest.raises(Unavailable):
        await asyncio.to_thread(gone.send, "m", ANN, Written("s", "t"), _now())


async def test_a_mail_that_was_under_way_when_the_process_died_is_sent_again(store: Store) -> None:
    async with SmtpServer() as server:
        house = Post(store, smtp(server))
        mail_id = house.write()
        in_five_minutes = ms_from_utc(house.clock.now()) + 300_000
        store["mails"].update({"status": "sending", "due_at": in_five_minutes}, key=mail_id)
        await house.turn()
    assert [mail["Message-ID"] for mail in server.mails] == [f"<{mail_id}@example.org>"]


async def test_many_mails_go_out_in_a_few_turns(store: Store) -> None:
    async with SmtpServer() as server:
        house = Post(store, smtp(server))
        for number in range(25):
            house.write(to=f"u{number}@example.com")
        turns = 1
        while await house.turn():
            turns += 1
    assert turns == 3
    assert sorted(server.recipients) == sorted(f"u{number}@example.com" for number in range(25))


async def test_starttls_and_sign_in(tmp_path: Path) -> None:
    theirs, ours = _certificate(tmp_path)
    async with SmtpServer(tls=theirs, login=("ann", "pass:word/")) as server:
        url = f"smtp://ann:pass%3Aword%2F@127.0.0.1:{server.port}"
        sender = SmtpSender(MailServer.from_url(url), FROM, timeout_seconds=5, tls=ours)
        await asyncio.to_thread(sender.send, "m1", ANN, Written("Hi", "there"), _now())
    assert (server.encrypted, server.signed_in) == ([True], ["ann"])


async def test_a_server_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    theirs, _ = _certificate(tmp_path)
    async with SmtpServer(tls=theirs, login=("ann", "x")) as server:
        sender = SmtpSender(MailServer("smtp", "127.0.0.1", server.port, "ann", "x"), FROM, timeout_seconds=5)
        with pytest.raises(Unavailable, match="certificate"):
            await asyncio.to_thread(sender.send, "m1", ANN, Written("Hi", "there"), _now())
    assert (server.mails, server.signed_in) == ([], [])


async def test_a_wrong_password_there_is_worth_another_try() -> None:
    async with SmtpServer(login=("ann", "right")) as server:
        sender = SmtpSender(MailServer("smtp", "127.0.0.1", server.port, "ann", "wrong"), FROM, timeout_seconds=5)
        with pytest.raises(Unavailable, match="535"):
            await asyncio.to_thread(sender.send, "m1", ANN, Written("Hi", "there"), _now())


def test_without_a_server_mails_are_files(tmp_path: Path) -> None:
    sender = mail_sender(Settings(_env_file=None, data_dir=tmp_path))
    sender.send("m1", ANN, write(Letter.VERIFY, FILLED, "http://here"), _now())
    path = tmp_path / "mail" / "m1.eml"
    assert path.stat().st_mode & 0o777 == 0o600
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["To"] == ANN
    assert "abc" in mail.get_body().get_content()  # type: ignore[attr-defined]
    assert list(path.parent.glob("*.part")) == []


def test_a_folder_that_can_not_be_written_is_passing(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file in the way")
    with pytest.raises(Unavailable):
        FileSender(tmp_path / "mail", FROM).send("m1", ANN, Written("s", "t"), _now())


@pytest.mark.parametrize("url", ["smtp://", "http://host", "smtp://host:x", "host", "smtp://host:99999"])
def test_a_wrong_address_of_a_server_is_said(url: str) -> None:
    with pytest.raises(Misconfigured, match="SMTP_URL"):
        load_settings(_env_file=None, smtp_url=url)
    with pytest.raises(Misconfigured):
        MailServer.from_url(url)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [("smtp://mail.example.com", "mail.example.com", 587), ("smtps://u:p@mail.example.com", "mail.example.com", 465),
     ("smtp://[::1]:2525", "::1", 2525)],
)  # fmt: skip
def test_addresses_of_servers(url: str, host: str, port: int) -> None:
    made = MailServer.from_url(url)
    assert (made.host, made.port) == (host, port)


@pytest.mark.parametrize("sender", ["", "nobody", "x@example.com\r\nBcc: y@example.com", "Name <>"])
def test_a_wrong_sender_is_said(sender: str) -> None:
    with pytest.raises(Misconfigured, match="MAIL_FROM"):
        load_settings(_env_file=None, mail_from=sender)


def test_a_password_goes_over_no_open_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain:
        def __init__(self, *_arguments: object, **_named: object) -> None:
            self.closed = False

        def ehlo(self) -> None: ...

        def has_extn(self, _name: str) -> bool:
            return False

        def login(self, *_arguments: str) -> None:
            pytest.fail("the password was sent")

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr("modules.connections.mail.smtplib.SMTP", Plain)
    sender = SmtpSender(MailServer("smtp", "mail.example.com", 25, "ann", "x"), FROM)
    with pytest.raises(Unavailable, match="no encryption"):
        sender.send("m1", ANN, Written("s", "t"), _now())


def test_what_others_wrote_adds_no_lines_to_a_mail() -> None:
    fields = {"name": "x\r\nBcc: all@example.com\r\n\r\nPay here", "at": "now", "address": "1.2.3.4"}
    text = write(Letter.KEY_CREATED, fields, "http://here").text
    assert "“x Bcc: all@example.com Pay here”" in text
    assert "{web}" not in write(Letter.KEY_CREATED, {**fields, "name": "{web}"}, "http://here").text.replace(
        "“{web}”", ""
    )


@pytest.mark.parametrize("letter", list(Letter))
def test_every_letter_can_be_written(letter: Letter) -> None:
    names = ("code", "at", "address", "agent", "name", "text", "user_id", "about", "quoted")
    fields = {name: name.upper() for name in names}
    made = write(letter, fields, "http://here")
    assert made.subject.startswith("VerzekAutoTrader: ")
    assert "{" not in made.text


def test_pauses_grow_and_end() -> None:
    pauses = [pause_after(tries).total_seconds() for tries in range(1, 30)]
    assert pauses[:4] == [15, 60, 240, 960]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 7200


def _now() -> dt.datetime:
    return ScriptedClock().now()


def _certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server on 127.0.0.1 and of a client that trusts it."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(path)
    return theirs, ssl.create_default_context(cadata=made.public_bytes(serialization.Encoding.PEM).decode())
