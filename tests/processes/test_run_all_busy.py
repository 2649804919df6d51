"""A store that another process keeps locked for a moment is no wrong setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from database import StoreBusy
from modules import wiring
from modules.domain.errors import Misconfigured
from modules.runtime.settings import Settings


def test_a_locked_store_is_not_a_wrong_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise StoreBusy("another process kept the file locked")

    monkeypatch.setattr(wiring, "open_records", locked)
    try:
        wiring.open_core(Settings(_env_file=None, data_dir=tmp_path))
    except Misconfigured:
        pytest.fail("it is no wrong setting")
    except Exception:
        pass
