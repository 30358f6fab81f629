"""Drawings in a page: short, without losing a point that is seen, and with what they share said once."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from reports.svg import inline_svg, on_one_page, shortened, svg_text

Point = tuple[float, float]
STEPS = {"H": lambda at, x: (x, at[1]), "V": lambda at, y: (at[0], y), "L": lambda at, x, y: (x, y)}


def points(path: str) -> list[Point]:
    """Where the pen goes."""
    at, found = (0.0, 0.0), []
    for command, figures in re.findall(r"([MLHV])([^MLHV]*)", path):
        at = STEPS.get(command, STEPS["L"])(at, *map(float, figures.split()))
        found.append(at)
    return found


def corners(line: list[Point]) -> list[Point]:
    """The points at which a line turns."""
    kept: list[Point] = []
    for point in line:
        while len(kept) > 1 and any(
            kept[-2][n] == kept[-1][n] == point[n]
            and min(kept[-2][1 - n], point[1 - n]) <= kept[-1][1 - n] <= max(kept[-2][1 - n], point[1 - n])
            for n in (0, 1)
        ):
            kept.pop()
        if not kept or point != kept[-1]:
            kept.append(point)
    return kept


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 1.04 2 \nL 3.99 2 \nL 3.99 7.25 \nL 5 8", "M1 2H3.9V7.2L5 8"),
        ("M 0 5 \nL 1 5 \nL 2 5 \nL 2 5 \nL 3 5", "M0 5H3"),
        ("M 0 5 \nL 0 9 \nL 0 1 \nL 0 5", "M0 5V9V1V5"),
        ("M 0 0 \nL 2 0 \nL 2 2 \nz \nM 4 4 \nL 5 4 \nz", "M0 0H2V2zM4 4H5z"),
        ("M 1 1 \nQ 2 2.50 3 3 \nL 4 3 \nz", "M1 1Q2 2.5 3 3L4 3z"),
    ],
)
def test_a_path_is_told_in_few_words(path: str, short: str) -> None:
    assert shortened(path) == short


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=30))
def test_a_line_turns_where_it_turned(line: list[tuple[int, int]]) -> None:
    told = "M " + " \nL ".join(f"{x} {y}" for x, y in line)
    assert corners(points(shortened(told))) == corners([(float(x), float(y)) for x, y in line])


def drawing(hatch: str) -> str:
    figure = Figure(figsize=(2, 2))
    figure.subplots().bar([1, 2], [3, 4], hatch=hatch)
    return inline_svg(svg_text(figure), "bars")


def test_what_drawings_share_is_defined_once() -> None:
    made, shared, _ = on_one_page({"one": drawing("//"), "two": drawing("//"), "three": drawing("xx")})
    assert made["one"] == made["two"] != made["three"]
    assert not any("<defs" in text or " id=" in text for text in made.values())
    defined = re.findall(r'\bid="([^"]*)"', shared)
    assert len(defined) == len(set(defined))
    assert shared.count("<pattern") == 2
    used = set(re.findall(r'(?:href="#|url\(#)([^")]*)', "".join(made.values())))
    assert used <= set(defined)
    assert len(used) > 3


def test_groups_that_say_nothing_are_left_out() -> None:
    content = drawing("//")
    assert "<g>" not in content
    assert content.count("<g ") == content.count("</g>")
