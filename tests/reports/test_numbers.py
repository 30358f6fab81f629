"""How numbers are written."""

from __future__ import annotations

import pytest

from reports.numbers import count, rate, several, signed


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (count(1234567), "1\u202f234\u202f567"),
        (count(-12), "−12"),
        (signed(0), "0"),
        (signed(1234), "+1\u202f234"),
        (signed(-5), "−5"),
        (rate(-0.12345), "−0.123"),
        (rate(-13.33), "−13.3"),
        (rate(12345.6), "+12\u202f346"),
        (rate(1234.56, 4), "+1235"),
        (several(1, "check"), "1 check"),
        (several(0, "check"), "0 checks"),
        (several(1500, "prefill batch"), "1\u202f500 prefill batches"),
    ],
)
def test_numbers_are_written_one_way(written, expected):
    assert written == expected
