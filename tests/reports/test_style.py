"""The colours: seen against white and black, told apart whatever the eye, and the same in light and dark."""

import re
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from reports.css import CSS
from reports.stepper import style
from reports.style import BOOKS, OWNER_STYLES, TERM_STYLES, TRUTH, TermStyle, reserved

PAPERS = re.findall(r"--paper: (#\w+)", CSS)[:2]
ACCOUNTS = TERM_STYLES | {"nobody's": OWNER_STYLES["nobody's"]}

EYES = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""What an eye makes of linear red, green and blue: Machado, Oliveira and Fernandes, 2009."""


def linear(color) -> np.ndarray:
    parts = np.array(to_rgb(color))
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one, other) -> float:
    low, high = sorted(float(linear(color) @ (0.2126, 0.7152, 0.0722)) + 0.05 for color in (one, other))
    return high / low


def oklab(color, eye: str = "usual") -> np.ndarray:
    """Lightness and the two axes of colour; distances in it are as the eye has them."""
    cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    axes = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    seen = np.clip(np.array(EYES[eye]) @ linear(color), 0, 1)
    return np.array(axes) @ np.cbrt(np.array(cones) @ seen)


def drawn(look: TermStyle, paper: str) -> tuple[float, ...]:
    """The colour of an area on paper."""
    return tuple(look.alpha * np.array(to_rgb(look.color)) + (1 - look.alpha) * np.array(to_rgb(paper)))


def test_there_is_a_light_and_a_dark_paper() -> None:
    assert contrast(*PAPERS) > 15


@pytest.mark.parametrize("paper", PAPERS)
def test_every_account_stands_out_from_the_paper(paper: str) -> None:
    low = {name: contrast(look.color, paper) for name, look in ACCOUNTS.items()}
    low |= {"books": contrast(BOOKS, paper), "truth": contrast(TRUTH, paper)}
    assert {name: by for name, by in low.items() if by < 3} == {}


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("eye", EYES)
def test_no_two_accounts_look_alike(eye: str, paper: str) -> None:
    colors = {name: oklab(drawn(look, paper), eye) for name, look in ACCOUNTS.items()}
    apart = {(a, b): float(np.linalg.norm(colors[a] - colors[b])) for a, b in combinations(colors, 2)}
    assert {pair: by for pair, by in apart.items() if by < 0.08} == {}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_an_account_has_one_hue_in_light_and_dark(name: str) -> None:
    look = ACCOUNTS[name]
    hues = [np.arctan2(*oklab(color)[:0:-1]) for color in (look.color, *(drawn(look, paper) for paper in PAPERS))]
    assert np.degrees(np.ptp(hues)) < 10


def test_what_is_reserved_is_in_the_colour_of_its_account_and_not_paler() -> None:
    look = reserved(TERM_STYLES["uncached"])
    assert (look.line, look.alpha) == (TERM_STYLES["uncached"].color, 1.0)
    assert look.hatch


def test_the_rows_of_the_stepper_have_the_colours_of_the_figures() -> None:
    assert all(f"--{name}: {look.color};" in style() for name, look in TERM_STYLES.items())
    assert not re.findall(r"background: #", style())
