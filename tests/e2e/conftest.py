from __future__ import annotations

from pathlib import Path

import pytest

from e2e.act import ACT, Act


@pytest.fixture(scope="session")
def act_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not ACT.exists():
        pytest.fail(f"{ACT} is missing: run `make setup`")
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def act(tmp_path: Path, act_home: Path) -> Act:
    return Act(tmp_path, act_home)
