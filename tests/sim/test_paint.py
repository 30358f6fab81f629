"""Colours: on a terminal that has them, unless nobody wants them."""

import io

import pytest

from sim.paint import coloured, paint_for, plain


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "setting", "paint"),
    [
        (Terminal(), {}, coloured),
        (io.StringIO(), {}, plain),
        (Terminal(), {"NO_COLOR": "1"}, plain),
        (Terminal(), {"NO_COLOR": ""}, coloured),
        (Terminal(), {"TERM": "dumb"}, plain),
    ],
)
def test_who_gets_colours(monkeypatch, stream, setting, paint):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert paint_for(stream) is paint


def test_a_colour_ends_with_its_text():
    assert coloured("leak", "bad") == "\x1b[1;31mleak\x1b[0m"
    assert coloured("", "bad") == ""
    assert plain("leak", "bad") == "leak"
