"""Makes the pictures of the README: python docs/images/make.py."""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from reports.difference import difference_figure
from reports.find import find
from reports.slotmap import slotmap_figure
from reports.slots import read_slots
from reports.svg import svg_text, write_png
from sim.cli import main

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def run(scenario: Path, out: Path) -> Path:
    """Run a scenario; where its variants lie."""
    with redirect_stdout(StringIO()):
        main(["run", str(scenario), "--out", str(out)])
    return out / scenario.stem


def make(out: Path) -> None:
    """Both pictures: the books against the truth, and where the memory went."""
    (scenario,) = find([run(ROOT / "docs" / "examples" / "borrowed-and-lost.yaml", out)])
    figures = {"borrowed-and-lost": difference_figure(scenario.runs)}
    (scenario,) = find([run(ROOT / "scenarios" / "founding" / "pr22862-five-retries.yaml", out) / "reverted"])
    (leaking,) = scenario.runs
    figures["five-retries"] = slotmap_figure(leaking, read_slots(leaking.folder / "slots.npz"))
    for name, figure in figures.items():
        svg_text(figure)
        write_png(figure, HERE / f"{name}.png")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        make(Path(folder))
