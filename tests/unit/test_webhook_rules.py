"""The rules of outgoing webhooks: addresses, events, signatures, tries."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.domain.errors import InvalidInput
from modules.domain.events import EventKind
from modules.notices import webhook_rules as rules
from modules.notices.webhook_rules import OutboundRules, Target, target_of

STRICT = OutboundRules()
NOW = datetime(2025, 10, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("https://Example.COM./a?b=c&d", Target("https", "example.com.", 443, "/a?b=c&d")),
        ("HTTPS://example.com:8443/x#part", Target("https", "example.com", 8443, "/x")),
        ("https://93.184.215.14/", Target("https", "93.184.215.14", 443, "/")),
        ("https://[2606:4700::1111]/", Target("https", "2606:4700::1111", 443, "/")),
        ("https://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443, "/")),
    ],
)
def test_an_address_is_taken_apart(url: str, target: Target) -> None:
    assert target_of(url, STRICT) == target


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com", "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://x/",
        "https://", "https:///path", "https://user@example.com/", "https://user:pw@example.com/", "https://@example.com/",
        "https://example.com:22/", "https://example.com:0/", "https://example.com:99999/", "https://example.com:x/",
        "https://exa mple.com/", "https://example.com\\@127.0.0.1/", "https://example.com/\r\nX: y", "https://exämple.com/",
        "https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/",
        "https://0.0.0.0/", "https://224.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[fd00::1]/",
        "https://[2002:7f00:1::]/", "https://[fe80::1%25eth0]/", "https://[::]/", "https://[x]/", "https://[::1/",
        "https://-a.com/", "https://a..b/", "https://" + "a" * 64 + ".com/", "https://example.com/" + "x" * 2000,
        "https://example.com/{x}", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_a_forbidden_address_is_a_clear_no(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        target_of(url, STRICT)
    assert refused.value.code == "forbidden_url"
    assert "url" in refused.value.fields


def test_settings_open_what_tests_and_local_networks_need() -> None:
    open_rules = OutboundRules(allow_http=True, allow_private=True, ports=frozenset({80, 443, 9000}))
    assert target_of("http://192.168.1.5:9000/in", open_rules).authority == "192.168.1.5:9000"
    assert target_of("http://[::1]/", open_rules).authority == "[::1]"
    with pytest.raises(InvalidInput):
        target_of("http://192.168.1.5:9001/", open_rules)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_public_as_itself_and_in_every_disguise(number: int) -> None:
    plain = ipaddress.IPv4Address(number)
    assert rules.is_public(f"::ffff:{plain}") is rules.is_public(plain)
    assert rules.is_public(ipaddress.IPv6Address((0x64FF9B << 96) | number)) is rules.is_public(plain)
    assert not rules.is_public(ipaddress.IPv6Address((0x2002 << 112) | (number << 80)))
    if plain.is_private or plain.is_loopback or plain.is_link_local or plain.is_multicast or plain.is_unspecified:
        assert not rules.is_public(plain)


@given(st.integers(0, 2**128 - 1))
def test_an_ipv6_address_that_is_not_global_is_not_public(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    if rules.is_public(address):
        assert address in ipaddress.IPv6Network("2000::/3") or address in ipaddress.IPv6Network("64:ff9b::/96") or (
            address.ipv4_mapped is not None
        )  # fmt: skip
        assert not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_site_local)


@given(st.text(max_size=80))
def test_no_text_is_more_than_refused(text: str) -> None:
    try:
        target = target_of("https://" + text, STRICT)
    except InvalidInput:
        return
    assert target.scheme == "https"
    assert target.port in STRICT.ports
    assert target.path.startswith(("/", "?"))


def test_well_known_public_addresses_are_public() -> None:
    for address in ("1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "64:ff9b::808:808"):
        assert rules.is_public(address), address


def test_events_are_named_by_type_family_or_all() -> None:
    assert rules.checked_events(["signal.closed", "position.*", "signal.closed"]) == ("position.*", "signal.closed")
    assert rules.wants(("position.*",), "position.closed")
    assert rules.wants(("*",), "order.filled")
    assert not rules.wants(("position.*", "order.opened"), "order.filled")
    for wrong in ([], ["signal"], ["signal.nothing"], ["**"], [".*"], [""]):
        with pytest.raises(InvalidInput):
            rules.checked_events(wrong)


def test_every_fact_that_people_are_told_has_a_type() -> None:
    staff_only = {EventKind.MESSAGE_IGNORED, EventKind.ALARM, EventKind.RECONCILED}
    told = set(rules.EVENT_TYPES)
    assert not told & staff_only
    trade = {kind for kind in EventKind if kind.value.startswith(("Signal", "Order", "Position", "Plan"))}
    assert trade <= told
    assert len(set(rules.EVENT_TYPES.values())) == len(rules.EVENT_TYPES)


def test_the_signature_is_the_documented_one() -> None:
    # printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
    said = rules.signature("whsec_test", 1_700_000_000, b'{"id":"evt_1"}')
    assert said == "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925"
    assert said != rules.signature("whsec_test", 1_700_000_001, b'{"id":"evt_1"}')
    assert said != rules.signature("whsec_other", 1_700_000_000, b'{"id":"evt_1"}')


def test_secrets_differ_by_installation_hook_and_salt() -> None:
    made = {
        rules.signing_secret(*each) for each in (("r", "h", "s"), ("q", "h", "s"), ("r", "i", "s"), ("r", "h", "t"))
    }
    assert len(made) == 4
    assert all(each.startswith("whsec_") and len(each) > 40 for each in made)


def test_tries_wait_longer_and_end() -> None:
    waits = [rules.wait_before(attempt, 0.5) for attempt in range(1, 10)]
    assert waits[:-1] == [float(each) for each in rules.RETRY_SECONDS]
    assert waits[-1] is None
    assert rules.wait_before(1, 0.0) == pytest.approx(4)
    assert rules.wait_before(1, 1.0) == pytest.approx(6)


def test_a_hook_is_hopeless_only_after_many_failures_and_some_time() -> None:
    assert not rules.is_hopeless(100, NOW, NOW + timedelta(minutes=59))
    assert not rules.is_hopeless(19, NOW, NOW + timedelta(days=9))
    assert rules.is_hopeless(20, NOW, NOW + timedelta(hours=1))
