"""How one's account trades: every setting by name, in the words chat uses; and the same in the predecessor's groups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.orders import AccountQuery, SettingsBody, SettingValue, UserPath
from api.gate import current, needs, origin
from api.rooms import Rooms, answer
from api.scope import own_account
from modules.accounts.audit import record
from modules.accounts.permissions import Verb
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.money import plain
from modules.domain.people import Account
from modules.domain.plans import TradeSettings
from modules.records import from_document, to_document
from modules.trading.settings_edit import EDITABLE, describe, edit

Answer = tuple[Any, int]
_RISK = {"sizing", "size", "leverage_cap", "default_leverage", "require_stop", "default_stop_percent"}
_RISK |= {name for name, field in EDITABLE.items() if field.part == "limits"}
#: The predecessor's documents, and which settings each holds.
GROUPS: Mapping[str, Collection[str]] = {
    "risk": _RISK,
    "dca": {"dca"},
    "strategy": EDITABLE.keys() - _RISK - {"dca"},
}


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("trade_settings", __name__, url_prefix="/api", abp_tags=[Tag(name="trade settings")])

    @blueprint.get("/trade-settings", summary="Every setting with its meaning, range and example")
    @needs(Verb.READ_TRADES)
    def trade_settings(query: AccountQuery) -> Answer:
        return answer(_whole(own_account(rooms, query.account_id)))

    @blueprint.patch("/trade-settings", summary="Change settings by name; all or none")
    @needs(Verb.TRADE)
    def change_trade_settings(body: SettingsBody) -> Answer:
        account = own_account(rooms, body.account_id)
        return answer(_whole(change_settings(rooms, account, body.settings)))

    for group in GROUPS:
        _group(blueprint, rooms, group)
    return blueprint


def _group(blueprint: APIBlueprint, rooms: Rooms, group: str) -> None:
    """GET and PUT of one of the predecessor's settings documents, for oneself only."""

    @needs(Verb.READ_TRADES)
    def read(path: UserPath) -> Answer:
        return answer(_part(_own(rooms, path.user_id), group))

    @needs(Verb.TRADE)
    def write(path: UserPath, body: SettingsBody) -> Answer:
        """Changes one group of the settings. Raises InvalidInput for a name that is not of the group."""
        account = _own(rooms, path.user_id)
        strange = sorted(name for name in body.settings if name not in GROUPS[group])
        if strange:
            wrong = dict.fromkeys(strange, f"is not a setting of {group}")
            raise InvalidInput("; ".join(f"{name} {why}" for name, why in wrong.items()), fields=wrong)
        return answer(_part(change_settings(rooms, account, body.settings), group))

    read.__name__, write.__name__ = f"read_{group}", f"write_{group}"
    rule = f"/users/<user_id>/{group}"
    blueprint.get(rule, summary=f"One's {group} settings")(read)
    blueprint.put(rule, summary=f"Change one's {group} settings")(write)


def change_settings(rooms: Rooms, account: Account, given: Mapping[str, SettingValue | Decimal]) -> Account:
    """The account with the settings changed, stored and audited in one transaction. Raises InvalidInput naming each field."""
    words = {name: _word(value) for name, value in given.items()}
    return _store(rooms, account, lambda held: edit(held, words))


def set_settings(rooms: Rooms, account: Account, wanted: TradeSettings) -> Account:
    """The same for settings that are made already."""
    return _store(rooms, account, lambda _held: wanted)


def _store(rooms: Rooms, account: Account, change: Callable[[TradeSettings], TradeSettings]) -> Account:
    with rooms.store.transaction(durable=True) as tx:
        held: Account = from_document(Account, tx["accounts"].get(key=account.id) or to_document(account))
        changed = change(held.settings)
        before = {name: value for name, value, _ in describe(held.settings)}
        after = {name: value for name, value, _ in describe(changed) if before[name] != value}
        if after:
            tx["accounts"].update({"settings": to_document(changed)}, key=account.id)
            record(
                tx,
                current(),
                "settings.change",
                f"account:{account.id}",
                now=rooms.clock.now(),
                origin=origin(),
                before={name: before[name] for name in after},
                after=after,
            )
    return own_account(rooms, account.id)


def _word(value: SettingValue | Decimal) -> str:
    """A JSON value in the words that settings are read from."""
    match value:
        case None:
            return "off"
        case bool():
            return "on" if value else "off"
        case Decimal():
            return plain(value)
    return str(value)


def _own(rooms: Rooms, user_id: str) -> Account:
    if user_id not in (current().user_id, "me"):
        raise NotFound("There is no such user.")
    return own_account(rooms)


def _whole(account: Account) -> dict[str, Any]:
    fields = [
        {
            "name": name,
            "value": value,
            "meaning": meaning,
            "type": EDITABLE[name].type,
            "range": EDITABLE[name].range,
            "example": EDITABLE[name].example,
        }
        for name, value, meaning in describe(account.settings)
    ]
    return {"account_id": account.id, "settings": {each["name"]: each["value"] for each in fields}, "fields": fields}


def _part(account: Account, group: str) -> dict[str, Any]:
    held = {name: value for name, value, _ in describe(account.settings) if name in GROUPS[group]}
    return {"user_id": account.user_id, "account_id": account.id, group: held}
