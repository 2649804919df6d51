"""Passwords, codes of the authenticator and the waits between tries: the rules by themselves."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from modules.accounts.attempts import Counter, counters, wait_seconds
from modules.accounts.passwords import SHORTEST, Passwords, check_new, made_up
from modules.accounts.two_factor import STEP_SECONDS, matching_step
from modules.domain.errors import InvalidInput
from tests.contracts.accounts_house import ANN, House

QUICK = Passwords(1, 64, 1)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOW = datetime(2025, 10, 15, 12, 0, 7, tzinfo=UTC)


def test_a_kept_password_is_salted_and_tells_nothing() -> None:
    one, two = QUICK.kept("four red boats"), QUICK.kept("four red boats")
    assert one != two
    assert "red" not in one
    assert one.startswith("$argon2id$")
    assert QUICK.matches(one, "four red boats")
    assert not QUICK.matches(one, "four red boat")


@given(st.text(max_size=60))
def test_what_was_kept_matches_and_nothing_matches_no_hash(password: str) -> None:
    assert QUICK.matches(QUICK.kept(password), password)
    assert not QUICK.matches(None, password)
    assert not QUICK.matches("", password)
    assert not QUICK.matches("no hash at all", password)


def test_the_same_characters_are_the_same_password_however_they_were_typed() -> None:
    assert QUICK.matches(QUICK.kept("cafe\u0301 au lait"), "caf\u00e9 au lait")


def test_other_parameters_are_seen() -> None:
    kept = QUICK.kept("x")
    assert not QUICK.outdated(kept)
    assert Passwords().outdated(kept)
    assert Passwords().outdated("no hash")


@pytest.mark.parametrize(
    "password", ["", "short 1", "password", "PASSWORD123", "aaaaaaaaaaaa", "abababababab", "x" * 257]
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_new(password)
    assert list(refused.value.fields) == ["password"]


@pytest.mark.parametrize("password", ["ann@example.com", "ANN@example.com", "annalotte"])
def test_the_address_is_no_password(password: str) -> None:
    with pytest.raises(InvalidInput):
        check_new(password, email="ann@example.com" if "@" in password else "annalotte@example.com")


def test_made_up_passwords_are_good_ones() -> None:
    made = {made_up() for _ in range(50)}
    assert len(made) == 50
    for each in made:
        check_new(each)
        assert len(each) > SHORTEST


@pytest.mark.parametrize("email", [ANN, "nobody@example.com"])
def test_a_wrong_sign_in_costs_the_same_work_for_every_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, email: str
) -> None:
    house = House(tmp_path)
    house.register()
    checked: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, kept: str, password: str) -> bool:
        checked.append(kept)
        return bool(verify(self, kept, password))

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    assert house.log_in(email, "wrong")[0] == 401
    (kept,) = checked
    assert "m=19456,t=2,p=1" in kept
    house.close()


def test_few_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 19 MiB: a hundred sign-ins at once must not take two gigabytes."""
    inside, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    def slow(_self: Any, *_arguments: Any) -> bool:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside == 4:
                full.set()
        full.wait(5)
        with lock:
            inside -= 1
        return True

    monkeypatch.setattr(PasswordHasher, "verify", slow)
    threads = [threading.Thread(target=QUICK.matches, args=("x", "y")) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == 4


@given(st.integers(-3, 3), st.integers(0, 10**9))
def test_a_code_fits_its_own_step_and_its_neighbours(offset: int, seconds: int) -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    step = int(now.timestamp()) // STEP_SECONDS
    found = matching_step(SECRET, pyotp.HOTP(SECRET).at(step + offset), now)
    if abs(offset) <= 1:
        assert found is not None
        assert abs(found - step) <= 1
    else:
        assert found is None or pyotp.HOTP(SECRET).at(found) == pyotp.HOTP(SECRET).at(step + offset)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=30))
def test_no_code_is_taken_twice_whatever_the_clock_does(moments: list[int]) -> None:
    after, taken = 0, []
    for each in moments:
        now = NOW + timedelta(seconds=each)
        step = matching_step(SECRET, pyotp.TOTP(SECRET).at(now), now, after=after)
        if step is not None:
            assert step > after
            taken.append(step)
            after = step
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "１２３４５６", "+12345", "12.345", "-12345"])
def test_what_is_no_code_fits_nothing(code: str) -> None:
    assert matching_step(SECRET, code, NOW) is None


def test_codes_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B, SHA-1, cut to six digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"
    for seconds, code in (
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_234_567_890, "005924"),
        (20_000_000_000, "353130"),
    ):
        assert matching_step(secret, code, datetime.fromtimestamp(seconds, UTC)) == seconds // 30


@given(st.integers(0, 10_000), st.integers(1, 50), st.integers(15, 7200))
def test_waits_grow_and_end(failures: int, free: int, longest: int) -> None:
    counter = Counter("k", free, longest)
    here, following = wait_seconds(failures, counter), wait_seconds(failures + 1, counter)
    assert 0 <= here <= following <= longest
    assert (here == 0) is (failures < free)


def test_counters_do_not_tell_which_addresses_were_tried() -> None:
    for each in counters("ann@example.com", "203.0.113.7"):
        assert "ann" not in each.key
        assert "203" not in each.key or len(each.key) == 64
    assert counters("a", "bc")[0].key != counters("ab", "c")[0].key
