"""The sessions: what is read is what is drawn, and of many those that matter."""

from pathlib import Path

import numpy as np
import pytest
from helpers.looked import change, look_inside, save_lines
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import ReportError
from reports.data import read_run
from reports.lives import STATES, Deed, Life, read_deeds, read_lives
from reports.sessions import chosen, sessions_figure, stretches
from reports.shapes import boxes_in


def lives_of(tmp_path: Path, *lines) -> list[Life]:
    return read_lives(save_lines(tmp_path / "lives.jsonl", lines))


def told(life: Life, end: float) -> list[tuple[float, float, str]]:
    return [(start, stop, STATES[rank - 1]) for start, stop, rank in stretches(life, end)]


def drawn(ax, state: str):
    return [(b[0], b[2], (b[1] + b[3]) / 2) for p in ax.patches if p.get_label() == f"_{state}" for b in boxes_in(p)]


def letters(ax, kind: str):
    """Where the letters of a kind stand: each is a disc and a glyph."""
    found = [item for item in ax.lines if item.get_label() == f"_{kind}"]
    assert len(found) in (0, 2)
    return list(zip(*found[0].get_data(), strict=True)) if found else []


def test_a_session_shows_its_turns_and_between_them_what_it_holds(tmp_path: Path) -> None:
    (life,) = lives_of(
        tmp_path,
        change(1, "open", session="a"),
        change(3, "queued", "a/1", "a"),
        change(3, "turn", session="a"),
        change(5, "prefill", "a/1", "a"),
        change(6, "decode", "a/1", "a"),
        change(9, "finished", "a/1", "a"),
        change(9, "held", session="a"),
        change(12, "closed", session="a"),
    )
    assert told(life, 20.0) == [
        (1, 3, "open"),
        (3, 5, "queued"),
        (5, 6, "prefill"),
        (6, 9, "decode"),
        (9, 12, "held"),
    ]
    assert life.closed == 12
    assert life.requests == {"a/1"}


def test_a_request_without_a_session_has_its_own_line_and_may_come_back(tmp_path: Path) -> None:
    one, other = lives_of(
        tmp_path,
        change(1, "queued", "r1"),
        change(2, "prefill", "r1"),
        change(3, "queued", "r2"),
        change(4, "aborted", "r1"),
        change(7, "queued", "r1"),
    )
    assert (one.name, told(one, 9.0)) == ("r1", [(1, 2, "queued"), (2, 4, "prefill"), (7, 9, "queued")])
    assert (other.name, told(other, 9.0)) == ("r2", [(3, 9, "queued")])


def test_two_turns_at_once_show_what_the_more_telling_one_does(tmp_path: Path) -> None:
    (life,) = lives_of(
        tmp_path,
        change(1, "decode", "a/1", "a"),
        change(2, "queued", "a/2", "a"),
        change(4, "retracted", "a/1", "a"),
        change(5, "finished", "a/1", "a"),
    )
    assert told(life, 7.0) == [(1, 4, "decode"), (4, 5, "retracted"), (5, 7, "queued")]


def test_no_file_is_no_line(tmp_path: Path) -> None:
    assert read_lives(tmp_path / "lives.jsonl") == []
    assert read_deeds(tmp_path) == []


def test_damaged_lives_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "lives.jsonl").write_text("[1]\n")
    with pytest.raises(ReportError, match=r"lives\.jsonl:1:1: this line is no JSON object"):
        read_lives(tmp_path / "lives.jsonl")


def test_of_an_interrupted_run_there_is_what_was_written(tmp_path: Path) -> None:
    whole = '{"event":1,"t":0.0,"session":"a","state":"open"}\n'
    (tmp_path / "lives.jsonl").write_text(whole + whole[:20])
    (life,) = read_lives(tmp_path / "lives.jsonl")
    assert (life.name, life.event) == ("a", [1])


def test_what_was_asked_for_is_told_once_and_what_befell_them_too(tmp_path: Path) -> None:
    path = save_lines(
        tmp_path / "events.jsonl",
        [
            {"event": 4, "kind": "retract", "request": "a/1", "session": "a"},
            {"event": 5, "kind": "prefill", "retracted": ["a/1", "b/1"]},
            {"event": 6, "kind": "abort", "request": "a/1"},
            {"event": 7, "kind": "decode", "aborted": ["a/1"], "refused": ["c"]},
            {"event": 8, "kind": "close", "session": "a"},
            {"event": 9, "kind": "reap", "closed": ["b", "c"]},
            {"event": 10, "kind": "decode", "retracted": ["a/1"]},
        ],
    )
    path.write_text(path.read_text() + '{"event":11,"kind":"abo')
    assert read_deeds(tmp_path) == [
        Deed(4, "retract", "a/1"),
        Deed(5, "retract", "b/1"),
        Deed(6, "abort", "a/1"),
        Deed(7, "refuse", "c"),
        Deed(8, "close", "a"),
        Deed(9, "reap", "b"),
        Deed(9, "reap", "c"),
        Deed(10, "retract", "a/1"),
    ]


