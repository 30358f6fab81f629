"""The figures as pictures, compared with those in `pictures/`; `make figures` makes them anew."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from helpers.looked import look_inside
from matplotlib.figure import Figure
from matplotlib.image import imread

from reports.data import read_run
from reports.difference import difference_figure
from reports.find import find
from reports.inside import inside_figures
from reports.overview import overview_figure
from reports.svg import svg_text, write_png
from reports.sweep import SweepRow, rows_of
from reports.terms import terms_figure
from reports.trends import latency_figure, loss_figure

PICTURES = Path(__file__).with_name("pictures")
DPI = 72
TOLERANCE = 4.0
"""In 256 steps of grey, root mean square: letters that lie a fraction of a pixel elsewhere, no more."""


def sweep() -> list[SweepRow]:
    rng = np.random.default_rng(5)
    rows = []
    for policy, verdict in (("released", "clean"), ("without-22753", "false-alarm"), ("without-22862", "leak")):
        for rate in (1, 2, 4, 8):
            for seed in range(8):
                found = verdict if rng.random() < 0.7 else "clean"
                size = -int(rng.integers(1, 4)) * rate if found == "leak" else 0
                latency = None if found == "clean" or seed == 3 else int(10 ** rng.uniform(0, 3))
                rows.append(
                    SweepRow(
                        scenario=f"rate-{rate}",
                        policy=policy,
                        seed=seed,
                        params={"rate": rate},
                        verdict=found,
                        size=size,
                        latency=latency,
                        ok=found in ("clean", verdict),
                    )
                )
    return rows


def figures(scenario: Path) -> Iterator[tuple[str, Figure]]:
    """Every kind of figure, of the fixtures' four variants and of a made-up sweep."""
    look_inside(scenario / "leak")
    runs = [read_run(scenario / name) for name in ("clean", "leak", "false-alarm", "silent")]
    yield "difference", difference_figure(runs)
    yield "terms", terms_figure(runs[1])
    for inside in inside_figures(runs[1]):
        yield inside.kind, inside.figure
    yield "overview", overview_figure([*rows_of(find([scenario])), *sweep()])
    yield "loss", loss_figure(sweep(), "rate")
    yield "latency", latency_figure(sweep())


def render(figure: Figure) -> bytes:
    drawn = BytesIO()
    svg_text(figure)
    write_png(figure, drawn, DPI)
    return drawn.getvalue()


def grey(picture: bytes) -> np.ndarray:
    return 255 * np.asarray(imread(BytesIO(picture), format="png"))[..., :3].mean(axis=2)


def off(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square of what differs."""
    return float(np.sqrt(np.mean((one - other) ** 2))) if one.shape == other.shape else float("inf")


def test_every_figure_looks_as_it_did(scenario_of_four: Path, record: bool) -> None:
    seen = {}
    for name, figure in figures(scenario_of_four):
        drawn = render(figure)
        if record:
            (PICTURES / f"{name}.png").write_bytes(drawn)
        seen[name] = off(grey(drawn), grey((PICTURES / f"{name}.png").read_bytes()))
    assert {path.stem for path in PICTURES.iterdir()} == set(seen)
    assert {name: by for name, by in seen.items() if by > TOLERANCE} == {}


def test_the_pictures_are_few_and_small() -> None:
    sizes = [path.stat().st_size for path in PICTURES.iterdir()]
    assert len(sizes) <= 12
    assert max(sizes) < 60_000


def empty(ax) -> None:
    for patch in list(ax.patches):
        patch.remove()


@pytest.mark.parametrize("spoil", [empty, lambda ax: ax.set_xlim(0, 60)])
def test_a_figure_that_lost_something_is_told_apart(scenario_of_four: Path, spoil: Callable) -> None:
    look_inside(scenario_of_four / "leak")
    for inside in inside_figures(read_run(scenario_of_four / "leak")):
        spoil(inside.figure.axes[0])
        kept = (PICTURES / f"{inside.kind}.png").read_bytes()
        assert off(grey(render(inside.figure)), grey(kept)) > TOLERANCE
