"""How small logs are read here."""

from __future__ import annotations

import pytest

from afterbay_nodes.sources import log_player, log_reader


@pytest.fixture
def every_watermark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small reads and a promise at each watermark that ends one, so that few lines show what many would."""
    monkeypatch.setattr(log_player, "SETTLE_BYTES", 1)
    monkeypatch.setattr(log_reader, "BLOCK", 256)