def test_bars_and_letters_stand_on_the_line_of_their_session(scenario_of_four: Path) -> None:
    folder = look_inside(scenario_of_four / "leak")
    deeds = [Deed(20, "retract", "a/1"), Deed(117, "close", "a"), Deed(30, "abort", "nobody")]
    ax = sessions_figure(read_run(folder), read_lives(folder / "lives.jsonl"), deeds).axes[0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a"]
    assert drawn(ax, "retracted") == [(20, 21, 0)]
    assert drawn(ax, "decode") == [(4, 20, 0), (22, 110, 0)]
    assert drawn(ax, "held") == [(110, 118, 0)]
    assert letters(ax, "retract") == [(20, 0)]
    assert letters(ax, "close") == [(117, 0)]
    assert letters(ax, "abort") == []


def test_of_many_sessions_those_that_a_verdict_names_and_the_longest_are_shown(
    tmp_path: Path, make_story, make_fault, save_run
) -> None:
    fault = make_fault("leak", -1, 30, 40, session="s7", request="s7/1")
    run = read_run(save_run(tmp_path / "run", make_story(200), [fault]))
    lives = [Life(f"s{n}", [1 + n, 100], [STATES.index("decode") + 1, 0]) for n in range(60)]
    lives[7] = Life("s7", [8], [STATES.index("queued") + 1])
    names = [life.name for life in chosen(run, lives, 201.0)]
    assert names == [*(f"s{n}" for n in range(24))]
    lives[50] = Life("s50", [60], [STATES.index("decode") + 1])
    names = [life.name for life in chosen(run, lives, 201.0)]
    assert names == [*(f"s{n}" for n in range(23)), "s50"]
    ax = sessions_figure(run, lives, []).axes[0]
    assert ax.get_title(loc="left").endswith("; 36 more are left out")


def test_sessions_go_before_requests_the_longest_first_but_whom_a_verdict_names_is_there(
    tmp_path: Path, make_story, make_fault, save_run
) -> None:
    fault = make_fault("leak", -1, 30, 40, session=None, request="r5")
    fault["cause"] |= {"session": None, "request": "r5"}
    run = read_run(save_run(tmp_path / "run", make_story(200), [fault]))
    held, decode = STATES.index("held") + 1, STATES.index("decode") + 1
    requests = [Life(f"r{n}", [1], [decode], session=False) for n in range(40)]
    sessions = [Life(f"s{n}", [50, 52 + n], [held, 0]) for n in range(30)]
    names = [life.name for life in chosen(run, [*requests, *sessions], 201.0)]
    assert names == ["r5", *(f"s{n}" for n in range(7, 30))]


def test_waiting_is_not_being_busy() -> None:
    waits, runs = STATES.index("queued") + 1, STATES.index("decode") + 1
    assert Life("x", [1, 90], [waits, runs]).busy(100.0) == 10


def test_a_state_of_one_event_in_a_hundred_thousand_is_drawn() -> None:
    rank = [5] * 50_000 + [7] + [5] * 50_000
    rank[1::2] = [4] * len(rank[1::2])
    rank[50_000] = 7
    life = Life("x", list(range(1, len(rank) + 1)), rank)
    shown = stretches(life, len(rank) + 1)
    assert len(shown) <= 240
    assert [(start <= 50_001 < stop) for start, stop, r in shown if r == 7] == [True]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), min_size=1, max_size=200))
@settings(deadline=None)
def test_a_short_life_is_drawn_as_it_was(changes: list[tuple[int, int]]) -> None:
    event = np.cumsum([1 + step for step, _ in changes]).tolist()
    life = Life("x", event, [rank for _, rank in changes])
    shown = stretches(life, event[-1] + 1.0)
    for at, rank in zip(event, life.rank, strict=True):
        assert [value for start, stop, value in shown if start <= at < stop] == ([rank] if rank else [])
