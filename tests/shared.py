"""Find the real data that the project may not carry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"

SOL_2026 = "prices/sol_usd_1m_jupiter_2026-07-05_2026-07-19.csv.gz"
SOL_2021 = "prices/sol_usdt_1m_binance_2021-09-17_2021-10-17.csv.gz"


def shared_path(name: str) -> Path:
    """Return a file or folder of the shared data, or skip the test and say what is missing."""
    path = Path(os.environ.get("ORDERENGINE_DATA") or _DEFAULT) / name
    if not path.exists():
        pytest.skip(f"real data is absent: {path}; ORDERENGINE_DATA can name its folder")
    return path


def shared_file(name: str) -> str:
    """Return ``shared_path`` as text."""
    return str(shared_path(name))
