"""What looks like an attack, as rules over rows of the audit log. Decides only; `alerts` keeps and tells.

A burst is many deeds of one kind about one user, by one person or from one address within a while. A new network is a
sign-in from where and with what this user never signed in before: the first three parts of an IPv4 address (/24) or the
first three of an IPv6 address (/48). Where a network lies on earth is not known here and not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Row = Mapping[str, Any]
Field = Literal["who", "origin", "subject"]
UNKNOWN = frozenset({"", "user:unknown", "nobody", "system"})
SIGN_IN = "session.opened"


@dataclass(frozen=True, slots=True)
class Burst:
    """`count` rows whose action begins with one of `actions` and that share `field`, within `seconds`."""

    rule: str
    actions: tuple[str, ...]
    field: Field
    count: int
    seconds: int
    sentence: str

    def concerns(self, row: Row) -> bool:
        """Whether this row is one of those the rule counts."""
        return str(row["action"]).startswith(self.actions) and str(row[self.field]) not in UNKNOWN


@dataclass(frozen=True, slots=True)
class Finding:
    """Something suspicious: which rule, about whom or what, the sentence people read, and the rows that show it."""

    rule: str
    about: str
    sentence: str
    evidence: tuple[int, ...]


_MINUTES = 60
BURSTS = (
    Burst("failed_sign_ins", ("session.failed",), "subject", 5, 10 * _MINUTES, "failed sign-ins of one user"),
    Burst("guessing_address", ("session.failed",), "origin", 10, 10 * _MINUTES, "failed sign-ins from one address"),
    Burst("wrong_passwords", ("password.wrong",), "who", 3, 10 * _MINUTES, "wrong passwords in a signed-in session"),
    Burst("refused", ("access.refused",), "who", 20, 10 * _MINUTES, "refused requests of one person"),
    Burst(
        "key_changes",
        ("api_key.", "exchange_key.", "two_factor.", "password.changed", "email."),
        "who",
        6,
        10 * _MINUTES,
        "changes of keys and ways to sign in by one person",
    ),
    Burst("role_changes", ("user.role", "user.enabled"), "who", 10, 10 * _MINUTES, "changes of roles by one person"),
)


def bursts_of(row: Row) -> tuple[Burst, ...]:
    """The rules that must look at the recent past because of this row."""
    return tuple(each for each in BURSTS if each.concerns(row))


def burst(rule: Burst, row: Row, recent: Sequence[Row]) -> Finding | None:
    """Whether `row` completes a burst among the `recent` rows (which contain it)."""
    about, since = row[rule.field], int(row["at"]) - rule.seconds * 1000
    alike = [each for each in recent if rule.concerns(each) and each[rule.field] == about and since < each["at"]]
    if len(alike) < rule.count:
        return None
    minutes = rule.seconds // _MINUTES
    sentence = f"{len(alike)} {rule.sentence} within {minutes} minutes: {about}"
    return Finding(rule.rule, str(about), sentence, tuple(sorted(int(each["seq"]) for each in alike)))


def new_network(row: Row, earlier: Sequence[Row]) -> Finding | None:
    """Whether a sign-in comes from a network and a program that none of this user's `earlier` sign-ins came from.

    Either known one is enough to be no news: a known telephone moves, and a known home gets a new computer.
    """
    if not earlier or row["action"] != SIGN_IN:
        return None
    here, program = network_of(str(row["origin"])), _program(row)
    if any(network_of(str(each["origin"])) == here or (program and _program(each) == program) for each in earlier):
        return None
    country = (row.get("after") or {}).get("country")
    place = f"{here or 'an unknown address'}" + (f" ({country}, says the proxy)" if country else "")
    sentence = f"{row['subject']} signed in from a new network with a new program: {place}"
    return Finding("new_network", f"{row['subject']} {here}", sentence, (int(row["seq"]),))


def network_of(address: str) -> str:
    """The network of an address, as in 203.0.113.0/24; empty for what is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    found = mapped or parsed
    return str(ip_network((found, 24 if found.version == 4 else 48), strict=False))


def _program(row: Row) -> str:
    return str((row.get("after") or {}).get("agent") or "")
