"""Logs as bytes: written, read and judged."""

from __future__ import annotations

import pytest
from helpers.loglines import diagnosis

from reports.logs import examine


@pytest.fixture
def read(tmp_path):
    """What a log of these bytes amounts to."""

    def read(text, name="server.log"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return examine(path)

    return read


@pytest.fixture
def told(read):
    """The same as short tuples."""
    return lambda text: diagnosis(read(text))
