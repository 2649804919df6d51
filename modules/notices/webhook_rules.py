"""What an outgoing webhook may be: its address, its events, its signature, when it is tried again and when it is given up.

Pure. Nothing here resolves a name or opens a connection; `modules.connections.safe_http` does, by these rules.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import SplitResult, urlsplit

from modules.domain.errors import InvalidInput
from modules.domain.events import EventKind

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: What a subscriber's program hears of, and under which name.
EVENT_TYPES: Mapping[EventKind, str] = {
    EventKind.SIGNAL_RECEIVED: "signal.received",
    EventKind.SIGNAL_REFUSED: "signal.refused",
    EventKind.UPDATE_RECEIVED: "signal.update",
    EventKind.UPDATE_UNBOUND: "signal.update_unbound",
    EventKind.SIGNAL_ENTERED: "signal.entered",
    EventKind.SIGNAL_TARGET_HIT: "signal.target_hit",
    EventKind.SIGNAL_STOP_MOVED: "signal.stop_moved",
    EventKind.SIGNAL_CLOSED: "signal.closed",
    EventKind.PLAN_MADE: "plan.made",
    EventKind.PLAN_ENDED: "plan.ended",
    EventKind.TRADE_REFUSED: "trade.refused",
    EventKind.REQUEST_REFUSED: "request.refused",
    EventKind.ORDER_SUBMITTED: "order.submitted",
    EventKind.ORDER_OPENED: "order.opened",
    EventKind.ORDER_FILLED: "order.filled",
    EventKind.ORDER_ENDED: "order.ended",
    EventKind.ORDER_UNKNOWN: "order.unknown",
    EventKind.POSITION_OPENED: "position.opened",
    EventKind.TARGET_HIT: "position.target_hit",
    EventKind.STOP_MOVED: "position.stop_moved",
    EventKind.POSITION_CLOSED: "position.closed",
    EventKind.SAFETY_CHANGED: "safety.changed",
    EventKind.PRICES_STALE: "prices.stale",
    EventKind.PRICES_BACK: "prices.back",
}
TEST_TYPE = "webhook.test"
_TYPES = frozenset(EVENT_TYPES.values())
_FAMILIES = frozenset(name.partition(".")[0] for name in _TYPES)

#: Waits before the second and every further try; after the last one a delivery is given up (about a day).
RETRY_SECONDS = (5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200)
JITTER = 0.2
#: A hook is switched off after this many failures in a row, the first at least this long ago.
DISABLE_FAILURES = 20
DISABLE_AFTER = timedelta(hours=1)

_MAX_URL = 2_000
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?\Z"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
#: Routable by number, yet a cloud provider's own service inside every machine.
_PROVIDERS = (ipaddress.ip_network("168.63.129.16/32"), ipaddress.ip_network("192.88.99.0/24"))
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: Inside 2000::/3 and yet no place on the internet: tunnels that carry an IPv4 address, protocol use, documentation.
_NOT_HOSTS_V6 = tuple(ipaddress.IPv6Network(each) for each in ("2002::/16", "2001::/23", "2001:db8::/32", "3fff::/20"))


@dataclass(frozen=True, slots=True)
class OutboundRules:
    """Where this installation may send what users asked for. The defaults are the strict ones."""

    allow_http: bool = False
    allow_private: bool = False
    ports: frozenset[int] = frozenset({80, 443, 8443})


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart: `host` as it goes into DNS and TLS, `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str, rules: OutboundRules) -> Target:
    """The parts of an address that something may be sent to.

    Raises InvalidInput (`forbidden_url`) for another scheme or port, credentials, a host that is none, and a host written as
    an address that is not public. A name is judged by its addresses, when it is resolved.
    """
    parts, port = _split(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if port is None:
        port = _DEFAULT_PORTS.get(scheme, 0)
    literal = _literal(host)
    schemes = ("https", "http") if rules.allow_http else ("https",)
    demands = (
        (scheme in schemes, "must begin with " + " or ".join(f"{each}://" for each in schemes)),
        ("@" not in parts.netloc, "must not carry a user name or password"),
        (port in rules.ports, f"must use one of the ports {', '.join(map(str, sorted(rules.ports)))}"),
        (literal is not None or _HOST.match(host), "names no host"),
        (literal is None or rules.allow_private or is_public(literal), "is not a public address"),
    )
    for met, demand in demands:
        if not met:
            raise _forbidden(demand)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme, host if literal is None else str(literal), port, path)


def is_public(address: Address | str) -> bool:
    """Whether an IP address is a host on the public internet: not private, loopback, link-local, shared, multicast, ...

    An IPv6 address that stands for an IPv4 one (mapped, NAT64) is judged by that one; obsolete tunnels are refused.
    """
    if isinstance(address, str):
        found = _literal(address)
        if found is None:
            return False
        address = found
    if isinstance(address, ipaddress.IPv4Address):
        listed = any(address in each for each in _PROVIDERS)
        return address.is_global and not (address.is_multicast or address.is_reserved or listed)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _GLOBAL_V6 and not any(address in each for each in _NOT_HOSTS_V6)


def checked_events(events: Iterable[str]) -> tuple[str, ...]:
    """The event names a hook asks for, each once, sorted: a type, all of a family (`position.*`), or `*`.

    Raises InvalidInput for a name that does not exist, or none at all.
    """
    wanted = sorted(set(events))
    unknown = [each for each in wanted if not _known(each)]
    if unknown or not wanted:
        known = ", ".join(("*", *sorted(f"{each}.*" for each in _FAMILIES), *sorted(_TYPES)))
        said = f"there is no event {unknown[0][:60]!r}" if unknown else "name at least one event"
        raise InvalidInput(f"{said}; there are: {known}", fields={"events": said})
    return tuple(wanted)


def wants(events: Iterable[str], name: str) -> bool:
    """Whether a hook with these events hears of this type."""
    return any(each in ("*", name) or each == name.partition(".")[0] + ".*" for each in events)


def signing_secret(root: str, hook_id: str, salt: str) -> str:
    """The secret that hook signs with. Derived, so that no store, backup or export holds it; another salt is another."""
    digest = hmac.new(root.encode(), f"webhook\n{hook_id}\n{salt}".encode(), hashlib.sha256).digest()
    return "whsec_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def signature(secret: str, at_seconds: int, body: bytes) -> str:
    """The value of X-Verzek-Signature: `t=<unix seconds>,v1=<hex of HMAC-SHA256 of "t.body">`."""
    digest = hmac.new(secret.encode(), b"%d." % at_seconds + body, hashlib.sha256).hexdigest()
    return f"t={at_seconds},v1={digest}"


def wait_before(attempt: int, draw: float) -> float | None:
    """Seconds until the try after `attempt` failed ones, spread by `draw` in 0..1; None when it is given up."""
    if attempt > len(RETRY_SECONDS):
        return None
    return RETRY_SECONDS[attempt - 1] * (1 + JITTER * (2 * draw - 1))


def is_hopeless(failures: int, failing_since: datetime, now: datetime) -> bool:
    """Whether a hook that failed this often in a row since then is to be switched off."""
    return failures >= DISABLE_FAILURES and now - failing_since >= DISABLE_AFTER


def _known(name: str) -> bool:
    return name == "*" or name in _TYPES or (name.endswith(".*") and name[:-2] in _FAMILIES)


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The parts of an address and the port it names. Raises InvalidInput for text that is no address."""
    if len(url) > _MAX_URL or not url.isascii() or any(c <= " " or c in '\\\x7f"<>^`{|}' for c in url):
        raise _forbidden("is too long, or has characters that an address can't have")
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError as error:
        raise _forbidden(f"can't be read: {error}") from error


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _forbidden(why: str) -> InvalidInput:
    return InvalidInput(f"The address {why}.", code="forbidden_url", fields={"url": why})
