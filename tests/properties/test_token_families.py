"""Token families: whatever is tried in whatever order, only the newest token of a living family is good."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from modules.accounts.first_start import prepare
from modules.accounts.office import Caller, open_office
from modules.accounts.passwords import Passwords
from modules.accounts.sessions import IDLE_LIFETIME, Grant, Sessions
from modules.accounts.tokens import read_refresh
from modules.domain.errors import NotFound, NotSignedIn
from modules.domain.people import Principal, Role
from modules.records import open_records
from modules.runtime.settings import Settings
from tests.fakes.clock import ScriptedClock

HERE = Caller("203.0.113.7", "test")


class Families(RuleBasedStateMachine):
    """The model: for every session its newest token, or None once it ended."""

    grants = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        self.clock = ScriptedClock()
        self.store = open_records(f"sqlite:///{folder / 'f.db'}", folder)
        given = Settings(_env_file=None, data_dir=folder)
        prepare(self.store, given, self.clock.now())
        self.office = open_office(self.store, self.clock, given, Passwords(1, 64, 1))
        self.sessions = Sessions(self.office)
        self.newest: dict[str, str | None] = {}
        self.ends: dict[str, float] = {}

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(target=grants)
    def sign_in(self) -> Grant:
        with self.store.transaction() as tx:
            user = tx["users"].get(key="operator") or {}
            grant = self.sessions.open(tx, user, "password", HERE, self.clock.now())
        self._is_newest(grant)
        return grant

    @rule(target=grants, grant=grants)
    def refresh(self, grant: Grant) -> Grant:
        expected = self._good(grant.session_id) == grant.refresh_token
        try:
            renewed = self.sessions.renew(grant.refresh_token, HERE)
        except NotSignedIn:
            assert not expected
            if self._good(grant.session_id) is not None:
                self.newest[grant.session_id] = None  # a used token came back: the family is over
            return grant
        assert expected
        self._is_newest(renewed)
        return renewed

    @rule(grant=grants)
    def sign_out_by_any_token_of_the_family(self, grant: Grant) -> None:
        self.sessions.end_by_token(grant.refresh_token, HERE)
        self.newest[grant.session_id] = None

    @rule(grant=consumes(grants))
    def end_by_id(self, grant: Grant) -> None:
        who = Principal("operator", Role.OWNER, "access_token", session_id=grant.session_id)
        good = self._good(grant.session_id) is not None
        try:
            self.sessions.end(who, grant.session_id, HERE)
            assert good
        except NotFound:
            assert not good
        self.newest[grant.session_id] = None

    @rule(grant=grants, other=st.text(alphabet="Aa0_-", min_size=43, max_size=43))
    def forge(self, grant: Grant, other: str) -> None:
        parts = read_refresh(grant.refresh_token)
        assert parts is not None
        if other != parts.proof:
            for generation in (parts.generation, parts.generation + 1, 0):
                try:
                    self.sessions.renew(f"vzk_r_{parts.session_id}_{generation}_{other}", HERE)
                    raise AssertionError("a forged token was taken")
                except NotSignedIn:
                    pass

    @rule(seconds=st.sampled_from([1, 899, 901, 86_400, 29 * 86_400, 31 * 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def a_session_goes_on_as_the_model_says(self) -> None:
        living = {row["id"] for row in self.sessions.of_user("operator", self.clock.now())}
        assert living == {each for each in self.newest if self._good(each) is not None}

    def _is_newest(self, grant: Grant) -> None:
        self.newest[grant.session_id] = grant.refresh_token
        self.ends[grant.session_id] = self.clock.now().timestamp() + min(
            grant.lasts_seconds, IDLE_LIFETIME.total_seconds()
        )

    def _good(self, session_id: str) -> str | None:
        if self.clock.now().timestamp() >= self.ends[session_id]:
            return None
        return self.newest[session_id]


TestFamilies = Families.TestCase
TestFamilies.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
