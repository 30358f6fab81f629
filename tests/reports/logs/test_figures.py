"""The figures of a log, by what is drawn."""

from __future__ import annotations

from helpers.loglines import begun, busy, idle, leaking, sound

from reports.logs.figures import clock_of, difference_figure, terms_figure


def drawn(result):
    rank = next(iter(result.log.ranks.values()))
    return rank, rank.books["full"], clock_of([rank])


def test_where_it_was_first_off_stands_its_number(read):
    result = read("".join(leaking("TP0")))
    rank, book, clock = drawn(result)
    (ax,) = difference_figure([("", rank, book, [(1, result.findings[0])])], clock).axes
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("1", (clock.at(book.first.time), 0.9))]
    steps = ax.lines[1].get_ydata()
    assert (list(steps), ax.get_ylim()[0] < -12) == ([-n for n in range(1, 13)], True)


def test_what_balances_lies_in_the_middle(read):
    rank, book, clock = drawn(read("".join(sound())))
    (ax,) = difference_figure([("", rank, book, [])], clock).axes
    assert ax.get_ylim() == (-1, 1)
    assert not ax.texts


def test_the_last_check_is_seen_even_where_it_is_the_only_one(read):
    for log in (begun(0) + idle(9, -3), begun(0) + busy(1) + idle(9, -3)):
        _, book, clock = drawn(read(log))
        (ax,) = terms_figure(book, clock).axes
        total = next(line for line in ax.lines if line.get_label() == "sum")
        assert list(total.get_ydata())[-2:] == [397, 397]
        assert total.get_xdata()[-1] > total.get_xdata()[-2] == clock.at(book.last.time)
        assert total.get_xdata()[-1] <= ax.get_xlim()[1]
