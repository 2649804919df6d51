"""Every setting, typed and read once. A start with wrong settings lists all that is wrong and exits 78.

Values come from the environment or `.env`; a secret may also come from a file named by `<NAME>_FILE`. Everything has a
default that is safe for paper trading on one machine.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from decimal import Decimal
from difflib import get_close_matches
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal, LiteralString
from urllib.parse import urlsplit

from pydantic import Field, ModelWrapValidatorHandler, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from modules.domain.errors import Misconfigured

EXIT_MISCONFIGURED = 78
KILL_FILE = "KILL"
_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=")
_PRICE_KINDS = ("auto", "live", "simulated")


class Settings(BaseSettings):
    """The settings of one installation; field names are the variable names in lower case."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    data_dir: Path = Path("var")
    port: Annotated[int, Field(ge=1, le=65535)] = 5000
    host: str = "127.0.0.1"
    database_url: str = ""
    redis_url: str = ""
    secret_key: SecretStr = SecretStr("")
    master_key: SecretStr = SecretStr("")
    master_key_old: SecretStr = SecretStr("")
    admin_email: str = "operator@localhost"
    admin_password: SecretStr = SecretStr("")
    registration: Literal["open", "closed"] = "open"
    public_url: str = ""
    smtp_url: SecretStr = SecretStr("")
    mail_from: str = "VerzekAutoTrader <no-reply@localhost>"

    prices: str = "auto"
    speed: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    price_exchange: Literal["binance", "binanceusdm", "bybit", "bybitlinear"] = "binanceusdm"
    stale_after_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30.0

    telegram_bot_token: SecretStr = SecretStr("")
    telegram_bot_name: str = ""
    telegram_bot_api: str = "https://api.telegram.org"
    telegram_webhook_secret: SecretStr = SecretStr("")
    telegram_webhook_url: str = ""
    telegram_webhook_port: Annotated[int, Field(ge=1, le=65535)] = 8443
    telegram_api_id: int = 0
    telegram_api_hash: SecretStr = SecretStr("")
    telegram_session: SecretStr = SecretStr("")
    telegram_channels: Annotated[tuple[str, ...], NoDecode] = ()
    telegram_operators: Annotated[tuple[str, ...], NoDecode] = ()
    vip_chat_id: str = ""
    trial_chat_id: str = ""

    trading: Literal["paper", "live"] = "paper"
    i_understand_live_trading: str = ""
    exchange_urls: Annotated[dict[str, Any], NoDecode] = Field(default_factory=dict)
    max_order_value: Annotated[Decimal, Field(gt=0)] = Decimal(100_000)
    max_position_value: Annotated[Decimal, Field(gt=0)] = Decimal(250_000)
    max_leverage: Annotated[Decimal, Field(ge=1)] = Decimal(50)
    max_daily_loss: Annotated[Decimal, Field(gt=0)] = Decimal(10_000)
    max_orders_per_minute: Annotated[int, Field(ge=1)] = 600
    paper_balance: Annotated[Decimal, Field(gt=0)] = Decimal(10_000)
    paper_slippage_bps: Annotated[Decimal, Field(ge=0, le=1000)] = Decimal(1)
    late_after_seconds: Annotated[int, Field(ge=1)] = 900

    trust_proxy: Annotated[int, Field(ge=0, le=8)] = 0
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    rate_user_per_minute: Annotated[int, Field(ge=1)] = 600
    rate_address_per_minute: Annotated[int, Field(ge=1)] = 1200
    rate_auth_per_minute: Annotated[int, Field(ge=1)] = 30

    allow_http_webhooks: bool = False
    allow_private_webhooks: bool = False
    webhook_ports: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], NoDecode] = (80, 443, 8443)
    push_contact: str = ""
    fcm_credentials: Path | None = None

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("telegram_channels", "telegram_operators", "cors_origins", "webhook_ports", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("exchange_urls", mode="before")
    @classmethod
    def _json_object(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"must be JSON: {error}") from error

    @field_validator("prices")
    @classmethod
    def _price_source(cls, value: str) -> str:
        kind, _, path = value.partition(":")
        if value in _PRICE_KINDS:
            return value
        if kind not in ("replay", "follow") or not path:
            raise ValueError("must be auto, live, simulated, replay:PATH or follow:PATH")
        if kind == "replay" and not Path(path).exists():
            raise ValueError(f"there is no {path} to replay")
        if kind == "follow" and (Path(path).is_dir() or not Path(path).absolute().parent.is_dir()):
            raise ValueError(f"{path} must be a file in a folder that exists; it may still be empty or missing")
        return value

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not value or value.startswith(("http://", "https://")):
            return value.rstrip("/")
        raise ValueError("must start with http:// or https://")

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        try:
            parts = urlsplit(url)
            right = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            right = False
        if url and not right:
            raise ValueError("must be smtp[s]://[user:password@]host[:port]")
        return value

    @field_validator("mail_from")
    @classmethod
    def _mail_address(cls, value: str) -> str:
        if "@" not in parseaddr(value)[1] or not value.isprintable():
            raise ValueError("must be an address, as in Name <name@example.com>")
        return value

    @field_validator("database_url")
    @classmethod
    def _engine(cls, value: str) -> str:
        if not value or value.startswith(("sqlite:///", "postgresql://")):
            return value
        raise ValueError("must start with sqlite:/// or postgresql://")

    @model_validator(mode="wrap")
    @classmethod
    def _complete(cls, data: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        """What must go together is looked at even where single values are wrong: a start lists everything at once."""
        found: list[InitErrorDetails] = []
        made: Settings | None = None
        try:
            made = handler(data)
        except ValidationError as error:
            for each in error.errors():
                kind = PydanticCustomError("setting", "{said}", {"said": each["msg"]})
                found.append({"type": kind, "loc": each["loc"], "input": None})
        wrong = {str(each["loc"][0]) for each in found if each.get("loc")}
        found += [
            {"type": PydanticCustomError("conflict", each), "input": None} for each in _conflicts(dict(data), wrong)
        ]
        if made is None or found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return made

    @property
    def store_url(self) -> str:
        """Address of the store; by default one SQLite file in the data directory."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'verzek.db').resolve()}"

    @property
    def web_address(self) -> str:
        """Where people reach this installation, for links in mails."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def kill_file(self) -> Path:
        return self.data_dir / KILL_FILE


def _conflicts(given: dict[str, Any], wrong: set[str]) -> list[LiteralString]:
    """Settings that only make sense together, as far as each of them is right by itself."""
    found: list[LiteralString] = []
    if given.get("trading") == "live" and given.get("i_understand_live_trading") != "yes":
        found.append("TRADING=live also needs I_UNDERSTAND_LIVE_TRADING=yes")
    reader = {name: _text(given.get(name)) for name in ("telegram_api_id", "telegram_api_hash", "telegram_session")}
    if any(reader.values()) and not all(reader.values()) and not wrong & reader.keys():
        found.append("TELEGRAM_API_ID, TELEGRAM_API_HASH and TELEGRAM_SESSION go together")
    return found


def _text(value: Any) -> str:
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    return "" if plain in (None, 0, "0") else str(plain)


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process. Raises Misconfigured listing every problem at once."""
    problems = _env_file_problems(Path(".env"))
    try:
        made = Settings(**{**_secrets_from_files(), **overrides})
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]).upper() if problem["loc"] else ""
            message = problem["msg"].removeprefix("Value error, ")
            problems.append(f"{name}: {message}" if name else message)
        raise Misconfigured(problems) from None
    if problems:
        raise Misconfigured(problems)
    return made


def _env_file_problems(path: Path) -> list[str]:
    """Lines of `.env` that are none, and names that are nearly a setting's: a mistyped maximum would silently not hold.

    Names like no setting's are left alone: other tools read the same file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        return [f".env: can't be read ({error})"]
    known = {name.upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    problems = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        matched = _ENV_LINE.match(line)
        if matched is None:
            problems.append(f".env line {number}: must be NAME=value")
        elif matched[1] not in known and (near := get_close_matches(matched[1].upper(), known, n=1, cutoff=0.85)):
            problems.append(f".env line {number}: there is no setting {matched[1]}; did you mean {near[0]}?")
    return problems


def ensure_data_dir(settings: Settings) -> None:
    """Makes the data directory with its folders. Raises Misconfigured when that is not possible."""
    try:
        if not settings.data_dir.exists():
            settings.data_dir.mkdir(parents=True, mode=0o700)  # it holds keys and what people wrote
        for folder in (
            settings.data_dir,
            settings.data_dir / "run",
            settings.data_dir / "bells",
            settings.data_dir / "inbox",
        ):
            folder.mkdir(parents=True, exist_ok=True)
        probe = settings.data_dir / "run" / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Misconfigured([f"DATA_DIR: {settings.data_dir} can't be written: {error.strerror}"]) from error


def kept_secret(settings: Settings, name: Literal["secret_key", "master_key"]) -> str:
    """The key from the settings, else the one kept in the data directory, made there (mode 600) on first use."""
    given: str = getattr(settings, name).get_secret_value()
    return given or keep_once(settings.data_dir / f"{name}", secrets.token_urlsafe(48))


def keep_once(path: Path, value: str) -> str:
    """The content of `path`, written as `value` (mode 600) by whoever comes first."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text(encoding="utf-8").strip()


def _secrets_from_files() -> dict[str, str]:
    found: dict[str, str] = {}
    problems: list[str] = []
    for name in Settings.model_fields:
        path = os.environ.get(f"{name.upper()}_FILE")
        if not path:
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            problems.append(f"{name.upper()}_FILE: {path} can't be read: {error.strerror}")
    if problems:
        raise Misconfigured(problems)
    return found
