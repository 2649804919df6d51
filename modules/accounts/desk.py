"""Everything about accounts under one roof, for the doors: they ask for `open_accounts` and use its parts."""

from __future__ import annotations

from dataclasses import dataclass

from database import Store
from modules.accounts.access import Access
from modules.accounts.api_keys import ApiKeys
from modules.accounts.linking import Linking
from modules.accounts.office import Office, open_office
from modules.accounts.personal_data import PersonalData
from modules.accounts.profile import Profile
from modules.accounts.recovery import Recovery
from modules.accounts.registration import Registration
from modules.accounts.sessions import Sessions
from modules.accounts.sign_in import SignIn
from modules.accounts.two_factor import TwoFactor
from modules.domain.ports import Clock
from modules.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Accounts:
    """The parts, over one store."""

    office: Office
    access: Access
    sessions: Sessions
    two_factor: TwoFactor
    sign_in: SignIn
    registration: Registration
    recovery: Recovery
    keys: ApiKeys
    profile: Profile
    personal_data: PersonalData
    linking: Linking


def open_accounts(store: Store, clock: Clock, settings: Settings) -> Accounts:
    """The accounts of one installation."""
    office = open_office(store, clock, settings)
    sessions, two_factor = Sessions(office), TwoFactor(office)
    return Accounts(
        office=office,
        access=Access(store, clock, settings, office),
        sessions=sessions,
        two_factor=two_factor,
        sign_in=SignIn(office, sessions, two_factor),
        registration=Registration(office),
        recovery=Recovery(office),
        keys=ApiKeys(office),
        profile=Profile(office),
        personal_data=PersonalData(office),
        linking=Linking(office),
    )
