"""What a release raises, as a result."""

import pytest

from sim.engines.sglang.crash import crash_of, plain


def test_an_error_of_ours_is_no_crash_of_the_release():
    with pytest.raises(ValueError, match="ours") as caught:
        raise ValueError("ours")
    assert crash_of(caught.value) is None


def test_what_is_raised_in_a_release_is_one_with_its_last_places(tmp_path):
    file = tmp_path / "sglang" / "srt" / "mem_cache" / "thing.py"
    file.parent.mkdir(parents=True)
    file.write_text("def fall():\n    raise KeyError('\\x1b[31mred')\n")
    scope = {}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    with pytest.raises(KeyError) as caught:
        scope["fall"]()
    crash = crash_of(caught.value)
    assert crash.kind == "KeyError"
    assert crash.frames == ("mem_cache/thing.py:2 fall",)


def test_messages_are_fit_to_be_shown():
    assert plain("two\nlines, ≠ and é") == "two\nlines, ≠ and é"
    assert plain("\x1b[31mred\x07\r") == "\N{REPLACEMENT CHARACTER}[31mred" + 2 * "\N{REPLACEMENT CHARACTER}"
    assert plain("x" * 1000) == "x" * 1000
    assert plain("x" * 5000) == "x" * 1000 + " …"
