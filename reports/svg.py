"""A figure as files, and as SVG that can stand inside a page and follow its colours."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reports.style import INK, MUTED, PAPER, look

_PNG_DPI = 160
_SVG_DPI = 72
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_PATH = re.compile(r' d="([^"]*)"')
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_GROUP = re.compile(r"(<g\b[^>]*>|</g>)")
_UNUSED_ID = re.compile(r'(<g|<image [^>]*?) id="[^"]*"')
_DEFINITIONS = re.compile(r"<defs>(.*?)</defs>", re.DOTALL)
_DEFINITION = re.compile(r'<(\w+) id="([^"]*)"((?:[^>]*/>)|(?:.*?</\1>))', re.DOTALL)
_REFERENCE = re.compile(r'(?:xlink:)?(href="#|url\(#)([^")]*)')
_STYLE = re.compile(r' style="([^"]*)"')
_SHORTER = (
    # What a page does not need: its own font is used, a tenth of a point is finer than any screen.
    (re.compile(r">\s+<"), "><"),
    # A style element of a drawing is one of the whole page, and each would have all of it styled anew.
    (re.compile(r"<defs><style.*?</style></defs>"), ""),
    (re.compile(r"font-family: [^;\"]*; "), ""),
    (re.compile(r' transform="rotate\(-?0 [^)]*\)"'), ""),
    (re.compile(r'(?<= [xy]=")(-?\d+\.\d)\d+(?=")'), r"\1"),
    (re.compile(r"<g/>"), ""),
)
Point = tuple[str, str]


def svg_text(figure: Figure) -> str:
    """The figure as a standalone SVG document, with coordinates to a tenth of a point."""
    buffer = StringIO()
    with look():
        figure.set_dpi(_SVG_DPI)
        FigureCanvasSVG(figure).print_svg(buffer, metadata=_NO_METADATA)  # type: ignore[no-untyped-call]
    return _PATH.sub(lambda match: f' d="{shortened(match[1])}"', buffer.getvalue())


def inline_svg(document: str, label: str) -> str:
    """The same drawing as an element of a page: no prolog, its three colours are the page's."""
    body = document[document.index("<svg") :]
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    rest = _UNUSED_ID.sub(r"\1", re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL))
    for fixed, variable in ((INK, "var(--ink)"), (PAPER, "var(--paper)"), (MUTED, "var(--muted)")):
        rest = rest.replace(fixed, variable)
    for long, short in _SHORTER:
        rest = long.sub(short, rest)
    rest = _without_idle_groups(rest)
    return f'<svg role="img" aria-label="{escape(label)}" {box[0] if box else ""}>{rest}'


def on_one_page(drawings: Mapping[str, str]) -> tuple[dict[str, str], str, str]:
    """The drawings with what many share said once: what they refer to, and the style sheet.

    A marker, a hatch, a clip has one definition in the page, whichever drawings use it.
    """
    numbers: dict[tuple[str, str], str] = {}
    drawings = {name: _referring(drawing, numbers) for name, drawing in drawings.items()}
    shared = "".join(f'<{tag} id="{number}"{rest}' for (tag, rest), number in numbers.items())
    counts = Counter(style for text in (*drawings.values(), shared) for style in _STYLE.findall(text))
    names = {style: f"s{n}" for n, (style, count) in enumerate(counts.most_common()) if count > 2}

    def named(match: re.Match[str]) -> str:
        name = names.get(match[1])
        return match[0] if name is None else f' class="{name}"'

    sheet = "".join(f"svg .{name}{{{style}}}\n" for style, name in names.items())
    shared = f'<svg class="shared" aria-hidden="true"><defs>{_STYLE.sub(named, shared)}</defs></svg>\n'
    return {name: _STYLE.sub(named, drawing) for name, drawing in drawings.items()}, shared, sheet


def _referring(drawing: str, numbers: dict[tuple[str, str], str]) -> str:
    """A drawing without its definitions, each of which has its number in `numbers`."""
    here: dict[str, str] = {}
    for tag, name, rest in _DEFINITION.findall("".join(_DEFINITIONS.findall(drawing))):
        here[name] = numbers.setdefault((tag, rest), f"d{len(numbers)}")
    return _REFERENCE.sub(lambda match: match[1] + here.get(match[2], match[2]), _DEFINITIONS.sub("", drawing))


def save(figure: Figure, document: str, stem: Path, *, png: bool = True) -> None:
    """Write the drawing as STEM.svg, and as STEM.png."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(f"{stem.name}.svg").write_text(document, encoding="utf-8")
    if png:
        write_png(figure, stem.with_name(f"{stem.name}.png"))


def write_png(figure: Figure, where: Path | BinaryIO, dpi: int = _PNG_DPI) -> None:
    """Write a figure that `svg_text` has laid out; `savefig` would do that anew, which is half of the work."""
    figure.set_layout_engine("none")
    with look():
        figure.set_dpi(dpi)
        FigureCanvasAgg(figure).print_png(where, metadata={"Software": None})  # type: ignore[no-untyped-call]


def shortened(path: str) -> str:
    """The same path in tenths of a point, without the points that lie within a level or upright stretch."""
    told = []
    line: list[Point] = []
    for command, figures in _COMMAND.findall(path):
        numbers = [_tenth(number) for number in figures.split()]
        if command == "L" and line:
            line.append((numbers[0], numbers[1]))
            continue
        told.append(_line(line))
        line = [(numbers[0], numbers[1])] if command == "M" else []
        told.append(command + " ".join(numbers))
    return "".join((*told, _line(line)))


def _tenth(number: str) -> str:
    """A tenth of a point is finer than any screen; long runs would fill megabytes with the rest."""
    whole, _, rest = number.partition(".")
    return f"{whole}.{rest[0]}" if rest[:1].strip("0") else whole


def _line(points: Sequence[Point]) -> str:
    """From the first point on, where the pen already is, to the last."""
    kept = list(points[:1])
    for point in points[1:]:
        if len(kept) > 1 and _within(kept[-2], kept[-1], point):
            kept[-1] = point
        elif point != kept[-1]:
            kept.append(point)
    words = []
    for (x0, y0), (x, y) in pairwise(kept):
        words.append(f"H{x}" if y == y0 else f"V{y}" if x == x0 else f"L{x} {y}")
    return "".join(words)


def _within(first: Point, middle: Point, last: Point) -> bool:
    """Whether a point lies on the level or upright stretch from the one before it to the one after it."""
    for along, across in ((0, 1), (1, 0)):
        if first[across] == middle[across] == last[across]:
            ends = sorted((float(first[along]), float(last[along])))
            return ends[0] <= float(middle[along]) <= ends[1]
    return False


def _without_idle_groups(drawing: str) -> str:
    """The drawing without the groups that say nothing of what is in them."""
    told: list[str] = []
    idle: list[bool] = []
    for part in _GROUP.split(drawing):
        opens = part.startswith("<g")
        leave = idle.pop() if part == "</g>" else part == "<g>"
        if opens:
            idle.append(leave)
        if not leave:
            told.append(part)
    return "".join(told)
